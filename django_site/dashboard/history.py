"""The last packets as the live page shows them: from the history, and what is on its way there."""

from django.db import DatabaseError

from django_site import box, far_box
from django_site.dashboard.lines import Line
from django_site.stations.models import Packet


def newest_lines(count: int) -> list[Line]:
    """Return the last ``count`` packets, oldest first, those included that are not in the database yet. In a thread.

    What waits is looked at first: a batch that is written in between is then seen twice, and not missed.
    """
    running = box.current()
    waiting = running.packets.unwritten(count) if running else _unwritten_there(count)
    stored = last_lines(count)
    known = {_identity(line) for line in stored}
    return [*stored, *(line for line in waiting if _identity(line) not in known)][-count:]


def _unwritten_there(count: int) -> list[Line]:
    """Ask the devices' process, where it is another one; fields that a version of its own has are passed over."""
    if far_box.look().absent:
        return []
    try:
        lines = far_box.ask("POST", "/unwritten", {"count": count})["lines"]
        return [Line(**{name: line[name] for name in Line.__slots__ if name in line}) for line in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # the history has them in a moment


def _identity(line: Line) -> tuple[object, ...]:
    """What makes two lines the same packet; the database rounds times to microseconds."""
    return (round(line.time, 3), line.device, line.direction, line.source, line.via, line.text)


def last_lines(count: int) -> list[Line]:
    """Return the last ``count`` packets of the history, oldest first; none where it cannot be read."""
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
