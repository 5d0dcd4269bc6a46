"""The page on APRS names every format, field and origin that the code has, and each class of known difference."""

import re
from pathlib import Path

import pytest

from tests.transports.codecs.reference_classes import CLASSES
from transports.codecs import aprs
from transports.codecs.aprs import packet

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/aprs.md").read_text()
SOURCES = sorted((ROOT / "transports/codecs/aprs").glob("*.py"))
ORIGINS = {
    origin
    for source in SOURCES
    if source.name != "packet.py"
    for origin in re.findall(r'"((?:lenient|guessed): [^"]+)"', source.read_text())
}


@pytest.mark.parametrize("form", [form for form in aprs.FORMATS if form != "unparsed"])
def test_a_format_is_in_the_table(form):
    assert re.search(rf"^\|.*\| (?:.*, )?{form}(?:, .*)? \|", PAGE, re.MULTILINE), form


def test_the_fields_are_those_of_the_contract():
    rows = [line for line in (packet.__doc__ or "").splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert [row for row in rows if row not in PAGE] == []


@pytest.mark.parametrize("origin", sorted(ORIGINS))
def test_an_origin_is_explained(origin):
    assert f"| {origin} |" in PAGE


@pytest.mark.parametrize("known", CLASSES, ids=lambda known: known.name)
def test_a_class_of_difference_is_told(known):
    assert f"| {known.name} |" in PAGE
