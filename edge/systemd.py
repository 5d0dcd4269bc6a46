"""What a service manager is told, and what it hands over: sd_notify(3) and sd_listen_fds(3) in a few lines.

Without systemd (no ``NOTIFY_SOCKET``, no ``LISTEN_FDS``) everything here does nothing, so callers need not ask.
The watchdog is fed by `keep_alive`, and only while whoever does the work says that it gets on: a service that hangs is
started again, one that merely waits is left alone.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
PINGS = 3  # pings in a watchdog's interval: one may come late
MICRO = 1_000_000

logger = logging.getLogger("edge.systemd")


class Progress:
    """When each of the loops that do the work was last seen to turn. What never began is not late. Not for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}

    def beat(self, name: str, within: float) -> None:
        """Take note that ``name`` gets on, and will say so again within so many seconds."""
        self._due[name] = self._clock() + within

    def late(self) -> list[str]:
        """Name those that should have said so again by now."""
        now = self._clock()
        return [name for name, due in self._due.items() if due < now]


def is_service() -> bool:
    """Tell whether a service manager started this process, and so starts it again when it ends."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(*lines: str) -> bool:
    """Tell the service manager: ``READY=1``, ``STATUS=…``, ``STOPPING=1``, ``WATCHDOG=1``. False where none listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(1.0)  # its queue may be full; better late than hung
            sock.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        logger.warning("the service manager cannot be told %s: %s", lines[0], error)
        return False
    return True


def watchdog_seconds() -> float | None:
    """Return within how long the service manager wants a ping, or None where it wants none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / MICRO if ours and microseconds.isdigit() and int(microseconds) else None


async def keep_alive(late: Callable[[], list[str]]) -> None:
    """Ping the watchdog for as long as nothing is ``late``; returns at once where there is no watchdog."""
    seconds = watchdog_seconds()
    if seconds is None:
        return
    told: list[str] = []
    while True:
        hung = late()
        if not hung:
            notify("WATCHDOG=1")
        elif hung != told:
            logger.error("%s hangs; unless that ends, the service manager starts the box again", ", ".join(hung))
        told = hung
        await asyncio.sleep(seconds / PINGS)


def listening_sockets() -> dict[str, list[socket.socket]]:
    """Take over the sockets that were opened for us, by the names that their units give them; once, at the start.

    The order of the descriptors is nobody's promise, so only names count. The variables go, so that no child takes
    the sockets for its own.
    """
    count, owner = os.environ.pop("LISTEN_FDS", ""), os.environ.pop("LISTEN_PID", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if owner != str(os.getpid()) or not count.isdigit():
        return {}
    found: dict[str, list[socket.socket]] = {}
    for offset in range(int(count)):
        os.set_inheritable(FIRST_DESCRIPTOR + offset, False)
        sock = socket.socket(fileno=FIRST_DESCRIPTOR + offset)
        sock.setblocking(False)
        found.setdefault(names[offset] if offset < len(names) else "unknown", []).append(sock)
    return found
