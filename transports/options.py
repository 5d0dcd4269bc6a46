"""The typed options of each kind. Light to import: the admin, the checks and the command line read them."""

from dataclasses import dataclass

from edge.options import option

TO_CALL = "APZEDG"  # APZxxx is for software that is not registered yet (aprs.org, tocalls)


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialOptions:
    """A serial line without protocol."""

    baud: int = option(
        9600,
        label="Baud rate",
        help="As set on the device. Ignored over TCP.",
        unit="Bd",
        minimum=50,
        maximum=4_000_000,
    )
    framing: str = option(
        "bytes",
        label="Framing",
        help="Hand on what each read gives, or whole lines of text.",
        choices=(("bytes", "Bytes as they come"), ("line", "Lines of text")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ax25Options:
    """A KISS TNC."""

    callsign: str = option(
        "",
        label="Callsign",
        help="Your own, with SSID if you like: QQ1ABC-10. Needed to transmit.",
        maximum=9,
    )
    baud: int = option(
        9600,
        label="Baud rate",
        help="Between this box and the TNC. Ignored over TCP.",
        unit="Bd",
        minimum=300,
        maximum=4_000_000,
    )
    air_baud: int = option(
        1200,
        label="Speed on the air",
        help="What the gate reckons air time with.",
        unit="Bd",
        minimum=45,
        maximum=1_000_000,
    )
    frames_per_minute: int = option(
        20,
        label="Most frames a minute",
        help="The gate refuses what goes beyond.",
        unit="frames",
        minimum=1,
        maximum=600,
    )
    duty_percent: int = option(
        25,
        label="Most air time",
        help="Share of ten minutes that this station may transmit.",
        unit="%",
        minimum=1,
        maximum=100,
    )
    any_source: bool = option(
        False,
        label="Any source",
        help="Transmit frames of other stations too, as a digipeater has to. You answer for them.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AprsOptions(Ax25Options):
    """A KISS TNC on an APRS frequency."""

    path: str = option(
        "WIDE1-1,WIDE2-1",
        label="Path",
        help="Digipeaters to ask for. A fixed station that an IGate hears directly leaves it empty.",
        maximum=80,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """A connection to an MQTT broker."""

    username: str = option("", label="User name", maximum=255)
    password: str = option("", label="Password", maximum=255, secret=True)
    client_id: str = option(
        "",
        label="Client id",
        help="Empty: made of the device's name. Two clients with one id throw each other out.",
        maximum=64,
    )
    protocol: str = option("5", label="MQTT version", choices=(("5", "5.0"), ("3.1.1", "3.1.1")))
    keepalive: int = option(
        30,
        label="Keep alive",
        help="A dead connection is noticed within one and a half of it.",
        unit="s",
        minimum=5,
        maximum=3600,
    )
    max_payload: int = option(
        262_144,
        label="Largest payload",
        help="Larger messages are counted and dropped.",
        unit="bytes",
        minimum=128,
        maximum=16_777_216,
    )
