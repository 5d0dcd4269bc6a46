"""What the devices do now, read from the box that runs in this process, if one does."""

from django_site import box
from django_site.devices.models import Device
from edge.registry import import_string
from edge.status import DeviceStatus


def statuses() -> dict[str, DeviceStatus]:
    """Return each running device's status by name; nothing where no box runs in this process."""
    running = box.current()
    return {status.name: status for status in running.status()} if running else {}


def problems() -> list[str]:
    """List what keeps the box as a whole from its work, in plain words: rows or a history that cannot be used."""
    running = box.current()
    return list(running.about()["problems"]) if running else []


def nobodys() -> list[str]:
    """Name the USB ports that are plugged in and no device's, as the box saw them last."""
    running = box.current()
    if running is None or not running.ports.ports:
        return []
    links = list(Device.objects.values_list("link", flat=True))
    found: list[str] = import_string("transports.survey:nobodys")(running.ports.ports, links)
    return found
