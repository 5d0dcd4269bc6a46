"""What the devices do now: read from the box of this process, or asked of the process that has it."""

import asyncio

from django_site import box, far_box, pages_alone
from django_site.devices.models import Device
from edge.registry import import_string
from edge.status import DeviceStatus


def statuses() -> dict[str, DeviceStatus]:
    """Return each running device's status by name; nothing where no box runs on the data folder. May block."""
    running = box.current()
    return {status.name: status for status in running.status()} if running else far_box.look().devices


async def statuses_now() -> dict[str, DeviceStatus]:
    """Return the same, on the loop."""
    return statuses() if box.current() else await asyncio.to_thread(statuses)


def problems() -> list[str]:
    """List what keeps the box as a whole from its work, in plain words: rows or a history that cannot be used.

    May block.
    """
    running = box.current()
    found = list(running.about()["problems"]) if running else [*far_box.look().problems, *pages_alone.problems()]
    return list(dict.fromkeys(found))  # both processes miss the same broker


def absent() -> str:
    """Say why nobody runs the devices; empty where somebody does. May block."""
    return "" if box.current() else far_box.look().absent


def nobodys() -> list[str]:
    """Name the USB ports that are plugged in and no device's, as the box saw them last."""
    running = box.current()
    if running is None:
        return _nobodys_there()
    if not running.ports.ports:
        return []
    links = list(Device.objects.values_list("link", flat=True))
    found: list[str] = import_string("transports.survey:nobodys")(running.ports.ports, links)
    return found


def _nobodys_there() -> list[str]:
    if far_box.look().absent:
        return []
    try:
        return [str(path) for path in far_box.ask("GET", "/nobodys").get("paths", ())]
    except (OSError, ValueError):
        return []
