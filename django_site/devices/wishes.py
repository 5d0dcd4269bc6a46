"""All rows as one frozen value, for the supervisor. Checks nothing; `edge.desired` does."""

from django_site.devices.models import Device, Route
from edge.desired import Desired


def desired() -> Desired:
    """Compile all rows, of what is enabled and what is not. Two queries; call it from a thread, never from the loop."""
    # In the order in which they were made: of two that want one port, the newcomer is refused, whatever its name.
    devices = tuple(device.wish() for device in Device.objects.order_by("pk"))
    routes = tuple(route.wish() for route in Route.objects.select_related("device"))
    return Desired(devices=devices, routes=routes)
