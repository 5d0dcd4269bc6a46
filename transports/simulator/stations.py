"""Stations that beacon: what each of them says when its turn comes.

All randomness comes from the ``Random`` that a station is given, and all time is passed in, so that a seed tells the
whole story. Callsigns begin with QQ1, which the ITU gives to nobody. Who talks and answers is in ``talker``; whose turn
it is, in ``air``.
"""

import math
from itertools import cycle
from random import Random
from typing import Protocol

from transports.simulator import aprs
from transports.simulator.aprs import Place, Weather
from transports.simulator.packets import Packet

TOCALL = "APZSIM"  # APZ is for experiments
DIGIPEATER = "QQ1DGI-3"
HOME = Place(latitude=47.87, longitude=12.45)  # the Chiemsee: a lake and mountains make a good map
MAX_DISTANCE = 0.25  # degrees from home, some 25 km; then a station turns back
MOBILE = ("WIDE1-1", "WIDE2-1")
FIXED = ("WIDE2-1",)
KNOT = 1 / 60 / 3600  # degrees of latitude per second
FOOT = 0.3048  # metres
HOME_ALTITUDE = 518.0  # metres; the surface of the lake


class Station(Protocol):
    """Somebody who sends now and then. ``weight`` says how often, compared with the others."""

    call: str
    weight: float

    def beacon(self, now: float) -> Packet:
        """Give the next packet. ``now`` is in seconds since 1970 and never goes back."""
        ...


class Track:
    """A way over ground: a little turn at each step, and homewards when far away."""

    def __init__(self, random: Random, *, speeds: tuple[int, int]) -> None:
        self._random = random
        self._speeds = speeds
        self._latitude = HOME.latitude + random.uniform(-0.1, 0.1)
        self._longitude = HOME.longitude + random.uniform(-0.1, 0.1)
        self._course = random.uniform(0, 360)
        self._speed = random.uniform(*speeds)
        self._last: float | None = None

    def advance(self, now: float) -> Place:
        """Drive until ``now`` with the course and speed of before, then choose new ones."""
        distance = self._speed * KNOT * (now - (now if self._last is None else self._last))
        self._last = now
        self._latitude += distance * math.cos(math.radians(self._course))
        self._longitude += distance * math.sin(math.radians(self._course)) / math.cos(math.radians(HOME.latitude))
        self._course = self._next_course() % 360
        self._speed = self._random.uniform(*self._speeds)
        return Place(
            latitude=self._latitude,
            longitude=self._longitude,
            course=int(self._course),
            speed=int(self._speed),
        )

    def _next_course(self) -> float:
        north, east = HOME.latitude - self._latitude, HOME.longitude - self._longitude
        if math.hypot(north, east) > MAX_DISTANCE:
            return math.degrees(math.atan2(east, north))
        return self._course + self._random.uniform(-35, 35)


class Car:
    """Sends its position in plain text, with course and speed."""

    weight = 3.0

    def __init__(self, call: str, random: Random) -> None:
        self.call = call
        self._track = Track(random, speeds=(8, 55))

    def beacon(self, now: float) -> Packet:
        """Chapter 8, without timestamp."""
        place = self._track.advance(now)
        info = f"!{aprs.position(place, '/>')}{aprs.extension(place)}on the road"
        return Packet(source=self.call, destination=TOCALL, path=MOBILE, info=info.encode())


class Bus:
    """As a car, in the compressed form."""

    weight = 2.0

    def __init__(self, call: str, random: Random) -> None:
        self.call = call
        self._track = Track(random, speeds=(0, 40))

    def beacon(self, now: float) -> Packet:
        """Chapter 9; ``=`` because it can receive messages."""
        info = f"={aprs.compressed(self._track.advance(now), '/U')}line 9411"
        return Packet(source=self.call, destination=TOCALL, path=MOBILE, info=info.encode())


class Walker:
    """A handheld on foot, in Mic-E."""

    weight = 1.5

    def __init__(self, call: str, random: Random) -> None:
        self.call = call
        self._track = Track(random, speeds=(0, 4))

    def beacon(self, now: float) -> Packet:
        """Chapter 10."""
        destination, info = aprs.mic_e(self._track.advance(now), "/[")
        return Packet(source=self.call, destination=destination, path=MOBILE, info=info + b"walking the dog")


class Balloon:
    """Rises five metres a second until it bursts, falls on its parachute, and is let up again."""

    weight = 2.0
    RISE, FALL, BURST = 5.0, -12.0, 31000.0  # metres a second, twice, and metres

    def __init__(self, call: str, random: Random) -> None:
        self.call = call
        self._track = Track(random, speeds=(5, 60))
        self._altitude = 600.0
        self._climb = self.RISE
        self._last: float | None = None

    def beacon(self, now: float) -> Packet:
        """Chapter 8 with a timestamp; the altitude in feet in the comment, chapter 6. The flying use no WIDE1."""
        place = self._track.advance(now)
        feet = round(self._rise(now) / FOOT)
        info = f"/{aprs.clock_time(now)}{aprs.position(place, '/O')}{aprs.extension(place)}/A={feet:06} school balloon"
        return Packet(source=self.call, destination=TOCALL, path=FIXED, info=info.encode())

    def _rise(self, now: float) -> float:
        self._altitude += self._climb * (now - (now if self._last is None else self._last))
        self._last = now
        if self._altitude >= self.BURST:
            self._altitude, self._climb = self.BURST, self.FALL
        if self._altitude <= HOME_ALTITUDE:
            self._altitude, self._climb = HOME_ALTITUDE, self.RISE
        return self._altitude


class Digipeater:
    """A fixed digipeater and IGate: where it is, how it is, what is new, and what it is able to do."""

    weight = 1.5

    def __init__(self, call: str = DIGIPEATER) -> None:
        self.call = call
        self._texts = cycle(
            (
                f"!{aprs.position(HOME, 'I#')}PHG5360 digipeater on the hill".encode(),
                b">fill-in digipeater and receiving IGate",
                aprs.message("BLN1", "Meeting on Friday, 19:30, at the boat house"),
                b"<IGATE,MSG_CNT=12,LOC_CNT=9",
                aprs.message("BLNAWX", "Storm warning on the lake: amber lights are on"),
            )
        )

    def beacon(self, now: float) -> Packet:  # noqa: ARG002 what it says does not depend on the time
        """Chapters 8, 16, 14 and 15 in turn."""
        return Packet(source=self.call, destination=TOCALL, info=next(self._texts))


class WeatherStation:
    """Measures weather that changes slowly: warm in the afternoon, damp at night."""

    weight = 2.0

    def __init__(self, call: str, random: Random) -> None:
        self.call = call
        self._random = random
        self._place = Track(random, speeds=(0, 0)).advance(0)
        self._pressure = random.uniform(1005, 1025)
        self._wind = random.uniform(2, 12)
        self._direction = random.uniform(0, 360)
        self._reports = cycle((self._with_position, self._without_position))

    def beacon(self, now: float) -> Packet:
        """Chapter 12, with and without position in turn."""
        info = next(self._reports)(self._measure(now), now)
        return Packet(source=self.call, destination=TOCALL, path=FIXED, info=info.encode())

    def _with_position(self, weather: Weather, now: float) -> str:
        where = aprs.position(self._place, "/_")
        wind = f"{weather.direction:03}/{weather.wind:03}"
        return f"@{aprs.day_time(now)}{where}{wind}{aprs.weather_fields(weather)}"

    def _without_position(self, weather: Weather, now: float) -> str:
        return aprs.positionless_weather(weather, now)

    def _measure(self, now: float) -> Weather:
        jitter = self._random.uniform
        warmth = math.sin((now / 3600 - 9) / 24 * math.tau)  # the warmest hour is 15 UTC
        self._pressure = min(max(self._pressure + jitter(-0.2, 0.2), 980), 1040)
        self._wind = min(max(self._wind + jitter(-1, 1), 0), 40)
        self._direction = (self._direction + jitter(-15, 15)) % 360
        return Weather(
            direction=int(self._direction) or 360,
            wind=int(self._wind),
            gust=int(self._wind * 1.6) + 1,
            temperature=round(55 + 13 * warmth + jitter(-0.5, 0.5)),
            rain=0,
            humidity=round(65 - 25 * warmth),
            pressure=self._pressure,
        )


class TelemetryStation:
    """A solar-driven box: five readings and eight bits, and once in eight turns one line of what they mean."""

    weight = 2.0

    def __init__(self, call: str, random: Random) -> None:
        self.call = call
        self._random = random
        self._sequence = 0
        self._turns = 0
        self._meanings = cycle(
            (
                "PARM.Battery,Solar,Current,Outside,Inside,Charging,Door,Mains",
                "UNIT.V,V,A,deg.C,deg.C,on,open,on",
                "EQNS.0,0.075,0,0,0.1,0,0,0.02,-2.5,0,0.5,-40,0,0.5,-40",
                "BITS.11100000,Solar box on the hill",
            )
        )

    def beacon(self, now: float) -> Packet:
        """Chapter 13: a report, or a message to itself that names, scales and explains the channels."""
        self._turns += 1
        explain = self._turns % 8 == 1
        info = aprs.message(self.call, next(self._meanings)) if explain else self._report(now)
        return Packet(source=self.call, destination=TOCALL, path=FIXED, info=info)

    def _report(self, now: float) -> bytes:
        self._sequence = self._sequence % 999 + 1
        sun = max(math.sin((now / 3600 - 6) / 24 * math.tau), 0)
        noise = self._random.randint
        values = (160 + noise(0, 12), int(sun * 200) + noise(0, 9), 125 + int(sun * 60), 110 + noise(0, 6), 120)
        bits = f"{int(sun > 0)}{noise(0, 1)}100000"
        return f"T#{self._sequence:03},{','.join(f'{value:03}' for value in values)},{bits}".encode()


def beaconing_stations(seed: int, cars: int = 4) -> list[Station]:
    """Give the usual cast, the same for the same seed: cars and a bus, a walker, a balloon, and three fixed ones."""

    def random(call: str) -> Random:
        return Random(f"{seed} {call}")  # noqa: S311 a play, not a secret

    letters = random("callsigns")
    calls = [f"QQ1{''.join(letters.choices('ACEHKLNPRSUV', k=3))}-9" for _ in range(cars)]
    return [
        *(Car(call, random(call)) for call in dict.fromkeys(calls)),
        Bus("QQ1BUS-10", random("bus")),
        Walker("QQ1WLK-7", random("walker")),
        Balloon("QQ1BLN-11", random("balloon")),
        WeatherStation("QQ1WXS-13", random("weather")),
        TelemetryStation("QQ1TLM-5", random("telemetry")),
        Digipeater(),
    ]
