"""Work for consumers on named channels, beside those who ask for it: Django Channels' ``runworker``.

    application = ProtocolTypeRouter({"channel": ChannelNameRouter({"thumbnails": Thumbnails.as_asgi()}), …})

    await channel_layer.send("thumbnails", {"type": "make", "id": 7})    # from anywhere
    edge worker thumbnails                                               # makes them: Thumbnails.make(event)

The scope is ``{"type": "channel", "channel": name}``. Each channel has one instance of its app, which does one job
after another, and nobody to `send` to.

**Jobs wait in the layer**, which bounds them: a job is taken when the one before is done, so what this worker has not
begun another one can take, and a stop loses nothing that had not begun. Delivery is at most once, as of all the layer's
messages.

**A job that fails loses only itself.** It is logged with its trace, and the next one gets a new instance. A message
that is no job (no ``type``, or one with a leading underscore) is refused and logged. While the layer fails it is asked
again, after longer and longer waits.
"""

import asyncio
import logging
import random
import signal
from collections.abc import Collection, Sequence
from typing import Any

from edge.asgi import App, Event
from edge.backoff import Backoff
from edge.errors import ConfigError, LocalProtocolError
from edge.layers import BaseChannelLayer, ChannelLayer, InMemoryChannelLayer
from edge.mailbox import Mailbox
from edge.routing import ChannelNameRouter, ProtocolTypeRouter

__all__ = ["Worker", "require_route", "require_shared"]

logger = logging.getLogger("edge.worker")

STOP_TIMEOUT = 10.0  # seconds that the jobs at hand have when the worker is told to stop
CUT_TIMEOUT = 6.0  # seconds for what was cut off then; a consumer's disconnect() may take five of them
SHOWN = 200  # characters of a refused message in the log


class Worker:
    """Runs an application for some channels of a layer, with Channels' names.

    `run` is for a process of its own, `handle` for a task; either ends after `stop`. ``max_applications`` is Channels',
    and of no use here: there are as many as there are channels.
    """

    def __init__(
        self,
        application: App,
        channels: Sequence[str],
        channel_layer: ChannelLayer | None,
        max_applications: int = 1000,  # noqa: ARG002  (Channels' signature)
        *,
        stop_timeout: float = STOP_TIMEOUT,
    ) -> None:
        if channel_layer is None:
            raise ValueError("Channel layer is not valid")
        self.application = application
        self.channels = list(dict.fromkeys(channels))
        self.channel_layer = channel_layer
        self.stop_timeout = stop_timeout
        self._stopping = asyncio.Event()
        self._desks = [_Desk(application, channel, channel_layer) for channel in self.channels]

    @property
    def failed(self) -> int:
        """How many jobs raised."""
        return sum(desk.failed for desk in self._desks)

    @property
    def refused(self) -> int:
        """How many messages were no job."""
        return sum(desk.refused for desk in self._desks)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then finish the jobs at hand; the second signal kills."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Take no more jobs; `handle` returns when those at hand are done, or cut off after ``stop_timeout``."""
        self._stopping.set()

    async def handle(self) -> None:
        """Work until `stop`. Cancelled, it cuts the jobs at hand off."""
        listeners = [asyncio.create_task(desk.listen(), name=f"worker {desk.channel}") for desk in self._desks]
        stopping = asyncio.create_task(self._stopping.wait(), name="worker stop")
        try:
            await asyncio.wait({*listeners, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await _cancel(listeners)
            await self._finish()
            for listener in listeners:
                if listener.done() and not listener.cancelled():  # redis-py may swallow a cancellation, and go on
                    listener.result()  # it never returns, so this raises
        finally:
            await _cancel([stopping, *listeners, *(task for desk in self._desks for task in desk.tasks)])

    async def _finish(self) -> None:
        busy = [asyncio.create_task(desk.done.wait(), name="worker finish") for desk in self._desks]
        if not busy:
            return
        _, late = await asyncio.wait(busy, timeout=self.stop_timeout)
        await _cancel(late)
        for desk in self._desks:
            if not desk.done.is_set():
                logger.warning("%s: a job did not end within %g s and is cut off", desk.channel, self.stop_timeout)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()

        def told(number: int) -> None:
            loop.remove_signal_handler(number)
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told, number)
        logger.info("working on %s", ", ".join(self.channels))
        try:
            await self.handle()
        finally:
            await self._leave_layer()
        logger.info("stopped; %d jobs failed, %d messages were refused", self.failed, self.refused)

    async def _leave_layer(self) -> None:
        """Let a layer that wants to be closed hand on what it holds for other workers."""
        if isinstance(self.channel_layer, BaseChannelLayer):
            await self.channel_layer.close()


def require_shared(layer: ChannelLayer | None, alias: str) -> ChannelLayer:
    """Return a layer by which other processes can reach this one, or raise ConfigError that says what is missing."""
    if layer is None:
        raise ConfigError(f"there is no channel layer {alias!r}; name one of CHANNEL_LAYERS")
    if isinstance(layer, InMemoryChannelLayer):
        raise ConfigError(
            f"the channel layer {alias!r} is in the memory of one process, so no job can reach a worker in another; "
            "give CHANNEL_LAYERS a layer that processes share"
        )
    return layer


def require_route(application: App, channels: Sequence[str]) -> None:
    """Raise ConfigError where routers of ours have no app for a channel: each of its jobs would fail."""
    if isinstance(application, ProtocolTypeRouter):
        if "channel" not in application.application_mapping:
            raise ConfigError('the application has no "channel" in its ProtocolTypeRouter, and so nothing for a worker')
        application = application.application_mapping["channel"]
    if isinstance(application, ChannelNameRouter):
        known = application.application_mapping
        if unknown := [channel for channel in channels if channel not in known]:
            raise ConfigError(
                f"the ChannelNameRouter has no {', '.join(unknown)}; it has {', '.join(known) or 'nothing'}"
            )


class _Desk:
    """One channel: what is asked of it, the instance that does it, and whether that is at work."""

    def __init__(self, application: App, channel: str, layer: ChannelLayer) -> None:
        self.channel = channel
        self.failed = self.refused = 0
        self.done = asyncio.Event()
        self.done.set()
        self.tasks: set[asyncio.Task[None]] = set()  # one at most
        self._application = application
        self._layer = layer
        self._inbox = _Inbox(self.done)
        self._backoff = Backoff(random.Random())  # noqa: S311  (waits, not secrets)

    async def listen(self) -> None:
        """Take one job after another, for ever."""
        while True:
            await self.done.wait()
            job = await self._next()
            self.done.clear()
            if not self.tasks:
                self._begin()
            self._inbox.offer(job)

    async def _next(self) -> Event:
        while True:
            try:
                message = await self._layer.receive(self.channel)
            except Exception:
                wait = self._backoff.next_wait(was_up=0)
                logger.exception("%s: the channel layer failed; asked again in %.1f s", self.channel, wait)
                await asyncio.sleep(wait)
                continue
            self._backoff.failures = 0
            if _is_job(message):
                return message
            self.refused += 1
            logger.error(
                "%s: a message was refused, for its type says nothing: %s", self.channel, repr(message)[:SHOWN]
            )

    def _begin(self) -> None:
        self._inbox = _Inbox(self.done)
        task = asyncio.create_task(self._work(self._inbox), name=f"worker app {self.channel}")
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    async def _work(self, inbox: Mailbox) -> None:
        await self._application({"type": "channel", "channel": self.channel}, inbox.receive, self._send)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failed += 1
            logger.error("%s: a job failed; the next one gets a new instance", self.channel, exc_info=error)
        elif len(self._inbox):
            self.failed += 1
            logger.error("%s: a job was lost: the app ended without taking it", self.channel)
        self.done.set()

    async def _send(self, event: Event) -> None:
        raise LocalProtocolError(
            f"a worker has nobody to send {event.get('type')!r} to; "
            "answer through the channel layer, to a channel that the job names"
        )


class _Inbox(Mailbox):
    """A mailbox that tells when its reader wants more: then its last job is done."""

    def __init__(self, wanting: asyncio.Event) -> None:
        super().__init__()
        self._wanting = wanting

    async def wait(self) -> None:
        """Wait until there may be something to take, as every mailbox."""
        if not len(self):
            self._wanting.set()
        try:
            await super().wait()
        finally:
            self._wanting.clear()


def _is_job(message: object) -> bool:
    type_ = message.get("type") if isinstance(message, dict) else None
    return isinstance(type_, str) and type_ != "" and not type_.startswith(("_", "."))


async def _cancel(tasks: "Collection[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CUT_TIMEOUT)
