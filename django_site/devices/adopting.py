"""From a port that is plugged in to a device: what there is beside the rows, and a row made of it.

A device that is adopted is silent until a person says otherwise, as each new one is.
"""

from collections.abc import Mapping
from typing import Any

from django_site.devices.models import Device
from edge import registry
from edge.desired import DeviceWish, Problem, device_problems
from edge.options import describe

SCHEME = "usb"  # of the kinds that a port can be


def plugged() -> list[dict[str, Any]]:
    """List the ports that are there, with the device that has each (`transports.survey`). Blocks; not for the loop."""
    links = dict(Device.objects.order_by("pk").values_list("name", "link"))
    found: list[dict[str, Any]] = registry.import_string("transports.survey:survey")(links)
    return found


def kinds() -> list[registry.Kind]:
    """List the kinds that a serial port can be adopted as."""
    return [kind for kind in registry.kinds().values() if SCHEME in kind.schemes]


def proposal(port: Mapping[str, Any], kind: registry.Kind) -> dict[str, Any]:
    """Propose name, link and options of a device on a port, as the fields of a row."""
    fit = port["fits"][0]["profile"] if port["fits"] else ""
    known = {option.name for option in describe(kind.options_type())}
    return {
        "name": _free_name(fit or kind.name),
        "kind": kind.name,
        "link": port["link"],
        "options": {"profile": fit} if fit and "profile" in known else {},
    }


def adopt(fields: Mapping[str, Any]) -> list[Problem]:
    """Make a device, with transmitting off; return what is wrong with it instead, if anything is."""
    row = Device(**fields, transmit=False)
    wish: DeviceWish = row.wish()
    problems = device_problems(wish, [other.wish() for other in Device.objects.all()])
    if not problems:
        row.save()
    return problems


def _free_name(base: str) -> str:
    taken = set(Device.objects.values_list("name", flat=True))
    return next(name for number in range(1, len(taken) + 2) if (name := _numbered(base, number)) not in taken)


def _numbered(base: str, number: int) -> str:
    return base if number == 1 else f"{base[:36]}-{number}"
