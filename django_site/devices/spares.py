"""Spares: an adapter that is nobody's takes the place of a device's own that is missing, where the device says so.

The device keeps its name, its options, its routes and whether it may transmit; its link is what changes, in its row,
for everybody to see. So a box in the field goes on when somebody plugs the spare TNC in.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import close_old_connections, connections

from django_site.devices.adopting import plugged
from django_site.devices.models import Device
from edge.errors import ConfigError
from edge.usb import UsbLink

Ports = Iterable[Mapping[str, Any]]  # of `transports.survey`


def take_spares() -> list[str]:
    """Give each device that misses its port the spare that fits, and say so, a sentence each. In a thread."""
    close_old_connections()
    try:
        rows = list(Device.objects.exclude(spare=Device.Spare.NEVER).filter(enabled=True))
        ports = plugged() if rows else []
        return [_take(row, port) for row, port in choose(rows, ports)]
    finally:
        connections.close_all()


def choose(rows: Iterable[Device], ports: Ports) -> list[tuple[Device, Mapping[str, Any]]]:
    """Choose a spare for each device that misses its port. Pure.

    Only where there is no choice: exactly one port fits that is nobody's and can be opened, and no other device that
    misses its own could have it too.
    """
    there = {port["device"] for port in ports}
    wishes = [(row, [port for port in ports if _fits(row, port)]) for row in rows if row.name not in there]
    chosen = [(row, found[0]) for row, found in wishes if len(found) == 1]
    links = [found["link"] for _, fitting in wishes for found in fitting]
    return [(row, port) for row, port in chosen if links.count(port["link"]) == 1]


def _fits(row: Device, port: Mapping[str, Any]) -> bool:
    if port["device"] or port["problem"] or port["vendor"] is None:
        return False
    if row.spare == Device.Spare.PROFILE:
        return row.options.get("profile") in [fit["profile"] for fit in port["fits"]]
    try:
        own = UsbLink.parse(row.link)
    except ConfigError:
        return False  # a link by node says nothing of its make
    return row.spare == Device.Spare.SAME and (own.vendor, own.product) == (port["vendor"], port["product"])


def _take(row: Device, port: Mapping[str, Any]) -> str:
    before, row.link = row.link, port["link"]
    row.save(update_fields=["link"])
    return f"{row.name}: {port['link']} takes the place of {before}, which is missing"
