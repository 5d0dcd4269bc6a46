"""The page of what is plugged in: each port with what it may be, and the way to make it a device."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from django_site import box, control, far_box
from django_site.devices.adopting import kinds, plugged, proposal
from django_site.devices.fields import PREFIX
from django_site.devices.models import Device
from django_site.devices.observed import absent
from edge.errors import ConfigError, LinkLost
from edge.registry import import_string

SECONDS = 16  # that the page listens: each of the common speeds once; a person waits for the answer


def context(listened: str = "") -> dict[str, Any]:
    """Gather what the page shows. ``listened`` is the link of a port to listen to first."""
    found = look_there(listened) if box.current() is None else look(listened)
    rows = dict(Device.objects.values_list("name", "pk"))
    return {
        "ports": [_shown(port, rows, found["heard"].get(port["link"], "")) for port in found["ports"]],
        "way": found["way"],
        "seconds": SECONDS,
        "title": "Plugged in",
        "problems": [words] if (words := absent()) else [],
    }


def look(listened: str = "") -> dict[str, Any]:
    """Look at the ports of this process, and listen to one first: ``ports``, ``heard`` by link, and how they are found.

    Plain values, for it may be another process's page (`django_site.answers`).
    """
    ports = plugged()
    heard = {port["link"]: _heard(port) for port in ports if port["link"] == listened and not port["device"]}
    return {"ports": ports, "heard": heard, "way": f"found by {import_string('transports.scan:way')()}"}


def look_there(listened: str = "") -> dict[str, Any]:
    """Have the devices' process look, for only that one may open ports; where it is not there, look at what we see."""
    if absent():
        return look(listened)
    try:
        return far_box.ask("POST", "/plugged", {"listened": listened}, timeout=SECONDS + control.TIMEOUT)
    except (OSError, ValueError):
        return look()


def _shown(port: dict[str, Any], rows: Mapping[str, int], heard: str) -> dict[str, Any]:
    if port["device"]:
        return {**port, "change": reverse("admin:devices_device_change", args=[rows[port["device"]]])}
    adopt = [(kind, _add_address(proposal(port, kind))) for kind in kinds()]
    return {**port, "heard": heard, "adopt": adopt}


def _add_address(fields: dict[str, Any]) -> str:
    """Return the address of the admin's own form, filled in."""
    options = {f"{PREFIX}{name}": value for name, value in fields.pop("options").items()}
    return f"{reverse('admin:devices_device_add')}?{urlencode({**fields, **options})}"


def _heard(port: dict[str, Any]) -> str:
    """Listen, and say what was heard."""
    first = [fit["baud"] for fit in port["fits"]]
    try:
        heard = import_string("transports.listening:listen")(port["link"], seconds=SECONDS, first=first)
    except (LinkLost, ConfigError) as error:
        return str(error)
    words: str = heard.words
    return words if heard.what.value == "nothing" else f"At {heard.baud} Bd: {words}"
