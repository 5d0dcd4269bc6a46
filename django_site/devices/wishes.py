"""Rows to wishes: all devices and routes, compiled into one frozen `Desired`. Checks nothing; `edge.desired` does."""

from django_site.devices.models import Device, Route
from edge.desired import Desired, DeviceWish, RouteWish


def desired() -> Desired:
    """Compile all rows, of what is enabled and what is not. Two queries; call it from a thread, never from the loop."""
    devices = tuple(device_wish(device) for device in Device.objects.all())
    routes = tuple(route_wish(route) for route in Route.objects.select_related("device"))
    return Desired(devices=devices, routes=routes)


def device_wish(row: Device) -> DeviceWish:
    """Return what one row asks for."""
    return DeviceWish(
        name=row.name,
        kind=row.kind,
        link=row.link,
        options=row.options,
        transmit=row.transmit,
        enabled=row.enabled,
    )


def route_wish(row: Route) -> RouteWish:
    """Return what one row asks for. The row must have a device."""
    return RouteWish(
        device=row.device.name,
        consumer=row.consumer,
        match=row.match,
        options=row.options,
        enabled=row.enabled,
    )
