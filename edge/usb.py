"""``usb://`` links: a USB serial port by who it is, not by which number it got. Pure; finds and opens nothing.

    usb://0403:6001/A50285BI                        by vendor, product and serial number
    usb://0403:6010/FT123?interface=1               the second interface of such an adapter
    usb://1a86:7523?at=pci-0000:00:14.0-usb-0:2:1.0 one without a serial number, or with a twin: by where it is plugged
    usb://1a86:7523                                 the only one of its make

The numbers are those that ``lsusb`` prints, hexadecimal. ``at`` is udev's ID_PATH, ``port`` the number of a port on an
adapter that has several behind one interface. What else a URL would allow is percent-encoded.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from edge.errors import ConfigError

SCHEME = "usb"
EXAMPLE = "usb://0403:6001/A50285BI"
MAX_TEXT = 200  # characters of a serial number (USB has at most 126) or of a place
_NUMBERS = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})")
_SMALL = re.compile(r"[0-9]{1,3}")
_KEYS = ("at", "interface", "port")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbLink:
    """What a link says of a port; what it leaves out may be anything. ``str`` gives the URL."""

    vendor: int
    product: int
    serial: str = ""
    at: str = ""
    interface: int | None = None
    port: int | None = None

    @classmethod
    def parse(cls, link: str) -> "UsbLink":
        """Read a URL; ConfigError that says what was expected."""
        parts = urlsplit(link)
        numbers = _NUMBERS.fullmatch(parts.netloc)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        small = [given[key] for key in ("interface", "port") if key in given]
        serial = unquote(parts.path.removeprefix("/"))
        if parts.scheme != SCHEME or numbers is None or parts.fragment:
            raise ConfigError(f"expected a link such as {EXAMPLE}, with vendor and product as lsusb prints them")
        if unknown := [key for key in given if key not in _KEYS]:
            raise ConfigError(f"expected {', '.join(_KEYS)} behind the ?; got {unknown[0]!r:.40}")
        if not all(map(_SMALL.fullmatch, small)) or max(len(serial), len(given.get("at", ""))) > MAX_TEXT:
            raise ConfigError("expected a number of up to three digits as interface and port, and a shorter name")
        return cls(
            vendor=int(numbers[1], 16),
            product=int(numbers[2], 16),
            serial=serial,
            at=given.get("at", ""),
            interface=int(given["interface"]) if "interface" in given else None,
            port=int(given["port"]) if "port" in given else None,
        )

    def __str__(self) -> str:
        path = f"/{quote(self.serial, safe='')}" if self.serial else ""
        at = f"at={quote(self.at, safe=':.-_')}" if self.at else ""
        more = [f"{name}={value}" for name in ("interface", "port") if (value := getattr(self, name)) is not None]
        query = "&".join([at] * bool(at) + more)
        return f"{SCHEME}://{self.vendor:04x}:{self.product:04x}{path}" + (f"?{query}" if query else "")
