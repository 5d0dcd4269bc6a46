"""What is plugged in, whose it is, and what it may be: plain values for the pages and the command line.

Blocks for some ten milliseconds (a look at the ports and at each process): not for the loop. Opens nothing.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from transports.holders import holder_words, permission_words
from transports.ports import Port, link_of, names, twins
from transports.recognise import recognise
from transports.scan import scan


def survey(devices: Mapping[str, str]) -> list[dict[str, Any]]:
    """List the ports that are there, in order of their paths. ``devices`` has the links of the rows, by name.

    Each port has its facts (`transports.ports.Port`), ``title``, the ``link`` that names it for good, the ``device``
    whose it is or "", its ``twins`` by path, the profiles that fit (``fits``: profile, label, why, the surest first),
    and in ``problem`` why it cannot be opened, or "".
    """
    ports = scan()
    links = {name: _by_node(link) for name, link in devices.items()}
    return [_entry(port, ports, links) for port in ports]


def nobodys(ports: Iterable[Port], links: Iterable[str]) -> list[str]:
    """Name the USB ports among these that none of the links names, by path."""
    by_node = [_by_node(link) for link in links]
    return [port.path for port in ports if port.vendor is not None and not any(names(link, port) for link in by_node)]


def find_port(given: str, ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Find ports of a survey by what a person wrote: a link, a link without its scheme, or today's node."""
    wanted = (given, f"usb://{given}", f"serial://{given}")
    exact = [port for port in ports if port["link"] in wanted or port["path"] == os.path.realpath(given)]
    return exact or [port for port in ports if any(names(link, port_of(port)) for link in wanted)]


def port_of(entry: Mapping[str, Any]) -> Port:
    """Return the port of an entry of a survey."""
    return Port(**{name: entry[name] for name in Port.__slots__})


def _entry(port: Port, ports: tuple[Port, ...], links: Mapping[str, str]) -> dict[str, Any]:
    device = next((name for name, link in links.items() if names(link, port)), "")
    fits = [
        {"profile": profile.name, "label": profile.label, "why": why, "baud": profile.line.baud}
        for profile, why in recognise(port.facts())
    ]
    return {
        **asdict(port),
        "title": port.title,
        "link": link_of(port, ports),
        "device": device,
        "twins": [twin.path for twin in twins(port, ports)],
        "fits": fits,
        "problem": "" if device else _problem(port.path),
    }


def _problem(path: str) -> str:
    if not os.access(path, os.R_OK | os.W_OK):
        return f"no permission to open it; {permission_words(path)}"
    found = holder_words(path)
    return f"in use by {found}" if found else ""


def _by_node(link: str) -> str:
    """Follow a path to the node: by-id names and their like."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    return f"serial://{os.path.realpath(parts.path)}" if parts.scheme == "serial" else link
