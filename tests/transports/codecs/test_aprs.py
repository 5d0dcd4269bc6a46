import gzip
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import aprs
from transports.codecs.aprs import fence

TESTS = Path(__file__).parents[2]
VECTORS = json.loads((TESTS / "vectors" / "aprs.json").read_text())
CORPORA = TESTS.parent / "../shared/corpora"

# Heads that lead noise to every reader.
HEADS = [vector["info"][:cut].encode() for vector in VECTORS for cut in (1, 10, 20, 28)]


def parse(info: bytes, destination: str = "APZEDG") -> aprs.Packet:
    return aprs.parse("QQ1ABC", destination, (), info)


def is_plain(value: object) -> bool:
    """Whether ASGI permits this value."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 2**63
    return value is None or isinstance(value, str | bytes)


RANGES = {
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "ambiguity": (0, 4),
    "course": (1, 360),
    "speed": (0, 2000),
    "altitude": (-40_000, 500_000),
    "range": (0, 1e7),
    "bearing": (0, 999),
    "wind_direction": (0, 360),
    "wind_speed": (0, 2000),
    "gust": (0, 2000),
    "temperature": (-273.15, 2000),
    "temperature_indoor": (-273.15, 2000),
    "humidity": (1, 100),
    "humidity_indoor": (1, 100),
    "pressure": (1, 1200),
    "rain_1h": (0, 10_000),
    "rain_24h": (0, 10_000),
    "rain_since_midnight": (0, 10_000),
    "luminosity": (0, 1999),
}


def assert_within_range(packet: aprs.Packet) -> None:
    values = {**packet.fields, **packet.fields.get("weather", {})}
    for name, (low, high) in RANGES.items():
        assert low <= values.get(name, low) <= high, (name, values[name])
    assert set(packet.origins) <= set(packet.fields) | {f"weather.{name}" for name in packet.fields.get("weather", ())}
    assert all(origin.startswith(("lenient: ", "guessed: ")) for origin in packet.origins.values())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["info"] or "nothing")
def test_a_packet_means_what_its_source_says(vector):
    info = vector["info"].encode()
    packet = parse(info)
    assert packet.format == vector["format"]
    assert {name: packet.fields.get(name) for name in vector["fields"]} == vector["fields"]
    assert not set(vector.get("absent", ())) & set(packet.fields)
    assert {name: packet.origin(name) for name in vector.get("origins", ())} == vector.get("origins", {})
    assert packet.raw == info
    assert bool(packet.reason) == (packet.format == "unparsed")


def test_mic_e_is_read_with_its_destination():
    packet = parse(b'`(_fn"Oj/]TEST=', destination="S32UVT-1")
    assert packet.format == "mic-e"
    assert packet.fields["latitude"] == pytest.approx(33.427333)
    assert packet.fields["longitude"] == pytest.approx(-112.129)
    assert (packet.fields["symbol"], packet.fields["course"], packet.fields["speed"]) == ("/j", 251, 37.0)


@pytest.mark.parametrize("info", [b"\x1c\x01", b"\x1d", b"`x", b"'"])
def test_mic_e_to_a_destination_that_holds_no_position_is_unparsed(info):
    packet = parse(info, "APZSIM")
    assert packet.format == "unparsed"
    assert packet.reason


def test_a_frequency_is_not_an_altitude_of_358_km():
    packet = parse(b'`|_[o6=>/`"6(}145.725MHz}_#', destination="TY5QQ0")
    assert packet.format == "mic-e"
    assert packet.fields["altitude"] == 199
    assert packet.fields["frequency"] == 145.725


@pytest.mark.parametrize(
    ("comment", "values"),
    [
        (b"'1020 hello", [16, None, 32]),
        (b"`102030FF00 hello", [16, 32, 48, 255, 0]),
        (b"`7C11>hello", None),
        (b"'102030FF00 hello", None),
    ],
)
def test_old_mic_e_telemetry_has_two_channels_behind_one_mark_and_five_behind_the_other(comment, values):
    fields = parse(b'`(_fn"Oj/' + comment, "S32UVT").fields
    assert fields.get("telemetry", {}).get("values") == values
    assert fields["comment"] == ("hello" if values else comment.decode())


def test_a_third_party_packet_holds_the_parsed_inner_packet():
    packet = parse(b"}QQ1ZZY>APRS,TCPIP,QQ1GAT*::QQ1AAB-3 :hi{1")
    inner = packet.fields["packet"]
    assert inner["format"] == "message"
    assert inner["fields"] == {"addressee": "QQ1AAB-3", "text": "hi", "id": "1"}
    assert inner["raw"] == b":QQ1AAB-3 :hi{1"


def test_third_party_packets_within_each_other_end_at_the_bound():
    packet = parse(b"}A1B>APRS,X*:" * 50 + b">hi")
    inner = packet.fields["packet"]["fields"]["packet"]
    assert inner["format"] == "unparsed"
    assert "at most 2" in inner["reason"]


def test_text_that_is_not_utf_8_is_read_as_latin_1():
    assert parse(b">Gr\xfc\xdfe").fields["status"] == "Grüße"
    assert parse(">Grüße".encode()).fields["status"] == "Grüße"


def test_plain_text_is_a_beacon_for_a_generic_destination_only():
    assert parse(b"QQ1ABC/R Somewhere", "ID").format == "beacon"
    assert parse(b"QQ1ABC/R Somewhere", "QQ1XYZ").format == "unparsed"


@pytest.mark.parametrize(("digits", "number"), [("", 0), ("!", 0), ("{{", 8280), ('!"', 1), ("\x00", 0), ("ä", 0)])
def test_the_fence_gives_a_number_whatever_the_digits(digits, number):
    assert fence.read_base91(digits) == number


@given(
    st.binary(max_size=120) | st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=60)),
    st.text(max_size=9),
)
def test_any_bytes_give_a_packet_with_all_of_them_and_a_summary(info, destination):
    packet = parse(info, destination)
    assert packet.format in aprs.FORMATS
    assert packet.raw == info
    assert bool(packet.reason) == (packet.format == "unparsed")
    assert is_plain(dict(packet.fields))
    assert_within_range(packet)
    line = aprs.summary(packet)
    assert line.isprintable()
    assert 0 < len(line) <= 200


@given(st.sampled_from(HEADS), st.text("0123456789. /NSEW_>cgtrpPhbs#{}|!A=PHG,-", max_size=60))
def test_nearly_right_bytes_give_a_packet_too(head, tail):
    packet = parse(head + tail.encode())
    assert packet.format in aprs.FORMATS
    assert is_plain(dict(packet.fields))
    assert_within_range(packet)
    assert aprs.summary(packet)


@pytest.mark.parametrize(
    "head", [*"!=/@;)_:>[?<{,%#*$}`'T", "!!", "$ULTW", "T#1,", "$GPRMC,", ":QQ1ABC   :", ":N3MIM    :EQNS."]
)
@pytest.mark.parametrize(
    "body", ["0", " ", "!", "|", "}", "{", ",", ".", "/A=", "!W", "|!!", "r00", "_c", "b1", "1.", "x}"]
)
def test_a_packet_of_twenty_thousand_characters_is_read_to_its_end(head, body):
    """A reader that looked again and again would be at it for hours; a frame holds 256 bytes, APRS-IS 512."""
    places = ("", "4903.50N/07201.75W-", "4903.50N/07201.75W_", "/5L!!<*e7>7P[")
    for place in places:
        info = (head + place + body * (20_000 // len(body))).encode()
        packet = parse(info, "TY5QQ0")
        assert packet.raw == info
        assert aprs.summary(packet)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = [
    "latitude",
    "longitude",
    "speed",
    "course",
    "altitude",
    "weather",
    "telemetry",
    "comment",
    "packet",
    "name",
    "id",
]


@given(st.sampled_from(aprs.FORMATS), st.dictionaries(st.sampled_from(NAMES), JUNK))
def test_a_summary_never_raises_whatever_the_fields(form, fields):
    assert aprs.summary(aprs.Packet(format=form, fields=fields))


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        (b"!4812.49N/01622.43E>090/022on the way home", "position 48.2082N 16.3738E, 41 km/h to 90°, on the way home"),
        (b":QQ1ABC-7 :hello{12", "message to QQ1ABC-7: hello (12)"),
        (b":QQ1ABC-7 :ack12", "ack to QQ1ABC-7 for message 12"),
        (b">on the air", "status on the air"),
        (b"T#005,199,000,255,073,123,01101001", "telemetry 5: 199 0 255 73 123"),
        (b"}A1B>APRS,X*:>hi", "relayed from A1B: status hi"),
        (b"<IGATE,MSG_CNT=1", "capabilities IGATE, MSG_CNT=1"),
        (b"_10090556c220s004g005t077", "weather, 25.0 °C, wind 1.8 m/s, from 220°, gusts 2.2 m/s"),
        (b";LEADER   _092345z4903.50N/07201.75W>", "object LEADER killed 49.0583N 72.0292W"),
        (b"", "unparsed '': the info field is empty"),
    ],
)
def test_a_summary_is_a_sentence_for_people(info, sentence):
    assert aprs.summary(parse(info)) == sentence


def recorded_packets(name: str, step: int) -> list[tuple[str, bytes]]:
    with gzip.open(CORPORA / name) as file:
        lines = file.read().split(b"\n")[::step]
    heads = (line.partition(b":") for line in lines if b":" in line)
    return [(head.decode("latin-1").partition(">")[2].partition(",")[0], info) for head, _, info in heads]


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpora of recorded traffic are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "step", "rate"),
    [
        ("goaprs_large_2012.tnc2.gz", 20, 0.97),
        ("goaprs_faptests.tnc2.gz", 1, 0.93),
        ("javAPRSlib_aprs.tnc2.gz", 1, 0.97),
        ("javAPRSlib_cwop.tnc2.gz", 1, 0.97),
        ("wa8lmf_track2_vpdigi.tnc2.gz", 1, 0.80),  # decoded from weak audio: some of its bytes are damaged
    ],
)
def test_recorded_traffic_is_parsed_at_this_rate_and_never_raises(name, step, rate):
    packets = recorded_packets(name, step)
    parsed = [parse(info, destination) for destination, info in packets]
    assert [packet.raw for packet in parsed] == [info for _, info in packets]
    assert all(aprs.summary(packet).isprintable() for packet in parsed)
    assert sum(packet.format != "unparsed" for packet in parsed) / len(parsed) >= rate
