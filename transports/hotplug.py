"""What comes and what goes: serial ports that are plugged in and pulled out, told as it happens.

By udev's events, or by looking every `POLL` seconds where udev does not run, as in a container. An event says only that
it is time to look again: `transports.scan` looks, `transports.ports` finds what changed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from transports.links import let_go, open_nodes
from transports.ports import Port, changes
from transports.scan import BY_UDEV, new_context, scan, way

logger = logging.getLogger("transports.hotplug")

POLL = 1.0  # seconds between two looks where nobody tells of changes
SETTLED = 0.25  # seconds after an event until another look: the kernel tells of a removal before it is done
LOOK_AGAIN = 10.0  # seconds after which udev's ports are looked at unasked, should an event have been lost

# Called on the loop with what went and what came, in this order.
OnChange = Callable[[list[Port], list[Port]], None]


class Watcher:
    """Follows the ports for as long as `run` runs. Links of ports that went are let go before ``on_change`` is told."""

    def __init__(self, on_change: OnChange) -> None:
        self.on_change = on_change
        self.ports: tuple[Port, ...] = ()
        self.words = "not looked at yet"  # how ports are watched, for a person

    async def run(self) -> None:
        """Look, tell, wait for the next change; until cancelled."""
        with contextlib.ExitStack() as stack:
            due, pause = asyncio.Event(), POLL
            try:
                if await asyncio.to_thread(way) == BY_UDEV:
                    stack.enter_context(_events(await asyncio.to_thread(new_context), due))
                    pause, self.words = LOOK_AGAIN, "watched by udev's events"
                else:
                    self.words = f"looked at every {POLL:g} s, for udev does not run here (a container?)"
            except OSError as error:  # a sandbox that forbids netlink sockets
                self.words = f"looked at every {POLL:g} s, for udev's events cannot be had: {error}"
            logger.info("serial ports are %s", self.words)
            while True:
                await self._look()
                heard = due.is_set()
                due.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(due.wait(), SETTLED if heard else pause)

    async def _look(self) -> None:
        try:
            now, missing = await asyncio.to_thread(_look_at, open_nodes())
        except Exception:  # the fence: one strange device must not end the watch over all others
            logger.exception("the serial ports cannot be looked at")
            return
        gone, come = changes(self.ports, now)
        self.ports = now
        for port in gone:
            logger.info("%s went: %s", port.path, port.title)
        for node in {port.path for port in gone} | missing:
            let_go(node)
        for port in come:
            logger.info("%s came: %s", port.path, port.title)
        if gone or come:
            self.on_change(gone, come)


def _look_at(nodes: Iterable[str]) -> tuple[tuple[Port, ...], set[str]]:
    """Look for ports, and which of these nodes are no more: one may have come, been opened, and gone between looks."""
    return scan(), {node for node in nodes if not Path(node).exists()}


@contextlib.contextmanager
def _events(context: Any, due: asyncio.Event) -> Iterator[None]:
    """Set ``due`` whenever udev has dealt with a change of the ttys. OSError where that cannot be listened to."""
    import pyudev  # noqa: PLC0415  (`way` has found it)

    monitor = pyudev.Monitor.from_netlink(context, source="udev")
    monitor.filter_by("tty")
    monitor.start()

    def read() -> None:
        with contextlib.suppress(OSError):  # too many at once for the socket: then looking is all the more due
            while monitor.poll(timeout=0) is not None:
                pass
        due.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(monitor.fileno(), read)
    try:
        yield
    finally:
        loop.remove_reader(monitor.fileno())
