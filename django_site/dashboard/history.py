"""The last packets, from the history, as the live page shows them."""

from django.db import DatabaseError

from django_site.dashboard.lines import Line
from django_site.stations.models import Packet


def last_lines(count: int) -> list[Line]:
    """Return the last ``count`` packets, oldest first; none where the history cannot be read: the page comes up."""
    try:
        newest = list(Packet.objects.defer("info").order_by("-pk")[:count])
    except DatabaseError:
        return []
    return [line_of(packet) for packet in reversed(newest)]


def line_of(packet: Packet) -> Line:
    """Return a recorded packet as a line."""
    return Line(
        time=packet.time.timestamp(),
        device=packet.device,
        direction=packet.direction,
        source=packet.source,
        destination=packet.destination,
        via=packet.via,
        format=packet.format,
        text=packet.summary,
    )
