"""The texts, judged by aprslib and by the examples of the APRS 1.0.1 document."""

import aprslib
import pytest

from transports.simulator import aprs
from transports.simulator.aprs import Message, Place, Weather

NOON = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
PLACES = [
    Place(latitude=49.5, longitude=-72.75, course=88, speed=36),  # the document's own place
    Place(latitude=47.87, longitude=12.45, course=359, speed=4),
    Place(latitude=-33.8567, longitude=151.215, course=1, speed=120),
    Place(latitude=0.0, longitude=5.25, course=251, speed=20),
    Place(latitude=60.001, longitude=-105.999, course=180, speed=0),
    Place(latitude=9.99, longitude=100.05, course=90, speed=9),
]


def parse(info: bytes, destination: str = "APZSIM") -> dict:
    return aprslib.parse(f"QQ1AAA>{destination}:".encode() + info)


def near(place: Place, parsed: dict) -> bool:
    return abs(place.latitude - parsed["latitude"]) < 1e-4 and abs(place.longitude - parsed["longitude"]) < 1e-4


def test_the_documents_position_is_written_as_in_the_document():
    assert aprs.position(PLACES[0], "/-") == "4930.00N/07245.00W-"
    assert aprs.extension(PLACES[0]) == "088/036"
    assert aprs.extension(Place(latitude=0, longitude=0)) == "360/000"
    assert aprs.compressed(Place(latitude=49.5, longitude=-72.75, course=88, speed=36), "/>") == "/5L!!<*e7>7P["


@pytest.mark.parametrize("place", PLACES)
def test_aprslib_reads_the_three_forms_of_a_place(place):
    plain = parse(f"!{aprs.position(place, '/>')}{aprs.extension(place)}".encode())
    assert abs(plain["latitude"] - place.latitude) < 1e-4
    assert plain["course"] == place.course
    packed = parse(f"!{aprs.compressed(place, '/>')}".encode())
    assert near(place, packed)
    assert (place.course - packed["course"]) % 360 < 4  # in steps of four degrees
    destination, info = aprs.mic_e(place, "/[")
    walker = parse(info, destination)
    assert near(place, walker)
    assert (walker["course"], walker["symbol"], walker["mbits"]) == (place.course, "[", "111")
    assert walker["speed"] == pytest.approx(place.speed * 1.852)


def test_weather_has_the_fields_of_the_document():
    weather = Weather(
        direction=220, wind=4, gust=5, temperature=-7, rain=0, humidity=100, pressure=990.04
    )  # chapter 12, made cold
    assert aprs.weather_fields(weather) == "g005t-07r000p000P000h00b09900"
    assert aprs.positionless_weather(weather, NOON).startswith("_11142213c220s004g005t-07")


def test_times_are_utc():
    assert (aprs.day_time(NOON), aprs.clock_time(NOON)) == ("142213z", "221320h")


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (b":QQ1EDG   :hello{01", Message(addressee="QQ1EDG", text="hello", number="01")),
        (b":QQ1EDG   :ack01", Message(addressee="QQ1EDG", text="ack01", number="")),
        (b":QQ1EDG-15:a:b{c{AB}CD\r", Message(addressee="QQ1EDG-15", text="a:b{c", number="AB}CD")),
        (b":QQ1EDG   :gr\xc3\xbc\xc3\x9fe \xff", Message(addressee="QQ1EDG", text="grüße \ufffd", number="")),
        (b":short:no", None),
        (b">status", None),
        (b"", None),
    ],
)
def test_a_message_is_read(info, message):
    assert aprs.parse_message(info) == message


def test_a_message_is_written_and_no_longer_than_allowed():
    assert aprs.message("QQ1EDG", "hello", "01") == b":QQ1EDG   :hello{01"
    assert len(aprs.message("QQ1EDG", "x" * 100)) == 11 + aprs.MAX_TEXT
