"""Serial ports as values: who they are, how a link names them, what came and what went. Pure; reads no device.

A port is who it is, not where it is: vendor, product, serial number and interface, and where those do not tell it from
its neighbours, the socket that it is plugged into. ``/dev/ttyUSB0`` is but today's number. `transports.hotplug` reads
what there is, `edge.usb` how a link writes it down.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge.errors import ConfigError, LinkLost
from edge.usb import SCHEME, UsbLink
from transports.recognise import PortFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A serial port that is there now. What the system does not tell is None, 0 or empty.

    ``plugged`` differs each time that it is plugged in, also where all else is as before; it is compared, never shown.
    """

    path: str  # today's node: /dev/ttyUSB0
    vendor: int | None = None
    product: int | None = None
    serial: str = ""
    interface: int = 0
    number: int = 0  # of several ports behind one interface
    at: str = ""  # where it is plugged: udev's ID_PATH; without udev the kernel's name of the interface
    manufacturer: str = ""
    product_name: str = ""
    by_id: str = ""  # the name below /dev/serial/by-id
    driver: str = ""
    plugged: str = ""

    @property
    def title(self) -> str:
        """Name it as people know it."""
        name = " ".join(dict.fromkeys(word for word in (self.manufacturer, self.product_name) if word))
        return (name or self.driver or "Serial port").replace("_", " ")

    def facts(self) -> PortFacts:
        """Return what profiles recognise it by."""
        return PortFacts(
            vendor=self.vendor,
            product=self.product,
            serial=self.serial,
            manufacturer=self.manufacturer,
            product_name=self.product_name,
            by_id=self.by_id,
        )


def fits(link: UsbLink, port: Port) -> bool:
    """Tell whether a link may mean this port. Without ``interface`` and ``port`` it means the first of an adapter."""
    return (
        (link.vendor, link.product) == (port.vendor, port.product)
        and link.serial in ("", port.serial)
        and link.at in ("", port.at)
        and (link.at != "" or (link.interface or 0) == port.interface)
        and (link.port or 0) == port.number
    )


def link_of(port: Port, ports: Iterable[Port]) -> str:
    """Return the link that names this port wherever it is plugged in next; of twins, where it is plugged in now."""
    if port.vendor is None or port.product is None:
        return f"serial://{port.path}"
    if port.serial and not twins(port, ports):
        return str(_named(port, serial=port.serial, interface=port.interface or None))
    return str(_named(port, serial=port.serial, at=port.at))


def twins(port: Port, ports: Iterable[Port]) -> list[Port]:
    """List the other ports that only their place tells from this one: no serial number, or an equal one."""
    if port.vendor is None:
        return []
    who = _who(port)
    return [other for other in ports if other.path != port.path and _who(other) == who]


def find(link: str, ports: Iterable[Port], others: Iterable[str] = ()) -> Port:
    """Find the port that a ``usb://`` link names; ConfigError for no such link.

    LinkLost where none is there, or where several are that only their place tells apart: then none is taken. So it is
    with a port that another of the ``others``, the links of the box's devices, names more exactly: the moment in which
    that device has not taken it yet must not give it away, for a radio might then transmit what is another's.
    """
    wanted = UsbLink.parse(link)
    fitting = [port for port in ports if fits(wanted, port)]
    if not fitting:
        raise LinkLost(f"{link} is not there (unplugged?)")
    exact = _more_exact(wanted, others)
    found = [port for port in fitting if not any(fits(other, port) for other in exact)]
    if not found:
        listed = ", ".join(f"{port.path} at {port.at}" for port in fitting)
        raise LinkLost(f"{link} could only be {listed}, which another device of this box names more exactly")
    if len(found) > 1:
        listed = ", ".join(f"{port.path} at {port.at}" for port in found)
        choice = str(_named(found[0], serial=wanted.serial, at=found[0].at))
        raise LinkLost(f"{link} could be {listed}; say in the link which one, as {choice}")
    return found[0]


def _more_exact(link: UsbLink, others: Iterable[str]) -> list[UsbLink]:
    """Return those of the others that say more of who a port is; what is no ``usb://`` link is passed over."""
    found = []
    for other in others:
        with suppress(ConfigError):
            parsed = UsbLink.parse(other)
            if _exactness(parsed) > _exactness(link):
                found.append(parsed)
    return found


def _exactness(link: UsbLink) -> int:
    return bool(link.serial) + bool(link.at)


def names(link: str, port: Port) -> bool:
    """Tell whether a device's link, of whatever scheme, names this port. False for what is no link."""
    try:
        parts = urlsplit(link)
        if parts.scheme == SCHEME:
            return fits(UsbLink.parse(link), port)
    except (ValueError, LinkLost):
        return False
    return parts.scheme == "serial" and parts.path == port.path


def changes(before: Iterable[Port], after: Iterable[Port]) -> tuple[list[Port], list[Port]]:
    """Return what went and what came between two looks, in this order. What went and came back in between is in both.

    Events are but a hint to look again: in a burst of them the moment at which a port was gone is easily missed.
    """
    old, new = {_place(port): port for port in before}, {_place(port): port for port in after}
    return [old[key] for key in old if key not in new], [new[key] for key in new if key not in old]


def _place(port: Port) -> tuple[str, str]:
    return port.path, port.plugged


def _who(port: Port) -> tuple[object, ...]:
    return port.vendor, port.product, port.serial, port.interface, port.number


def _named(port: Port, *, serial: str, at: str = "", interface: int | None = None) -> UsbLink:
    return UsbLink(
        vendor=port.vendor or 0,
        product=port.product or 0,
        serial=serial,
        at=at,
        interface=interface,
        port=port.number or None,
    )
