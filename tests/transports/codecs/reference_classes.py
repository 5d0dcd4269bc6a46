"""The known ways in which the reference parser reads otherwise than we do, each with a narrow test of its own.

A class takes only differences whose two values follow from the packet's own bytes in the way that it names: for a
field "cut out of words" the digits must stand in what we call a comment, and must be the very ones that the reference
took. What no class takes is a difference without an excuse. Where the reference is right we mend ours, and have no
class. The examples are made up; the recorded packets that each class takes are counted by test_aprs_reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.transports.codecs import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from transports.codecs import aprs

RAIN = ("weather.rain_1h", "weather.rain_24h", "weather.rain_since_midnight")
HUNDREDTH_INCH = 0.254  # mm
LEAST, MOST = 300, 1200  # hPa; within is weather
_MARK = re.compile(r"[A-Za-z0-9_-]{3,5}")  # of program and station, to both
# How the reference looks for each field: the first of these behind wind and temperature, in words or not.
_SOUGHT = {
    "weather.rain_1h": ("r", HUNDREDTH_INCH),
    "weather.rain_24h": ("p", HUNDREDTH_INCH),
    "weather.rain_since_midnight": ("P", HUNDREDTH_INCH),
    "weather.snow_24h": ("s", HUNDREDTH_INCH),
    "weather.luminosity": ("[lL]", 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One field of one packet, read in two ways."""

    field: str
    theirs: Any
    ours: Any
    packet: aprs.Packet

    @property
    def info(self) -> str:
        return self.packet.raw.decode("latin-1")

    @property
    def words(self) -> str:
        """What we call text rather than data: the comment, or the mark of the software."""
        fields = self.packet.fields
        if self.field == "comment" and self.ours:
            return str(self.ours)
        return str(fields.get("comment") or fields.get("weather_software", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A way to differ: the fields in which, why we stay with ours, who is of it, and an example with their answer."""

    name: str
    fields: tuple[str, ...]
    reason: str
    takes: Callable[[Case], bool]
    example: tuple[str, Any]  # info field, and what the reference says of the first of the fields


def _is_cut_number(case: Case) -> bool:
    letter, unit = _SOUGHT[case.field]
    found = re.search(rf"({letter})([0-9]{{1,3}})", case.words)
    if found is None or case.ours is not None:
        return False
    more = 1000 if found[1] == "l" else 0
    return abs(int(found[2]) * unit + more - float(case.theirs)) <= 0.06  # as `reference` compares


def _is_long_number(case: Case) -> bool:
    letter, unit = _SOUGHT[case.field]
    found = re.search(rf"({letter})([0-9]{{3}})[0-9]{{1,2}}", case.info)
    if found is None or case.ours is not None:
        return False
    more = 1000 if found[1] == "l" else 0
    return abs(int(found[2]) * unit + more - float(case.theirs)) <= 0.06


def _is_no_air(case: Case) -> bool:
    pressure = float(case.theirs)
    sent = re.search(r"b([0-9]{4,5})", case.info)
    return case.ours is None and sent is not None and int(sent[1]) / 10 == pressure and not LEAST <= pressure <= MOST


def _is_beyond_the_compass(case: Case) -> bool:
    degrees = int(case.theirs)
    return case.ours is None and degrees > 360 and f"{degrees}/" in case.info


def _is_total_of_today(case: Case) -> bool:
    """The fourth word of a `$ULTW`, where the twelfth, which is today's, was not sent."""
    words = re.fullmatch(r"\$ULTW(?:....){3}([0-9A-F]{4})(?:....){0,7}.{0,3}", case.info.rstrip())
    total = case.packet.fields.get("weather", {}).get("rain_total")
    return (
        words is not None
        and case.ours is None
        and total is not None
        and abs(float(case.theirs) - int(words[1], 16) * HUNDREDTH_INCH) <= 0.06
    )


def _is_located(case: Case) -> bool:
    fields = case.packet.fields
    if "locator" not in fields:
        return False
    head = fields["locator"] + fields["symbol"]
    return reference.plain(str(case.theirs)) == reference.plain(f"{head} {case.ours}")


def _is_other_channel(case: Case) -> bool:
    first, second, third, *rest = case.ours
    return case.packet.format == "mic-e" and second is None and case.theirs == [first, 0.0, third, *rest]


def _is_cut_comment(case: Case) -> bool:
    """What is left may be a mark of software to it (`wV2` of `wVL1252`), and then no comment."""
    return any(
        left == case.theirs or (not case.theirs and _MARK.fullmatch(left)) for left in reference.cuts(case.words)
    )


def _is_mark(case: Case) -> bool:
    mark = case.packet.fields.get("weather_software")
    return bool(mark) and case.ours == "" and case.theirs == mark and case.info.endswith(" ")


def _is_dot(case: Case) -> bool:
    """Dots of an unknown field with those of the text behind it."""
    dots = re.search(r"[rPphblLs#]\.{2,}", case.info)
    text = case.ours.lstrip(".")
    taken_for_mark = case.theirs == "" and _MARK.fullmatch(text) is not None
    return dots is not None and case.ours.startswith(".") and (case.theirs == text or taken_for_mark)


def _is_left_over(case: Case) -> bool:
    """The fourth and fifth digit of each number with more than three."""
    left = "".join(re.findall(r"[rpPlL][0-9]{3}([0-9]{1,2})(?![0-9])", case.info))
    left += "".join(re.findall(r"b[0-9]{5}([0-9])(?![0-9])", case.info))
    return bool(left) and case.theirs == left + case.words


def _is_radiation(case: Case) -> bool:
    said = re.fullmatch(r"X[0-9]{3}(.*)", case.theirs)
    return said is not None and "radiation" in case.packet.fields["weather"] and said[1].strip() == case.ours


def _is_altitude(case: Case) -> bool:
    without = re.sub(r"/A=[0-9]{6}", "", case.theirs, count=1)
    return "altitude" in case.packet.fields and without != case.theirs and reference.plain(without) == case.words


def _is_repeated(case: Case) -> bool:
    """Fields that came before, once more."""
    said = re.fullmatch(r"((?:[rpPhbg][0-9]{2,5})+)(.*)", case.theirs)
    if said is None or said[2] != case.words:
        return False
    return all(case.info.count(sent[0]) > 1 for sent in re.findall(r"[rpPhbg](?=[0-9])", said[1]))


def _is_nameless(case: Case) -> bool:
    """Dots that lost the letter of their field."""
    said = re.fullmatch(r"([.]{3,5})(.*)", case.theirs)
    return said is not None and said[2] == case.words and re.search(r"[0-9][.]{3,5}[hb][0-9]", case.info) is not None


def _is_strength(case: Case) -> bool:
    dfs = case.packet.fields.get("dfs")
    return bool(dfs) and case.theirs == f"DFS{dfs}{case.ours}"


_WX = "!4903.50N/07201.75W_220/004g005t077"

CLASSES = (
    Class(
        name="cut out of words",
        fields=(*RAIN, "weather.snow_24h", "weather.luminosity"),
        reason="the reference takes the first such letter and digits in any word (`ver0818`); nobody sent a reading",
        takes=_is_cut_number,
        example=(f"{_WX}h50b10132.OWW ver0818", "20.6"),
    ),
    Class(
        name="more than three digits",
        fields=(*RAIN, "weather.luminosity"),
        reason="the reference takes the first three; by what factor the station errs is not said",
        takes=_is_long_number,
        example=(f"{_WX}r4478h50b10132 garden", "113.5"),
    ),
    Class(
        name="no air",
        fields=("weather.pressure",),
        reason="under 300 or over 1,200 hPa: no barometer, or a digit lost; what was meant is not said",
        takes=_is_no_air,
        example=(f"{_WX}h50b00000", "0.0"),
    ),
    Class(
        name="beyond the compass",
        fields=("weather.wind_direction",),
        reason="there are 360 degrees",
        takes=_is_beyond_the_compass,
        example=("!4903.50N/07201.75W_363/004g005t077", "363"),
    ),
    Class(
        name="total for today's",
        fields=("weather.rain_since_midnight",),
        reason="the fourth word of `$ULTW` counts all rain; the twelfth, which is today's, was not sent",
        takes=_is_total_of_today,
        example=("$ULTW0031003702CE006900000000", "26.7"),
    ),
    Class(
        name="a locator in front",
        fields=("status",),
        reason="chapter 16 has locator and symbol before the text; the reference does not know the form",
        takes=_is_located,
        example=(">IO91SX/- My house", "IO91SX/- My house"),
    ),
    Class(
        name="a channel that was not sent",
        fields=("telemetry.values",),
        reason="two values of old Mic-E are channels 1 and 3 (chapter 10); the reference says 0 for the second",
        takes=_is_other_channel,
        example=("`(_fn\"Oj/'1020 hello", [16.0, 0.0, 32.0, None, None]),
    ),
    Class(
        name="words cut",
        fields=("comment",),
        reason="the comment without what the reference cut out of its words as readings (`.OWW ve8`)",
        takes=_is_cut_comment,
        example=(f"{_WX}r000p000P000h50b10132.OWW ver0818", ".OWW ve8"),
    ),
    Class(
        name="a mark before a blank",
        fields=("comment",),
        reason="chapter 12's mark of program and station, which the reference misses where a blank follows",
        takes=_is_mark,
        example=(f"{_WX}h50b10132wU2K ", "wU2K"),
    ),
    Class(
        name="a dot taken for an unknown field's",
        fields=("comment",),
        reason="the dots of `p...` are three; the next, behind other fields, begins the text, as it does elsewhere",
        takes=_is_dot,
        example=(f"{_WX}r...p...h50b10132L142.DsIP-VP", "DsIP-VP"),
    ),
    Class(
        name="digits left over",
        fields=("comment",),
        reason="the fourth and fifth digit, where the reference took the first three for the reading",
        takes=_is_left_over,
        example=(f"{_WX}r000p4740h50b10132/valley", "0/valley"),
    ),
    Class(
        name="radiation",
        fields=("comment",),
        reason="a field of version 1.2, which the reference leaves in the comment",
        takes=_is_radiation,
        example=(f"{_WX}h50b10132X430 Geiger", "X430 Geiger"),
    ),
    Class(
        name="an altitude behind weather",
        fields=("comment",),
        reason="`/A=` is an altitude in any comment (chapter 6); the reference leaves it there behind weather",
        takes=_is_altitude,
        example=(f"{_WX}h50b10132/A=000295 hill", "/A=000295 hill"),
    ),
    Class(
        name="a field sent twice",
        fields=("comment",),
        reason="the reference takes the first and leaves the second in the comment",
        takes=_is_repeated,
        example=(f"{_WX}r000p000r000p000h50b10132/hill", "r000p000/hill"),
    ),
    Class(
        name="dots without a letter",
        fields=("comment",),
        reason="an unknown field that lost its letter is no comment",
        takes=_is_nameless,
        example=(f"{_WX}r000p000....h50b10132/hill", "..../hill"),
    ),
    Class(
        name="strength of a signal",
        fields=("comment",),
        reason="DFS is a data extension (chapter 7), which the reference does not know",
        takes=_is_strength,
        example=("!4903.50N/07201.75W#DFS2360 hello", "DFS2360hello"),
    ),
)


def class_of(case: Case) -> Class | None:
    """The class that takes this difference, if one does."""
    return next((known for known in CLASSES if case.field in known.fields and known.takes(case)), None)
