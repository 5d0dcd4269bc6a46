"""What a person may ask of a new box, as values that were checked. Nothing here reads a file or changes the box."""

import re
from dataclasses import dataclass, field, fields

HOST_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, 2.1; in lower case
USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")  # useradd(8)
TAKEN = frozenset({"root", "edge", "daemon", "mosquitto", "avahi", "nobody"})  # accounts of the box itself
SITE_USER = re.compile(r"[\w.@+-]{1,150}")  # as Django has it
SSH_KEY = re.compile(r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,3}(?: [^\r\n]*)?")
CRYPTED = re.compile(r"\$[0-9a-z]+\$[./0-9A-Za-z$=,+-]+")  # crypt(5)
COUNTRY = re.compile(r"[A-Z]{2}")  # ISO 3166-1
SHORTEST_PASSWORD = 8  # characters; Django's own rule for the site, and WPA's for a network
LONGEST_PASSPHRASE = 63  # characters (IEEE 802.11, J.4.1); 64 hexadecimal digits are the key itself
LONGEST_SSID = 32  # bytes
MOST_KEYS = 20


class Mistake(ValueError):  # noqa: N818  (a person's, in a file)
    """Something in the file cannot be taken; the message names the field, what was expected and what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who signs in to the site. Without a password, by the link on the box's screen."""

    name: str = "operator"
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Check."""
        expect(bool(SITE_USER.fullmatch(self.name)), "owner.name", "letters, digits and @ . + - _", self.name)
        long_enough = not self.password or (len(self.password) >= SHORTEST_PASSWORD and _one_line(self.password))
        expect(long_enough, "owner.password", f"at least {SHORTEST_PASSWORD} characters", "fewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who signs in to the box itself by SSH, or at its screen; may become root by sudo."""

    name: str = "admin"
    keys: tuple[str, ...] = ()
    password: str = field(default="", repr=False)  # plain, or as crypt(5) has it; empty: none works
    password_login: bool = False  # whether SSH takes the password; a key does without

    def __post_init__(self) -> None:
        """Check."""
        valid = bool(USER_NAME.fullmatch(self.name)) and self.name not in TAKEN
        expect(valid, "ssh.user", "a name of small letters and digits, not that of an account of the box", self.name)
        expect(len(self.keys) <= MOST_KEYS, "ssh.keys", f"at most {MOST_KEYS}", str(len(self.keys)))
        for key in self.keys:
            expect(bool(SSH_KEY.fullmatch(key)), "ssh.keys", "the line of a .pub file, such as ssh-ed25519 AAAA…", key)
        well = (
            not self.password
            or self.is_crypted
            or (len(self.password) >= SHORTEST_PASSWORD and _one_line(self.password))
        )
        expect(well, "ssh.password", f"one line of at least {SHORTEST_PASSWORD} characters", "something else")

    @property
    def is_crypted(self) -> bool:
        """Whether the password is a hash already."""
        return bool(CRYPTED.fullmatch(self.password))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wifi:
    """The wireless network to join."""

    ssid: str
    country: str  # decides on which channels the box may transmit
    password: str = field(default="", repr=False)  # empty for an open network
    hidden: bool = False

    def __post_init__(self) -> None:
        """Check."""
        short = 1 <= len(self.ssid.encode()) <= LONGEST_SSID and self.ssid.isprintable()
        expect(short, "wifi.ssid", f"the network's name, at most {LONGEST_SSID} bytes", self.ssid)
        expect(bool(COUNTRY.fullmatch(self.country)), "wifi.country", "two letters, such as DE", self.country)
        expect(
            not self.password or self.is_key or self._is_passphrase(),
            "wifi.password",
            f"{SHORTEST_PASSWORD} to {LONGEST_PASSPHRASE} ASCII characters, or 64 hexadecimal digits",
            f"{len(self.password)} characters",
        )

    @property
    def is_key(self) -> bool:
        """Whether the password is the key itself rather than a phrase."""
        return bool(re.fullmatch(r"[0-9a-fA-F]{64}", self.password))

    def _is_passphrase(self) -> bool:
        fits = SHORTEST_PASSWORD <= len(self.password) <= LONGEST_PASSPHRASE
        return fits and self.password.isascii() and self.password.isprintable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """The radio that the box begins with. Silent until its owner turns transmitting on."""

    callsign: str = ""
    link: str = ""  # serial:///dev/ttyUSB0, tcp://…; empty: no device is made
    kind: str = "aprs"
    name: str = "radio"

    def __post_init__(self) -> None:
        """Check what can be checked without Edge; `edge provision` checks the rest."""
        call = not self.callsign or bool(re.fullmatch(r"[A-Z0-9]{1,6}(?:-(?:\d|1[0-5]))?", self.callsign))
        expect(call, "station.callsign", "a callsign, such as DL1ABC-10", self.callsign)
        where = not self.link or bool(re.match(r"[a-z+]+://", self.link))
        expect(where, "station.link", "a URL, such as serial:///dev/ttyUSB0", self.link)
        expect(bool(re.fullmatch(r"[a-z0-9-]{1,40}", self.name)), "station.name", "small letters and digits", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All of it; what a person left out is None, or empty."""

    host_name: str = ""
    owner: Owner | None = None
    account: Account | None = None
    wifi: Wifi | None = None
    station: Station | None = None

    def __post_init__(self) -> None:
        """Check."""
        valid = not self.host_name or bool(HOST_NAME.fullmatch(self.host_name))
        expect(valid, "box.name", "small letters, digits and hyphens, at most 63", self.host_name)

    def filled_from(self, other: "Wanted") -> "Wanted":
        """Return this, with what it leaves out taken from another."""
        mine = {each.name: getattr(self, each.name) or getattr(other, each.name) for each in fields(self)}
        return Wanted(**mine)


def expect(well: bool, name: str, expected: str, came: str) -> None:  # noqa: FBT001  (reads as an assertion)
    """Raise `Mistake` unless it is well."""
    if not well:
        raise Mistake(f"{name}: expected {expected}; got {came[:80]!r}")


def _one_line(text: str) -> bool:
    return "\n" not in text and "\r" not in text
