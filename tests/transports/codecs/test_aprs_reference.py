"""Our parser beside a reference parser, field by field, on real traffic. `reference` says how they are compared.

A sample of the largest file, and all of the small ones. EDGE_WHOLE_CORPORA=1 takes all of all, and -s shows the table.
docs/aprs.md tells each class of difference that is left, with its count.
"""

import os

import pytest

from tests.transports.codecs import reference
from transports.codecs import aprs

STEP = 1 if os.environ.get("EDGE_WHOLE_CORPORA") else 8
PARSED = 0.99  # of the packets that the reference accepts
AGREED = 0.995  # of what both could say
PLACES = ("position", "symbol", "course", "speed", "altitude")
WEATHER = tuple(f"weather.{name}" for name, _ in reference.WEATHER.values())
MESSAGES = ("addressee", "text", "id", "ack", "reject", "reply_ack")


@pytest.fixture(scope="module")
def tally():
    if not reference.CORPORA.is_dir():
        pytest.skip("the corpora of recorded traffic are not beside the checkout")
    tally = reference.Tally()
    for name in reference.FILES:
        for line, answer in reference.packets(name, STEP if name == reference.FILES[0] else 1):
            packet = reference.compare(tally, line, answer)
            assert packet.raw == line.partition(b":")[2]
            assert aprs.summary(packet).isprintable()
    print(f"\n{tally.table()}")  # noqa: T201 - what pytest -s is for
    return tally


def test_what_the_reference_accepts_is_parsed(tally):
    assert tally.accepted > 10_000
    assert tally.parsed / tally.accepted >= PARSED, tally.refused[:10]


@pytest.mark.parametrize("name", PLACES)
def test_places_and_movement_agree(tally, name):
    assert tally.share(name) >= AGREED, tally.differing[name][:10]


def test_weather_agrees_taken_together(tally):
    compared = sum(tally.compared[name] for name in WEATHER)
    assert sum(tally.agreed[name] for name in WEATHER) / compared >= AGREED, tally.table()


@pytest.mark.parametrize("name", ["wind_direction", "wind_speed", "gust", "temperature", "humidity", "rain_24h"])
def test_what_nearly_every_weather_station_says_agrees(tally, name):
    assert tally.share(f"weather.{name}") >= AGREED, tally.differing[f"weather.{name}"][:10]


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_agree(tally, name):
    assert tally.share(f"message.{name}") >= AGREED, tally.differing[f"message.{name}"][:10]


def test_comments_agree(tally):
    assert tally.share("comment") >= AGREED, tally.differing["comment"][:10]


@pytest.mark.parametrize("name", ["objectname", "itemname", "alive", "ambiguity", "phg", "datum", "telemetry.values"])
def test_the_rest_agrees(tally, name):
    assert tally.share(name) >= AGREED, tally.differing[name][:10]
