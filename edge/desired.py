"""What a person wants to run: one frozen value, made of rows or of a file, compared by the supervisor.

A row is a wish. `problems` says in plain words which wishes cannot come true, before anything runs: the admin's forms,
the system checks, ``edge check`` and the supervisor all ask it.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from edge import registry
from edge.errors import ConfigError
from edge.gate import callsign_problem
from edge.legs import parse_route_options, speaks
from edge.matching import match_problem
from edge.options import parse_options
from edge.usb import SCHEME as USB
from edge.usb import UsbLink

mask = registry.mask  # forms and checks look for it beside `link_problem`

DEVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")  # it becomes a part of channel names and of topics


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWish:
    """A device as a person described it; nothing in it has been checked."""

    name: str
    kind: str
    link: str
    options: Mapping[str, Any] = field(default_factory=dict)  # plain values
    transmit: bool = False  # a radio is silent until a person says otherwise
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteWish:
    """A route as a person described it: what comes from ``device`` and matches goes to ``consumer``."""

    device: str
    consumer: str  # import string
    match: str = ""  # edge.matching: a topic filter, or terms such as source=QQ1*
    options: Mapping[str, Any] = field(default_factory=dict)  # given to the consumer
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything that is wanted."""

    devices: tuple[DeviceWish, ...] = ()
    routes: tuple[RouteWish, ...] = ()

    def routes_of(self, device: str) -> tuple[RouteWish, ...]:
        """Return the enabled routes of one device, in order."""
        return tuple(route for route in self.routes if route.device == device and route.enabled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a wish cannot come true, for the person who made it."""

    where: str  # "device vhf" or "route vhf → edge.contrib.chat.ChatConsumer"
    field: str  # the field of the wish that is wrong, for a form
    message: str  # what was expected, what came, what to do


def problems(desired: Desired) -> tuple[Problem, ...]:
    """List everything that cannot work, device by device, then route by route."""
    found: list[Problem] = []
    for device in desired.devices:
        others = [other for other in desired.devices if other is not device]
        found += device_problems(device, others)
    for route in desired.routes:
        found += route_problems(route, desired.devices)
    return tuple(found)


def device_problems(device: DeviceWish, others: Iterable[DeviceWish] = ()) -> list[Problem]:
    """List what is wrong with one device, seen beside the other devices."""
    where = f"device {device.name or '(no name)'}"
    return [Problem(where=where, field=name, message=text) for name, text in _device_complaints(device, list(others))]


def route_problems(route: RouteWish, devices: Iterable[DeviceWish]) -> list[Problem]:
    """List what is wrong with one route, given the devices that it may name."""
    where = f"route {route.device} → {route.consumer}"
    by_name = {device.name: device for device in devices}
    return [Problem(where=where, field=name, message=text) for name, text in _route_complaints(route, by_name)]


def _device_complaints(device: DeviceWish, others: list[DeviceWish]) -> Iterator[tuple[str, str]]:
    if not DEVICE_NAME.fullmatch(device.name):
        yield "name", f"expected 1 to 40 of a-z, 0-9 and -, beginning with a letter; got {device.name!r}"
    if any(other.name == device.name for other in others):
        yield "name", f"another device is called {device.name!r} already; give this one its own name"
    try:
        kind = registry.kind(device.kind)
    except ConfigError as error:
        yield "kind", str(error)
        return
    if problem := link_problem(kind, device.link):
        yield "link", problem
    for other in others:
        if other.enabled and device.enabled and same_port(other.link, device.link):
            yield "link", f"device {other.name!r} uses {port_of(device.link)} already; one port serves one device"
    yield from _option_complaints(device, kind)


def _option_complaints(device: DeviceWish, kind: registry.Kind) -> Iterator[tuple[str, str]]:
    try:
        options = parse_options(kind.options_type(), device.options, where=f"{kind.label} options")
    except ConfigError as error:
        yield "options", str(error)
        return
    for problem in kind.problems(options):
        yield "options", problem
    callsign = getattr(options, "callsign", None)
    if callsign and (problem := callsign_problem(callsign)):
        yield "options", f"callsign: {problem}"
    elif callsign == "" and device.transmit and kind.radio:
        yield "options", "callsign: transmitting needs your own callsign; set it, or turn transmitting off"


def _route_complaints(route: RouteWish, devices: Mapping[str, DeviceWish]) -> Iterator[tuple[str, str]]:
    device = devices.get(route.device)
    kind = registry.kinds().get(device.kind) if device else None
    if device is None:
        yield "device", f"there is no device {route.device!r}; there are {', '.join(devices) or 'none'}"
    match_is_wrong = match_problem(kind.scope_type, route.match) if kind else ""
    if match_is_wrong:
        yield "match", match_is_wrong
    try:
        consumer = registry.import_string(route.consumer)
    except ConfigError as error:
        yield "consumer", str(error)
        return
    if not callable(consumer):
        found = type(consumer).__name__
        yield "consumer", f"expected a consumer class or an ASGI application; {route.consumer} is a {found}"
    elif kind and (problem := speaks(consumer, kind.scope_type)):
        yield "consumer", problem
    elif kind and not match_is_wrong:
        try:
            own, *_ = (*parse_route_options(consumer, kind.scope_type, route.options, route.match), None)
        except ConfigError as error:
            yield "options", str(error)
        else:
            yield from _target_complaints(getattr(consumer, "targets", None), own, devices)


def _target_complaints(
    targets: Callable[[Any], Iterable[tuple[str, str]]] | None, options: Any, devices: Mapping[str, DeviceWish]
) -> Iterator[tuple[str, str]]:
    """Say which devices a consumer sends to that are not there, or are of another sort than it takes them for.

    ``targets(options)`` gives pairs: the option that names a device, and its scope type.
    """
    for option, scope_type in targets(options) if targets else ():
        name = getattr(options, option)
        fitting = [
            other.name
            for other in devices.values()
            if other.kind in registry.kinds() and registry.kinds()[other.kind].scope_type == scope_type
        ]
        if name not in fitting:
            what = f"offers {scope_type}" if name in devices else "is there"
            found = ", ".join(fitting) or "none"
            yield "options", f"{option}: expected a device that offers {scope_type} ({found}); no {name!r} {what}"


def link_problem(kind: registry.Kind, link: str) -> str:
    """Say what is wrong with a link's URL for this kind, or nothing."""
    expected = f"expected a URL such as {kind.link_example}"
    try:
        parts = urlsplit(link)
        port = parts.port if parts.scheme != USB else None  # lsusb's numbers stand there
    except ValueError:  # its own words may hold a part of a password
        return f"{expected}; got {mask(link)!r}, of which host and port cannot be read"
    if parts.scheme not in kind.schemes:
        return f"{expected}, with {' or '.join(f'{scheme}://' for scheme in kind.schemes)}; got {mask(link)!r}"
    if parts.scheme == "serial" and (parts.netloc or not parts.path.startswith("/")):
        return f"{expected}, with three slashes before a path that begins at the root; got {mask(link)!r}"
    if parts.scheme == USB:
        return _usb_problem(link)
    if parts.scheme == "memory" and not parts.netloc:
        return f"expected a name, as in memory://bench; got {link!r}"
    if parts.scheme not in ("serial", "memory") and not parts.hostname:
        return f"{expected}; {mask(link)!r} names no host"
    if parts.scheme == "tcp" and port is None:
        return f"{expected}; {mask(link)!r} names no port"
    return ""


def _usb_problem(link: str) -> str:
    try:
        UsbLink.parse(link)
    except ConfigError as error:
        return str(error)
    return ""


def port_of(link: str) -> str:
    """Name what a link occupies, for people: a path, or scheme, host and port."""
    parts = urlsplit(link)
    if parts.scheme == USB:
        return link
    return parts.path if parts.scheme == "serial" else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def same_port(one: str, other: str) -> bool:
    """Tell whether two links cannot be open at once: a serial port can be opened once, a broker often.

    A TNC over TCP too: Direwolf serves several clients, and one that does not says so by refusing the second.

    Follows links in the file system: /dev/serial/by-id/… and /dev/ttyUSB0 are one port. Which of them a ``usb://`` link
    means is known when it is opened, and told then.
    """
    try:
        first, second = _occupied(one), _occupied(other)
    except ValueError:
        return False  # not a URL; link_problem says so
    return first is not None and first == second


def _occupied(link: str) -> tuple[str, ...] | None:
    parts = urlsplit(link)
    if parts.scheme == "serial":
        return ("serial", os.path.realpath(parts.path))
    if parts.scheme == USB:
        return (USB, str(UsbLink.parse(link)))
    return ("memory", parts.netloc) if parts.scheme == "memory" else None
