import math
from random import Random

import aprslib
import pytest

from transports.simulator.packets import Packet
from transports.simulator.stations import HOME, Balloon, Car, TelemetryStation, WeatherStation, beaconing_stations

NOON = 1_700_000_000.0
UNKNOWN_TO_APRSLIB = (b"T#", b"<")  # telemetry and capabilities: see the notes on aprslib 0.7.2


def story(seed: int) -> list[Packet]:
    stations = beaconing_stations(seed)
    return [station.beacon(NOON + turn * 60) for turn in range(50) for station in stations]


def test_the_seed_tells_the_whole_story():
    assert story(1) == story(1)
    assert story(1) != story(2)


def test_every_callsign_belongs_to_nobody_and_every_frame_fits():
    for packet in story(3):
        assert packet.source.startswith("QQ1")
        assert len(packet.info) <= 256
        assert packet.info.isascii()


def test_aprslib_reads_what_it_knows_and_finds_it_near_home():
    known = [packet for packet in story(4) if not packet.info.startswith(UNKNOWN_TO_APRSLIB)]
    parsed = [aprslib.parse(str(packet)) for packet in known]
    assert {"uncompressed", "compressed", "mic-e", "status", "bulletin", "telemetry-message", "wx"} <= {
        packet["format"] for packet in parsed
    }
    for packet in parsed:
        if "latitude" in packet:
            distance = math.hypot(packet["latitude"] - HOME.latitude, packet["longitude"] - HOME.longitude)
            assert distance < 1.5  # a balloon on its way


def test_a_car_moves_as_fast_as_it_says():
    car = Car("QQ1CAR-9", Random(1))
    first, second = (aprslib.parse(str(car.beacon(NOON + at))) for at in (0, 3600 / 10))
    north = (second["latitude"] - first["latitude"]) * 60
    east = (second["longitude"] - first["longitude"]) * 60 * math.cos(math.radians(first["latitude"]))
    assert math.hypot(north, east) * 10 * 1.852 == pytest.approx(first["speed"], abs=3)


def test_a_balloon_rises_bursts_and_rises_again():
    balloon = Balloon("QQ1BLN-11", Random(1))
    altitudes = [aprslib.parse(str(balloon.beacon(NOON + minute * 60)))["altitude"] for minute in range(300)]
    top = altitudes.index(max(altitudes))
    assert max(altitudes) == pytest.approx(31000, abs=300)
    assert altitudes[0] < altitudes[50] < altitudes[top]
    assert min(altitudes[top:]) == pytest.approx(518, abs=1)


def test_weather_is_possible():
    station = WeatherStation("QQ1WXS-13", Random(1))
    for hour in range(0, 240, 2):  # two at a time: every other report has no position
        weather = aprslib.parse(str(station.beacon(NOON + hour * 3600)))["weather"]
        assert 0 < weather["temperature"] < 30
        assert 980 <= weather["pressure"] <= 1040
        assert 30 <= weather["humidity"] <= 95
        assert station.beacon(NOON + hour * 3600).info.startswith(b"_")


def test_telemetry_is_explained_now_and_then():
    station = TelemetryStation("QQ1TLM-5", Random(1))
    infos = [station.beacon(NOON + turn).info for turn in range(32)]
    meanings = [info for info in infos if info.startswith(b":QQ1TLM-5 :")]
    assert [info[11:16] for info in meanings] == [b"PARM.", b"UNIT.", b"EQNS.", b"BITS."]
    reports = [info for info in infos if info.startswith(b"T#")]
    assert [info[2:5] for info in reports] == [b"%03d" % number for number in range(1, 29)]
    for report in reports:
        *values, bits = report[6:].split(b",")
        assert len(values) == 5
        assert all(0 <= int(value) <= 255 for value in values)
        assert len(bits) == 8
