"""Our parser beside a reference parser, field by field, on real traffic. `reference` says how they are compared.

A sample of the largest file, and all of the small ones. EDGE_WHOLE_CORPORA=1 takes all of all, and -s shows the table:
the raw figures, and those when each difference of a known class (`reference_classes`) is accounted for. Stations that
are held out, one in four, are in it and are shown once more by themselves. docs/aprs.md tells each class.
"""

import os

import pytest

from tests.transports.codecs import reference
from tests.transports.codecs.reference_account import Account
from tests.transports.codecs.reference_classes import CLASSES, Case, class_of
from transports.codecs import aprs

STEP = 1 if os.environ.get("EDGE_WHOLE_CORPORA") else 8
PARSED = 0.99  # of the packets that the reference accepts
AGREED = 0.995  # of what both could say
# Where the reference has a way of its own with what many stations send, raw agreement is less; docs/aprs.md says why.
RAW = {
    "comment": 0.985,
    "status": 0.98,
    "weather.pressure": 0.98,
    "weather.rain_1h": 0.99,
    "weather.rain_24h": 0.99,
    "weather.luminosity": 0.93,
    "weather.snow_24h": 0.0,
}
FIELDS = (
    *("position", "symbol", "course", "speed", "altitude", "range", "ambiguity", "phg", "datum"),
    *(f"weather.{name}" for name, _ in reference.WEATHER.values()),
    *(f"message.{name}" for name in ("addressee", "text", "id", "ack", "reject", "reply_ack")),
    *("comment", "status", "objectname", "itemname", "alive", "capabilities"),
    *("telemetry.values", "telemetry.sequence"),
)


@pytest.fixture(scope="module")
def tallies():
    """Of all stations, and of those held out."""
    if not reference.CORPORA.is_dir():
        pytest.skip("the corpora of recorded traffic are not beside the checkout")
    tallies = {"all": reference.Tally(), "held out": reference.Tally()}
    for name in reference.FILES:
        for line, answer in reference.packets(name, STEP if name == reference.FILES[0] else 1):
            packet = reference.compare(tallies["all"], line, answer)
            if reference.is_held_out(line):
                reference.compare(tallies["held out"], line, answer)
            assert packet.raw == line.partition(b":")[2]
            assert aprs.summary(packet).isprintable()
    return tallies


@pytest.fixture(scope="module")
def accounts(tallies):
    accounts = {name: Account.of(tally) for name, tally in tallies.items()}
    for name, account in accounts.items():
        print(f"\n{name}\n{account.table()}\n\n{account.classes()}")  # noqa: T201 - what pytest -s is for
    return accounts


@pytest.mark.parametrize("stations", ["all", "held out"])
def test_what_the_reference_accepts_is_parsed(tallies, stations):
    tally = tallies[stations]
    assert tally.accepted > 2_000
    assert tally.parsed / tally.accepted >= PARSED, tally.refused[:10]


def test_every_field_that_is_compared_has_its_bar(tallies):
    assert set(tallies["all"].compared) <= set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_agrees_as_it_was_read(tallies, name):
    assert tallies["all"].share(name) >= RAW.get(name, AGREED), tallies["all"].differing[name][:10]


@pytest.mark.parametrize("stations", ["all", "held out"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_agrees_or_differs_in_a_known_way(accounts, stations, name):
    account = accounts[stations]
    assert account.share(name) >= AGREED, account.left[name][:10]


def test_weather_agrees_taken_together(tallies):
    names = [name for name in FIELDS if name.startswith("weather.")]
    tally = tallies["all"]
    assert sum(tally.agreed[name] for name in names) / sum(tally.compared[name] for name in names) >= AGREED


def case_of(known, theirs, **changed):
    packet = aprs.parse("QQ1ABC", "S32UVT", (), known.example[0].encode("latin-1"))
    assert packet.format != "unparsed", packet.reason
    name = known.fields[0]
    group, _, inner = name.rpartition(".")
    ours = (packet.fields.get(group, {}) if group else packet.fields).get(inner)
    if name == "telemetry.values":
        ours = ours + [None] * (5 - len(ours))
    return Case(**{"field": name, "theirs": theirs, "ours": ours, "packet": packet} | changed)


@pytest.mark.parametrize("known", CLASSES, ids=lambda known: known.name)
def test_a_class_takes_its_example(known):
    assert class_of(case_of(known, known.example[1])) is known


@pytest.mark.parametrize("known", CLASSES, ids=lambda known: known.name)
def test_a_class_takes_no_other_answer_and_no_other_reading(known):
    """A reading of ours that went wrong is not excused by a class that its packet happens to be of."""
    theirs = known.example[1]
    words = known.fields[0] in {"comment", "status"}
    numbers = known.name == "a channel that was not sent"
    wrong = [7.0] * 5 if numbers else "something else" if words else "7"
    assert class_of(case_of(known, wrong)) is None
    ours = [7.0] * 5 if numbers else "something else" if words else 7.0
    assert class_of(case_of(known, theirs, ours=ours)) is None
