"""The typed options of each kind. Light to import: the admin, the checks and the command line read them."""

from dataclasses import dataclass

from edge.options import option
from transports import profiles

# Headings: a form folds what stands under them.
LIMITS = "Limits on transmitting"
TOLD = "What the TNC is told (KISS parameters)"
LINE = "Checksum, confirmations, questions"
AGWPE = "AGWPE login"
SESSION = "Session and limits"
TLS = "TLS: certificates"
WILL = "Will and birth messages"

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
    profile: str = option(
        profiles.GENERIC,
        label="Profile",
        help="What TNC it is: how fast it talks, how it likes its frames, how it gets into KISS mode.",
        choices=profiles.choices,
    )
    enter_kiss: bool = option(
        False,
        label="Bring it into KISS mode",
        help="And out of it again, as the profile says. Off, the TNC is sent nothing but what is transmitted.",
    )
    baud: int = option(
        0,
        label="Baud rate",
        help="Between this box and the TNC; if it is not given, as the profile says. Ignored over TCP.",
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
        group=LIMITS,
    )
    frames_per_minute: int = option(
        20,
        label="Most frames a minute",
        help="The gate refuses what goes beyond.",
        unit="frames",
        minimum=1,
        maximum=600,
        group=LIMITS,
    )
    duty_percent: int = option(
        25,
        label="Most air time",
        help="Share of ten minutes that this station may transmit.",
        unit="%",
        minimum=1,
        maximum=100,
        group=LIMITS,
    )
    any_source: bool = option(
        False,
        label="Any source",
        help="Transmit frames of other stations too, as a digipeater has to. You answer for them.",
        group=LIMITS,
    )
    txdelay: int = option(
        -1,
        label="TXDELAY",
        help="Told the TNC at each link-up: between keying the transmitter and data. Empty: as the TNC has it.",
        unit="ms",
        minimum=0,
        maximum=2550,
        group=TOLD,
    )
    persistence: int = option(
        -1,
        label="Persistence",
        help="Told the TNC: it transmits in a free slot with a chance of (P + 1) / 256. Empty: as it has it.",
        minimum=0,
        maximum=255,
        group=TOLD,
    )
    slottime: int = option(
        -1,
        label="Slot time",
        help="Told the TNC: between two looks at a busy channel. Empty: as it has it.",
        unit="ms",
        minimum=0,
        maximum=2550,
        group=TOLD,
    )
    txtail: int = option(
        -1,
        label="TXTAIL",
        help="Told the TNC: how long it keys after the data. Most need none. Empty: as it has it.",
        unit="ms",
        minimum=0,
        maximum=2550,
        group=TOLD,
    )
    full_duplex: str = option(
        "unset",
        label="Full duplex",
        help="Told the TNC: whether to transmit while it hears somebody.",
        choices=(("unset", "As the TNC has it"), ("off", "Off"), ("on", "On")),
        group=TOLD,
    )
    hardware: str = option(
        "",
        label="Hardware settings",
        help="Told the TNC by SETHW: bytes in hexadecimal, several frames by semicolons: 06 23; 28. The TNC's manual "
        "says which.",
        maximum=200,
        group=TOLD,
    )
    kiss_ports: str = option(
        "0",
        label="Radio ports",
        help="Which of the TNC's radio ports are told: 0, or 0,2, or 0-3.",
        minimum=1,
        maximum=40,
        group=TOLD,
    )
    checksum: str = option(
        "profile",
        label="Checksum",
        help="Of frames on the serial line; both sides must agree.",
        choices=(
            ("profile", "As the TNC's profile has it; else none"),
            ("none", "None"),
            ("auto", "Answer SMACK and FLEXNET in kind"),
            ("smack", "SMACK"),
            ("flexnet", "FLEXNET"),
            ("xor", "XOR (BPQ)"),
            ("tncx", "XOR as a TNC-X has it"),
        ),
        group=LINE,
    )
    ackmode: bool = option(
        False,
        label="Confirm transmissions",
        help="The TNC says when a frame is on the air (ACKMODE). Many TNCs do not know it and then send nothing.",
        group=LINE,
    )
    ask: bool = option(
        False,
        label="Ask the TNC",
        help="What it is, and after each transmission how much still waits: Direwolf and fldigi answer.",
        group=LINE,
    )
    agwpe_user: str = option(
        "",
        label="AGWPE user name",
        help="Where an agwpe:// server asks for one.",
        maximum=254,
        group=AGWPE,
    )
    agwpe_password: str = option(
        "",
        label="AGWPE password",
        maximum=254,
        secret=True,
        group=AGWPE,
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

    username: str = option("", label="User name", help="Goes before the one in the link.", maximum=255)
    password: str = option("", label="Password", help="Or a token.", maximum=4096, secret=True)
    password_file: str = option(
        "",
        label="Password file",
        help="Read before each connection; goes before the password. A name without / is a systemd credential.",
        maximum=255,
    )
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
        group=SESSION,
    )
    session_expiry: int = option(
        3600,
        label="Session kept for",
        help="By the broker, with our QoS 1 and 2 messages, while we are away. 0: begin anew each time.",
        unit="s",
        minimum=0,
        maximum=4_294_967_295,
        group=SESSION,
    )
    in_flight: int = option(
        512,
        label="Most unhandled messages",
        help="Of QoS 1 and 2; at it the broker waits until the slowest consumer has handled one.",
        unit="messages",
        minimum=1,
        maximum=65_535,
        group=SESSION,
    )
    max_payload: int = option(
        262_144,
        label="Largest payload",
        help="Larger messages are counted and dropped.",
        unit="bytes",
        minimum=128,
        maximum=16_777_216,
        group=SESSION,
    )
    ca_file: str = option(
        "",
        label="CA file",
        help="PEM. Empty: what the system trusts.",
        maximum=255,
        group=TLS,
    )
    certificate_file: str = option(
        "",
        label="Certificate file",
        help="Our own, in PEM.",
        maximum=255,
        group=TLS,
    )
    key_file: str = option(
        "",
        label="Key file",
        help="Of our own certificate, without a password. Empty: in the certificate file.",
        maximum=255,
        group=TLS,
    )
    tls_minimum: str = option(
        "1.2",
        label="Oldest TLS",
        choices=(("1.2", "TLS 1.2"), ("1.3", "TLS 1.3")),
        group=TLS,
    )
    server_name: str = option(
        "",
        label="Server name",
        help="That the certificate must have. Empty: the link's host.",
        maximum=255,
        group=TLS,
    )
    insecure: bool = option(
        False,
        label="Accept any certificate",
        help="Anybody on the way can then read and change everything, the password too. For trying out.",
        group=TLS,
    )
    will_topic: str = option(
        "",
        label="Will: topic",
        help="Published by the broker once we are gone. Empty: nothing.",
        maximum=255,
        group=WILL,
    )
    will_payload: str = option(
        "offline",
        label="Will: payload",
        maximum=1024,
        group=WILL,
    )
    will_qos: int = option(
        1,
        label="Will: QoS",
        minimum=0,
        maximum=2,
        group=WILL,
    )
    will_retain: bool = option(
        True,
        label="Will: retain",
        help="So that newcomers know.",
        group=WILL,
    )
    birth_topic: str = option(
        "",
        label="Birth: topic",
        help="Published whenever the session begins. Empty: nothing.",
        maximum=255,
        group=WILL,
    )
    birth_payload: str = option(
        "online",
        label="Birth: payload",
        maximum=1024,
        group=WILL,
    )
    birth_qos: int = option(
        1,
        label="Birth: QoS",
        minimum=0,
        maximum=2,
        group=WILL,
    )
    birth_retain: bool = option(
        True,
        label="Birth: retain",
        help="So that newcomers know.",
        group=WILL,
    )
