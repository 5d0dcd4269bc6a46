"""Which profiles fit a serial port, by what udev tells of it. For ports that were plugged in and are nobody's yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from transports.profiles import Profile, Sign, load


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """What udev tells about a serial port; what it does not tell is None or empty."""

    vendor: int | None = None
    product: int | None = None
    serial: str = ""
    manufacturer: str = ""
    product_name: str = ""
    by_id: str = ""  # the name below /dev/serial/by-id


def recognise(port: PortFacts, profiles: Mapping[str, Profile] | None = None) -> list[tuple[Profile, str]]:
    """Return the profiles that fit a port, the surest first, each with why, in words for a person.

    Pure: opens nothing, and nothing is sent to find out. A profile comes once, by the surest of its signs. Where
    nothing fits the list is empty: most TNCs look like the adapter that they are plugged into.
    """
    found: dict[str, tuple[tuple[bool, int], Profile, str]] = {}
    for profile in (load().by_name if profiles is None else profiles).values():
        for sign in profile.signs:
            if not all(_holds(sign, port, term) for term in sign.terms()):
                continue
            rank = (sign.sure, len(sign.terms()))
            if profile.name not in found or rank > found[profile.name][0]:
                found[profile.name] = (rank, profile, _why(sign, port))
    ranked = sorted(found.values(), key=lambda item: (not item[0][0], -item[0][1], item[1].name))
    return [(profile, why) for _, profile, why in ranked]


_TEXTS = ("serial", "manufacturer", "product_name", "by_id")
_NAMES = {"serial": "serial number", "manufacturer": "maker", "product_name": "product name", "by_id": "by-id name"}


def _holds(sign: Sign, port: PortFacts, term: str) -> bool:
    wanted, is_ = getattr(sign, term), getattr(port, term)
    if term in _TEXTS:
        return fnmatchcase(is_.lower(), wanted.lower())
    return bool(is_ == wanted)


def _why(sign: Sign, port: PortFacts) -> str:
    told = []
    if sign.vendor is not None:
        told.append(f"USB id {port.vendor:04x}:{'*' if sign.product is None else f'{port.product:04x}'}")
    told += [f"{_NAMES[term]} {getattr(port, term)!r}" for term in sign.terms() if term in _TEXTS]
    doubt = "" if sign.sure else "; others have the same, so look at the device"
    return f"{' and '.join(told)} ({sign.source}){doubt}"
