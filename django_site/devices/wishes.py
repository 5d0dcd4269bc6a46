"""All rows as one frozen value, for the supervisor. Checks nothing; `edge.desired` does."""

from django_site.devices.models import Device, Route
from edge.desired import Desired


def desired() -> Desired:
    """Compile all rows, of what is enabled and what is not. Two queries; call it from a thread, never from the loop."""
    devices = tuple(device.wish() for device in Device.objects.all())
    routes = tuple(route.wish() for route in Route.objects.select_related("device"))
    return Desired(devices=devices, routes=routes)
