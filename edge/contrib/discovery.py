"""Home Assistant's discovery by MQTT: what is said of a station and of this box. Pure values, no clock, no broker.

One message a device, on ``homeassistant/device/<id>/config``, with all its components ("device discovery", of Home
Assistant 2024.11 and later; home-assistant.io/integrations/mqtt). An empty retained message takes it back.

`Telemetry` knows what a station's channels mean by its PARM, UNIT, EQNS and BITS (APRS 1.0.1, chapter 13). The state of
a station is one JSON object, of which each component picks its field.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge import __version__
from edge.contrib.templates import is_number

MAX_NAME = 60  # characters of a name or a unit that came from the air
MAX_UNIT = 20

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """How Home Assistant shows a number; units are those that it knows for the device class."""

    name: str
    unit: str = ""
    device_class: str = ""
    state_class: str = "measurement"


# The fields of ``packet["weather"]`` (docs/aprs.md) that are shown. A direction has no state class: it has no mean.
WEATHER: Mapping[str, Measure] = {
    "temperature": Measure("Temperature", "°C", "temperature"),
    "temperature_indoor": Measure("Temperature indoors", "°C", "temperature"),
    "humidity": Measure("Humidity", "%", "humidity"),
    "humidity_indoor": Measure("Humidity indoors", "%", "humidity"),
    "pressure": Measure("Pressure", "hPa", "atmospheric_pressure"),
    "wind_speed": Measure("Wind speed", "m/s", "wind_speed"),
    "gust": Measure("Gust", "m/s", "wind_speed"),
    "wind_direction": Measure("Wind direction", "°", "", ""),
    "rain_1h": Measure("Rain in an hour", "mm", "precipitation"),
    "rain_24h": Measure("Rain in 24 hours", "mm", "precipitation"),
    "rain_since_midnight": Measure("Rain since midnight", "mm", "precipitation", "total_increasing"),
    "rain_total": Measure("Rain in all", "mm", "precipitation", "total_increasing"),
    "snow_24h": Measure("Snow in 24 hours", "mm", "precipitation"),
    "luminosity": Measure("Sunlight", "W/m²", "irradiance"),
    "water_level": Measure("Water level", "m", "distance"),
    "battery": Measure("Battery", "V", "voltage"),
    "radiation": Measure("Radiation", "nSv/h"),
}

# What operators write as units, in small letters and without blanks and dots, and what Home Assistant has for it.
UNITS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("v", "volt", "volts", "vdc"), ("V", "voltage")),
    **dict.fromkeys(("mv", "mvolt", "mvolts"), ("mV", "voltage")),
    **dict.fromkeys(("a", "amp", "amps", "ampere"), ("A", "current")),
    **dict.fromkeys(("ma", "mamp", "mamps"), ("mA", "current")),
    **dict.fromkeys(("w", "watt", "watts"), ("W", "power")),
    **dict.fromkeys(("c", "°c", "degc", "deg c", "celsius"), ("°C", "temperature")),
    **dict.fromkeys(("f", "°f", "degf", "fahrenheit"), ("°F", "temperature")),
    **dict.fromkeys(("hpa", "mb", "mbar"), ("hPa", "atmospheric_pressure")),
    **dict.fromkeys(("mhz",), ("MHz", "frequency")),
    **dict.fromkeys(("dbm",), ("dBm", "signal_strength")),
    **dict.fromkeys(("m/s",), ("m/s", "speed")),
    **dict.fromkeys(("km/h", "kmh"), ("km/h", "speed")),
    **dict.fromkeys(("%", "pct", "percent"), ("%", "")),
    **dict.fromkeys(("lx", "lux"), ("lx", "illuminance")),
}


def identifier(*words: str) -> str:
    """Make a stable id of letters, digits, ``_`` and ``-``; what had other characters is told apart by a checksum."""
    plain = "_".join(words)
    fit = _UNFIT.sub("_", plain)[:80]
    return (
        fit if fit == plain else f"{fit}_{hashlib.blake2b(plain.encode(errors='replace'), digest_size=4).hexdigest()}"
    )


def shown(text: object, limit: int = MAX_NAME) -> str:
    """Make a name of what came from the air: one printable line."""
    return "".join(character for character in str(text) if character.isprintable()).strip()[:limit]


def sensor(measure: Measure, key: str, unique_id: str, topic: str) -> Config:
    """Return the component of one number."""
    optional = {
        "unit_of_measurement": measure.unit,
        "device_class": measure.device_class,
        "state_class": measure.state_class,
    }
    return {
        "platform": "sensor",
        "unique_id": unique_id,
        "name": measure.name,
        "state_topic": topic,
        "value_template": f"{{{{ value_json['{key}'] }}}}",
        **{name: value for name, value in optional.items() if value},
    }


def switch_state(name: str, key: str, unique_id: str, topic: str) -> Config:
    """Return the component of one bit, whose state is "ON" or "OFF"."""
    return {
        "platform": "binary_sensor",
        "unique_id": unique_id,
        "name": name,
        "state_topic": topic,
        "value_template": f"{{{{ value_json['{key}'] }}}}",
    }


def device_message(identity: str, name: str, components: Mapping[str, Config], **more: Any) -> bytes:
    """Write a discovery message. ``more`` are fields of the device; ``availability`` a topic, or "" for none."""
    availability = more.pop("availability", "")
    message: Config = {
        "device": {"identifiers": [identity], "name": name, **{key: text for key, text in more.items() if text}},
        "origin": {"name": "Edge", "sw_version": __version__},
        "components": dict(components),
        "qos": 1,
    }
    if availability:
        message["availability"] = [{"topic": availability}]
    return as_json(message)


def as_json(value: Mapping[str, Any]) -> bytes:
    """Write compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="replace")


@dataclass(slots=True)
class Telemetry:
    """What the five channels and eight bits of one station mean. Without definitions: channels as they are, no bits."""

    names: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)
    sense: str = ""
    title: str = ""

    def define(self, packet: Mapping[str, Any]) -> None:
        """Take a definition, as `edge.spec.aprs` has it; what is hostile in it is cut or passed over."""
        kind = packet.get("definition")
        if kind in ("PARM", "UNIT"):
            words = [
                shown(word, MAX_NAME if kind == "PARM" else MAX_UNIT) for word in list(packet.get("names", ()))[:13]
            ]
            self.names, self.units = (words, self.units) if kind == "PARM" else (self.names, words)
        elif kind == "EQNS":
            self.coefficients = [
                float(word) if is_number(word) else 0.0 for word in packet.get("coefficients", ())[:15]
            ]
        elif kind == "BITS":
            self.sense, self.title = str(packet.get("bits", ""))[:8], shown(packet.get("title", ""))

    def measure(self, channel: int) -> Measure:
        """Say how channel 0 to 4 is shown."""
        name = self.names[channel] if channel < len(self.names) else ""
        unit = self.units[channel] if channel < len(self.units) else ""
        known = UNITS.get(unit.lower().replace(".", "").strip(), (unit, ""))
        return Measure(name or f"Channel {channel + 1}", *known)

    def bit_name(self, bit: int) -> str:
        """Name bit 0 to 7, or say nothing where the station has not."""
        return self.names[5 + bit] if 5 + bit < len(self.names) else ""

    def values(self, report: Mapping[str, Any]) -> dict[str, float | str | None]:
        """Return the state of a report: ``a1`` to ``a5`` by their equations, ``b1`` to ``b8`` as "ON" or "OFF"."""
        found: dict[str, float | str | None] = {}
        for channel, value in enumerate(list(report.get("values", ()))[:5]):
            found[f"a{channel + 1}"] = self._scaled(channel, value)
        for bit, value in enumerate(str(report.get("bits", ""))[:8]):
            if self.bit_name(bit):
                active = self.sense[bit] if bit < len(self.sense) else "1"
                found[f"b{bit + 1}"] = "ON" if value == active else "OFF"
        return found

    def _scaled(self, channel: int, value: Any) -> float | None:
        if not is_number(value):
            return None
        a, b, c = (
            self.coefficients[3 * channel : 3 * channel + 3] if len(self.coefficients) >= 3 * channel + 3 else (0, 1, 0)
        )
        number = a * value * value + b * value + c
        return float(f"{number:.6g}") if is_number(number) else None

    def components(self, keys: Iterable[str], identity: str, topic: str) -> dict[str, Config]:
        """Return the components of these keys of `values`."""
        found: dict[str, Config] = {}
        for key in keys:
            number, unique_id = int(key[1:]) - 1, f"{identity}_{key}"
            found[key] = (
                sensor(self.measure(number), key, unique_id, topic)
                if key[0] == "a"
                else switch_state(self.bit_name(number), key, unique_id, topic)
            )
        return found
