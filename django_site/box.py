"""The composition root: the supervisor, the log of packets, the tap and the control socket, in one process.

`Box.start` never fails because of a device, a broker or a row: the page must be there to say what is wrong. It fails
only if another process already runs the devices of this data folder.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connections

from django_site import caretaker, clock, control, far_box, tls
from django_site.pages_alone import Pages
from django_site.tables import bring_tables_up_to_date
from edge import __version__, outbox
from edge.asgi import Event, Receive, Scope, Send
from edge.desired import Desired
from edge.drops import DropLog
from edge.errors import ConfigError
from edge.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer
from edge.mailbox import Mailbox
from edge.outbox_store import StoreError
from edge.registry import import_string
from edge.status import BOX, DeviceStatus
from edge.supervisor import Supervisor
from edge.systemd import Progress

__all__ = ["Box", "bring_tables_up_to_date", "current", "lifespan", "rows_changed"]

logger = logging.getLogger("django_site.box")

STATUS_INTERVAL = 2.0  # seconds between looks at the counters, while somebody watches
STATUS_PAUSE = 0.2  # seconds after a change, so that a burst of changes is told once
SPARE_AFTER = 10.0  # seconds after a plug, for somebody may be changing sockets
RETRY_ROWS = 5.0  # seconds before rows that could not be read are read again
FIRST_ROWS = 30.0  # seconds that the pages wait for the rows: a consumer's import that hangs does not keep them away
TURN = 5.0  # seconds after which a loop with nothing to do turns, to show that it can
HUNG = 60.0  # seconds without a turn, after which a loop hangs: devices may take 10 to stop, a migration longer
STOP_TIMEOUT = 10.0  # seconds for everything to end

_current: "Box | None" = None


def current() -> "Box | None":
    """Return the box that runs in this process, if one does."""
    return _current


def rows_changed() -> None:
    """Take note that devices or routes changed: from any thread, any process; never raises."""
    box = current()
    if box is not None:
        box.reload()
        return
    far_box.forget()
    try:
        control.request(control.socket_path(settings.DATA), "POST", "/reload")
    except (OSError, ValueError):
        logger.debug("no box runs on this data folder; the change waits for one")


class Box:
    """Everything that runs beside the pages. Made and used on the loop; `status` and `reload` from any thread."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.started = time.time()
        self.progress = Progress()
        self.notices: list[str] = []  # what a person should know of this start, until the next
        self.problem = ""  # what keeps the rows from being read, in plain words
        layer = get_channel_layer()
        if layer is None:
            raise ConfigError("CHANNEL_LAYERS has no 'default' layer; the devices and the pages meet on it")
        self.layer = layer
        self.outbox = _outbox()
        self.supervisor = Supervisor(
            layer=self.layer, observe=self._observe, on_change=self._status_changed, outbox=self.outbox
        )
        self.outbox.guard = self.supervisor.check_durable
        self.packets = import_string("django_site.stations.recorder:PacketLog")()
        self.ports = import_string("transports.hotplug:Watcher")(self._ports_changed)
        self.control = control.ControlServer(self)
        self.taps: set[Mailbox] = set()  # of the command line: told whatever the layer does
        self._own_topics = getattr(layer, "own_topics", "")  # of a layer by a broker, which may be a device too
        self._tap = Mailbox()
        self._untold = DropLog(logger, "the box's channel layer")
        self._loop = asyncio.get_running_loop()
        self._reload = asyncio.Event()
        self._rows_read = asyncio.Event()
        self._status_due = asyncio.Event()
        self._ports_due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._lock: TextIOWrapper | None = None
        self._files: TextIOWrapper | None = None

    async def start(self) -> None:
        """Start everything. Raises ConfigError where another process runs the devices of this data folder."""
        global _current  # noqa: PLW0603  (one box a process is what a box is)
        self._lock = _lock(self.data)
        self._files, self.notices = await asyncio.to_thread(caretaker.take_files, self.data)
        _current = self
        outbox.use(self.outbox)
        for name, work in (
            ("rows", self._follow_rows()),
            ("tap", self._publish_tap()),
            ("status", self._publish_status()),
            ("packets", self.packets.run()),
            ("ports", self.ports.run()),
            ("spares", self._follow_spares()),
        ):
            self._tasks.append(asyncio.create_task(work, name=f"edge-box-{name}"))
        await self.control.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rows_read.wait(), FIRST_ROWS)

    async def stop(self) -> None:
        """Stop everything, each within its own limit."""
        global _current  # noqa: PLW0603  (as above)
        await self.control.stop()
        await _end(self._tasks[:1])  # the rows: what hangs while they are brought about must not keep us from stopping
        await self.supervisor.stop()
        outbox.use(None)
        await self.outbox.close()
        await _end(self._tasks[1:])
        if isinstance(self.layer, BaseChannelLayer):
            await self.layer.close()
        for held in (self._files, self._lock):
            if held is not None:
                held.close()
        _current = None

    def reload(self) -> None:
        """Read the rows again and bring what runs to what they say."""
        self._loop.call_soon_threadsafe(self._reload.set)

    def status(self) -> tuple[DeviceStatus, ...]:
        """Return each device's state."""
        return self.supervisor.status()

    def about(self) -> dict[str, Any]:
        """Return what the box says of itself, as plain values."""
        counts = self.outbox.counts()
        stray = outbox.waiting_for((device.name for device in self.status()), counts)
        told = (self.problem, self.packets.problem, self.outbox.problem, getattr(self.layer, "problem", ""))
        problems = [*filter(None, told), *self.notices, *tls.problems(), *stray]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": self.started,
            "problems": problems,
            "clock_trusted": clock.trusted(),
            "ports": self.ports.words,
        }

    def _ports_changed(self, gone: list[Any], come: list[Any]) -> None:
        """Let those try again whose port may have come; `transports.hotplug` has let go of what went."""
        del gone
        self._ports_due.set()
        if come:
            self.supervisor.wake_ports()

    async def _follow_spares(self) -> None:
        """Let spares take the place of what is missing, a while after something was plugged in or pulled out."""
        while True:
            await self._ports_due.wait()
            await asyncio.sleep(SPARE_AFTER)
            self._ports_due.clear()
            try:
                for words in await asyncio.to_thread(import_string("django_site.devices.spares:take_spares")):
                    logger.warning("%s", words)
            except Exception:  # a database that cannot be read is told elsewhere, and tried again at the next plug
                logger.exception("spares cannot be looked for")

    async def _read_rows(self) -> None:
        try:
            desired = await asyncio.to_thread(_load_desired)
        except Exception as error:  # the page must come up to say so, whatever the database did
            self.problem = f"the configuration cannot be read: {type(error).__name__}: {error}"
            logger.exception("the configuration cannot be read; trying again in %g s", RETRY_ROWS)
            self._loop.call_later(RETRY_ROWS, self._reload.set)
            return
        self.problem = ""
        await self._follow_outbox()
        import_string("transports.links:want")(device.link for device in desired.devices if device.enabled)
        await self.supervisor.apply(desired)

    async def _follow_outbox(self) -> None:
        """Open the outbox once its table is there, before the devices begin; then follow what a person did to it."""
        try:
            await (self.outbox.refresh() if self.outbox.opened else self.outbox.open())
        except StoreError as error:
            self.outbox.problem = f"the outbox cannot be read: {error}"
            logger.error("%s; trying again in %g s", self.outbox.problem, RETRY_ROWS)  # noqa: TRY400  (words suffice)
            self._loop.call_later(RETRY_ROWS, self._reload.set)

    async def _follow_rows(self) -> None:
        self.progress.beat("the supervisor", HUNG)
        await self._read_rows()
        self._rows_read.set()
        while True:
            self.progress.beat("the supervisor", HUNG)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload.wait(), TURN)
                self._reload.clear()
                await self._read_rows()

    def _observe(self, device: str, direction: str, event: Event, reason: str) -> None:
        """Hand an event to the log and to whoever watches; on the hot path, so nothing here waits."""
        if self._own_topics and str(event.get("topic", "")).startswith(self._own_topics):
            return
        self.packets.add(device, direction, event)
        watched = self._watched("tap")
        if not watched and not self.taps:
            return
        message = {"type": "tap.event", "device": device, "direction": direction, "event": event, "reason": reason}
        for tap in self.taps:
            tap.push(message)
        if watched:
            self._tap.push(message)

    async def _publish_tap(self) -> None:
        while True:
            await self._tell("tap", dict(await self._tap.receive()))

    def _status_changed(self) -> None:
        self._status_due.set()

    async def _publish_status(self) -> None:
        while True:
            self.progress.beat("the status", HUNG)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._status_due.wait(), STATUS_INTERVAL)
            self._status_due.clear()
            if self._watched("status"):
                devices = [device.as_dict() for device in self.status()]
                await self._tell("status", {"type": "status.changed", "box": BOX, "devices": devices})
                await asyncio.sleep(STATUS_PAUSE)

    async def _tell(self, group: str, message: dict[str, Any]) -> None:
        """Tell a group; a layer that is away must not end the box."""
        try:
            await self.layer.group_send(group, message)
        except Exception as error:  # noqa: BLE001  (whatever a layer raises, a third party's too)
            logger.debug("the channel layer did not take a message for %s: %s", group, error)
            self._untold.count(1, f"{group} ({error})")

    def _watched(self, group: str) -> bool:
        """Tell whether a group has members; a layer that cannot say is always sent to."""
        return not isinstance(self.layer, InMemoryChannelLayer) or group in self.layer.groups


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_TIMEOUT)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Run the box for as long as the server runs: the ``lifespan`` app of `django_site.asgi`."""
    del scope
    await receive()
    box = Box(settings.DATA)
    part: Box | Pages = box
    try:
        await box.start()
    except ConfigError as error:
        # One of several workers, or a second server: the pages work, the devices are the other process's.
        logger.warning("the devices are not run here: %s", error)
        part = Pages(settings.DATA, box.layer)
        await part.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await part.stop()
    await send({"type": "lifespan.shutdown.complete"})


def _outbox() -> outbox.Outbox:
    bounds = outbox.Bounds(
        device_entries=settings.OUTBOX_ENTRIES,
        device_bytes=settings.OUTBOX_BYTES,
        entries=5 * settings.OUTBOX_ENTRIES,
        bytes=2 * settings.OUTBOX_BYTES,
        drop_oldest=settings.OUTBOX_DROP_OLDEST,
    )
    return outbox.Outbox(import_string("django_site.outbox.store:TableStore")(), bounds)


def _load_desired() -> Desired:
    """Bring the tables up to date and read the rows; in a thread."""
    close_old_connections()
    try:
        bring_tables_up_to_date()
        desired: Desired = import_string("django_site.devices.wishes:desired")()
        caretaker.keep_copy()
        return desired
    finally:
        connections.close_all()


def _lock(data: Path) -> TextIOWrapper:
    """Make sure that one process runs the devices of a data folder; the lock goes with the process, however it ends."""
    file = (data / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise ConfigError(
            f"{holder} runs the devices of {data} already; stop it, or use another data folder (--data)"
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file
