"""The APRS texts that simulated stations send, and the one kind that they read: messages.

Standard: APRS 1.0.1; the chapter stands at each function. Degrees are decimal, north and east positive.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_TEXT = 67  # characters of a message, chapter 14
_MESSAGE = re.compile(rb":([ -~]{9}):(.*?)(?:\{([ -~]{1,5})\r?)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is and how it moves. ``course`` in degrees (0 to 359), ``speed`` in knots."""

    latitude: float
    longitude: float
    course: int = 0
    speed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message, acknowledgement or bulletin as read from the air. ``number`` is empty where none was given."""

    addressee: str
    text: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What a weather station measured, in the units of the format: mph, °F, hundredths of an inch, %, hPa."""

    direction: int
    wind: int
    gust: int
    temperature: int
    rain: int
    humidity: int
    pressure: float


def position(place: Place, symbol: str) -> str:
    """Chapter 8: ``4752.20N/01227.00E>``. ``symbol`` is table and code, as in ``/>``."""
    north, east = _degrees(place.latitude, 2, "NS"), _degrees(place.longitude, 3, "EW")
    return f"{north}{symbol[0]}{east}{symbol[1]}"


def extension(place: Place) -> str:
    """Chapter 7: course and speed, ``088/036``. Course 000 means unknown, so that north is 360."""
    return f"{place.course or 360:03}/{place.speed:03}"


def compressed(place: Place, symbol: str) -> str:
    """Chapter 9: thirteen characters with course and speed; T is "current fix, RMC, software"."""
    latitude = _base91(int(380926 * (90 - place.latitude)), 4)
    longitude = _base91(int(190463 * (180 + place.longitude)), 4)
    speed = round(math.log(place.speed + 1, 1.08))
    return f"{symbol[0]}{latitude}{longitude}{symbol[1]}{chr(place.course // 4 + 33)}{chr(speed + 33)}["


def mic_e(place: Place, symbol: str) -> tuple[str, bytes]:
    """Chapter 10: give the destination, which holds the latitude, and the nine bytes after it. Message: "Off Duty"."""
    degrees, minutes, hundredths = _sexagesimal(place.longitude)
    digits = "{:02}{:02}{:02}".format(*_sexagesimal(place.latitude))
    bits = (True, True, True, place.latitude >= 0, not 10 <= degrees <= 99, place.longitude < 0)  # noqa: PLR2004 chapter 10
    destination = "".join(chr(ord(digit) + (32 if bit else 0)) for digit, bit in zip(digits, bits, strict=True))
    course = place.course or 360
    motion = (place.speed // 10 + 108, place.speed % 10 * 10 + course // 100 + 32, course % 100 + 28)
    where = (_mic_e_degrees(degrees), (minutes if minutes > 9 else minutes + 60) + 28, hundredths + 28)  # noqa: PLR2004 as above
    return destination, bytes((ord("`"), *where, *motion, ord(symbol[1]), ord(symbol[0])))


def weather_fields(weather: Weather) -> str:
    """Chapter 12: the fields from gust to pressure, which all weather reports share."""
    return (
        f"g{weather.gust:03}t{weather.temperature:03}r{weather.rain:03}p{weather.rain:03}P{weather.rain:03}"
        f"h{weather.humidity % 100:02}b{round(weather.pressure * 10):05}"
    )


def positionless_weather(weather: Weather, now: float) -> str:
    """Chapter 12: ``_10090556c220s004g005t077…``, with month, day, hour and minute."""
    return f"_{_utc(now):%m%d%H%M}c{weather.direction:03}s{weather.wind:03}{weather_fields(weather)}"


def day_time(now: float) -> str:
    """Chapter 6: ``092345z``, day, hour and minute in UTC. ``now`` in seconds since 1970."""
    return f"{_utc(now):%d%H%M}z"


def clock_time(now: float) -> str:
    """Chapter 6: ``234517h``, hour, minute and second in UTC."""
    return f"{_utc(now):%H%M%S}h"


def message(addressee: str, text: str, number: str = "") -> bytes:
    """Chapter 14: ``:QQ1EDG   :hello{01``. An acknowledgement is a text too: ``ack01``."""
    return f":{addressee:9}:{text[:MAX_TEXT]}{'{' if number else ''}{number}".encode()


def parse_message(info: bytes) -> Message | None:
    """Read a message; None if the packet is none. UTF-8 that is broken is replaced, since radios send anything."""
    match = _MESSAGE.fullmatch(info)
    if not match:
        return None
    addressee, text, number = (part.decode(errors="replace") for part in (match[1], match[2], match[3] or b""))
    return Message(addressee=addressee.rstrip(), text=text.rstrip("\r\n"), number=number)


def _utc(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def _sexagesimal(value: float) -> tuple[int, int, int]:
    hundredths = round(abs(value) * 6000)
    return hundredths // 6000, hundredths // 100 % 60, hundredths % 100


def _degrees(value: float, width: int, letters: str) -> str:
    degrees, minutes, hundredths = _sexagesimal(value)
    return f"{degrees:0{width}}{minutes:02}.{hundredths:02}{letters[value < 0]}"


def _base91(value: int, width: int) -> str:
    letters = []
    for _ in range(width):
        value, digit = divmod(value, 91)
        letters.append(chr(digit + 33))
    return "".join(reversed(letters))


def _mic_e_degrees(degrees: int) -> int:
    """The four ranges of chapter 10's longitude table, chosen so that most bytes can be printed."""
    for limit, offset in ((10, 118), (100, 28), (110, 8)):
        if degrees < limit:
            return degrees + offset
    return degrees - 72
