"""Our own reading of places beside aprslib's, which reads them right: made-up packets, not recorded ones."""

import aprslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import aprs

BASE_91 = st.characters(min_codepoint=33, max_codepoint=123)
NEAR = 2e-6  # degrees; we keep six decimals


def both(info: str, destination: str = "APRS") -> tuple[dict, dict]:
    ours = aprs.parse("N0CALL", destination, (), info.encode())
    return dict(ours.fields), aprslib.parse(f"N0CALL>{destination}:{info}")


@given(
    st.integers(0, 89),
    st.integers(0, 5999),
    st.sampled_from("NS"),
    st.integers(0, 179),
    st.integers(0, 5999),
    st.sampled_from("EW"),
    st.integers(0, 4),
)
def test_plain_places_agree_with_any_ambiguity(north, minutes, ns, east, more, ew, ambiguity):
    def digits(hundredths: int) -> str:
        known = f"{hundredths:04}"[: 4 - ambiguity].ljust(4)
        return f"{known[:2]}.{known[2:]}"

    ours, theirs = both(f"!{north:02}{digits(minutes)}{ns}/{east:03}{digits(more)}{ew}-hello")
    assert ours["latitude"] == pytest.approx(theirs["latitude"], abs=NEAR)
    assert ours["longitude"] == pytest.approx(theirs["longitude"], abs=NEAR)
    assert (ours["ambiguity"], ours["comment"]) == (theirs["posambiguity"], "hello")


@given(st.text(BASE_91, min_size=8, max_size=8), st.integers(1, 89), st.integers(1, 62), st.sampled_from('"#&+'))
def test_compressed_places_agree(place, course, speed, kind):
    info = f"=/{place}>{chr(course + 33)}{chr(speed + 33)}{kind}"
    packet = aprs.parse("N0CALL", "APRS", (), info.encode())
    try:
        theirs = aprslib.parse(f"N0CALL>APRS:{info}")
    except aprslib.ParseError:
        return
    if packet.format == "unparsed":  # beyond the poles and the date line, which aprslib does not mind
        assert theirs["latitude"] < -90 or theirs["longitude"] > 180
        return
    ours = packet.fields
    assert ours["latitude"] == pytest.approx(theirs["latitude"], abs=NEAR)
    assert ours["longitude"] == pytest.approx(theirs["longitude"], abs=NEAR)
    assert (ours["course"], ours["speed"]) == (theirs["course"], pytest.approx(theirs["speed"], abs=0.06))


# Longitude, speed and course, each byte within what chapter 10 gives it.
CHARACTERS = st.tuples(
    *(st.integers(*span) for span in ((38, 127), (38, 97), (28, 127), (28, 127), (28, 125), (28, 127)))
)


@given(st.from_regex(r"[0-8][0-9][0-5][0-9]{3}", fullmatch=True), st.tuples(*[st.booleans()] * 6), CHARACTERS)
def test_mic_e_agrees(latitude, bits, characters):
    destination = "".join(chr(ord("P" if bit else "0") + int(digit)) for bit, digit in zip(bits, latitude, strict=True))
    info = "`" + "".join(map(chr, characters)) + "j/"
    packet = aprs.parse("N0CALL", destination, (), info.encode("latin-1"))
    try:
        theirs = aprslib.parse(f"N0CALL>{destination}:{info}")
    except aprslib.ParseError:
        return
    ours = packet.fields
    if packet.format == "unparsed":
        assert abs(theirs["longitude"]) > 180
        return
    assert ours["latitude"] == pytest.approx(theirs["latitude"], abs=NEAR)
    assert ours["longitude"] == pytest.approx(theirs["longitude"], abs=NEAR)
    assert ours["mic_e_message"] == theirs["mtype"]
    assert ours["speed"] == pytest.approx(theirs["speed"], abs=0.06)
    if 0 < theirs["course"] <= 360:
        assert ours["course"] == theirs["course"]


@pytest.mark.parametrize(
    "line",
    [
        "UA6LBJ-1>APU25N:=4725.37N/04004.09E#PHG3330O/iGate+Digi",
        "N0CALL>APRS:}A1B>APRS,TCPIP,X*:}C1D>APRS,TCPIP,Y*:>hi",
        "AB9NN-9>APTT4:T#002,563,634,999,371,317,11101000",
        "N0CALL>APRS:$GPRMC,063909,A,3349.4302,N,11700.3721,W,43.022,89.3,291099,13.6,E*52",
    ],
)
def test_what_aprslib_raises_for_is_parsed(line):
    with pytest.raises((aprslib.ParseError, aprslib.UnknownFormat, ValueError, NameError)):
        aprslib.parse(line)
    head, _, info = line.partition(":")
    source, _, destination = head.partition(">")
    assert aprs.parse(source, destination, (), info.encode()).format != "unparsed"
