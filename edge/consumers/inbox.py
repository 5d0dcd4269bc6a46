"""What one consumer hears: its server's events and the channel layer's messages, as one stream.

Under our own transports both come in the transport's mailbox. Under any other ASGI server the consumer awaits the
server's ``receive`` itself, until its channel is opened; from then on a mailbox stands in between, and how the
server's events get there depends on the server:

* uvicorn's ``receive`` waits for a future and nothing else, so the consumer's own task goes on with it by hand, one
  event ahead, and waits for that future and for the mailbox at once. No second task is needed.
* Whatever stands around a ``receive`` (a middleware's timeouts, a cancel scope) may need a task to itself, so
  everything else is read by a pump task.

A third party's channel layer has a pump task too; ours puts its messages into the mailbox itself.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from edge.asgi import Event, Receive
from edge.errors import LinkLost
from edge.layers import AttachableLayer, ChannelLayer
from edge.mailbox import LAYER, TRANSPORT, Lane, Mailbox
from edge.receipts import Acknowledged, Receipt
from edge.spec import CloseCode

logger = logging.getLogger("edge.consumers")

LAYER_RETRY = 1.0  # seconds before a third party's layer that failed is asked again
READ_AHEAD = 16  # events taken from a foreign server ahead of their turn; it has a buffer of its own
STEPPED = ("uvicorn.protocols.",)  # modules of servers whose ``receive`` waits for a future and nothing else

Restore = Callable[[], Awaitable[bool]]  # joins the groups again; True where the consumer wants to hear of it


class Inbox:
    """Made with each connection. ``mailbox`` is None while the consumer may await the server itself (`listen`)."""

    __slots__ = ("_heard", "_hearing", "_receive", "_scope_type", "_tasks", "_waits_for", "listening", "mailbox")

    def __init__(self, receive: Receive, scope_type: str) -> None:
        self.mailbox = Mailbox.behind(receive)
        self.listening = False  # to a foreign server, which must not be asked twice at once
        self._receive = receive
        self._scope_type = scope_type
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing: Coroutine[Any, Any, Event] | None = None  # the server's ``receive``, in mid-way
        self._waits_for: asyncio.Future[Any] | None = None  # and what for
        self._heard = True  # nothing of the server is to be read here

    async def listen(self) -> Event:
        """Await a foreign server's next event. Raises LinkLost where the server says so in its own way."""
        self.listening = True
        try:
            return await self._receive()
        except LinkLost:
            raise
        except OSError as error:
            raise LinkLost(f"the peer is gone: {error}") from error
        finally:
            self.listening = False

    async def next(self) -> Event:
        """Return the next event or message, whichever way it comes."""
        if self.mailbox is None:
            return await self.listen()
        while (found := self.mailbox.take()) is None:
            await self.wait(self.mailbox)
        return found[1]

    async def wait(self, mailbox: Mailbox) -> None:
        """Wait until there may be something to take from the mailbox."""
        if not self._heard:
            self._hear(mailbox)
        await mailbox.wait()

    def open(self, layer: ChannelLayer | None, channel: str, restore: Restore) -> None:
        """Let the layer's messages for this channel in; on the loop, and while nobody listens to the server."""
        if self.mailbox is None:
            self.buffer()
            if _may_be_stepped(self._receive):
                self._heard = False
            else:
                self.start(self.pump(), "edge-consumer-pump")
        mailbox = self.mailbox
        assert mailbox is not None  # buffer() made it
        if isinstance(layer, AttachableLayer):
            layer.attach(channel, mailbox)
        elif layer is not None:
            self.start(_pump_layer(layer, channel, mailbox, restore), "edge-consumer-layer")

    def buffer(self) -> Mailbox:
        """Put a mailbox between a foreign server and the consumer; somebody has to `pump`."""
        self.mailbox = mailbox = Mailbox(transport_capacity=READ_AHEAD)
        return mailbox

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Start a task that `stop` ends."""
        self._tasks.append(asyncio.create_task(work, name=name))

    async def pump(self) -> None:
        """Carry what a foreign server has into the mailbox at the consumer's pace, which is the peer's backpressure."""
        mailbox = self.mailbox
        while mailbox is not None:
            try:
                event = await self._receive()
            except Exception as error:  # noqa: BLE001  (told apart there)
                event = self._broken(error)
            if event["type"].endswith(".disconnect"):
                mailbox.close(event)
                return
            await (_deliver_and_wait if _is_waited_for(event) else _deliver_heard)(mailbox, event)

    def stop(self) -> "list[asyncio.Task[None]]":
        """Hear nothing more; return the tasks that end now."""
        self._heard = True
        if self._hearing is not None:
            self._hearing.close()
            self._hearing = None
        for task in self._tasks:
            task.cancel()
        return self._tasks

    def _hear(self, mailbox: Mailbox) -> None:
        """Go on with the server's ``receive`` until it has to wait, or has given an event."""
        while not mailbox.waiting(TRANSPORT) and not mailbox.closed:
            if self._waits_for is not None and not self._waits_for.done():
                return
            if self._hearing is None:
                self._hearing = self._receive()  # type: ignore[assignment]  # `_may_be_stepped` has looked
            try:
                self._waits_for = waits_for = self._hearing.send(None)  # type: ignore[union-attr]  # made above
            except StopIteration as heard:
                self._put(mailbox, heard.value)
            except Exception as error:  # noqa: BLE001  (told apart there)
                self._put(mailbox, self._broken(error))
            else:
                _call_when_done(waits_for, mailbox.stir)
                return

    def _put(self, mailbox: Mailbox, event: Event) -> None:
        self._hearing = self._waits_for = None
        if event["type"].endswith(".disconnect"):
            self._heard = True
            mailbox.close(event)
        else:
            mailbox.offer(event)

    def _broken(self, error: Exception) -> Event:
        """Return the last event of a server whose ``receive`` failed."""
        reason = f"the peer is gone: {error}"
        if not isinstance(error, OSError):
            logger.error("the server's receive failed", exc_info=error)
            reason = f"{type(error).__name__}: {error}"
        return {"type": f"{self._scope_type}.disconnect", "code": int(CloseCode.LINK_LOST), "reason": reason}


def _call_when_done(future: "asyncio.Future[Any] | None", callback: Callable[[object], None]) -> None:
    """Do what a task does with the future that its coroutine waits for; with None it only gives way for a turn."""
    if future is None:
        asyncio.get_running_loop().call_soon(callback, None)
        return
    future._asyncio_future_blocking = False  # noqa: SLF001  (the mark that it was awaited, for a task to take off)
    future.add_done_callback(callback)


def _may_be_stepped(receive: Receive) -> bool:
    """Whether nothing but a future is waited for in there: a server's own method, with nothing around it."""
    return inspect.ismethod(receive) and inspect.iscoroutinefunction(receive) and receive.__module__.startswith(STEPPED)


async def _pump_layer(layer: ChannelLayer, channel: str, mailbox: Mailbox, restore: Restore) -> None:
    """Carry what a third party's layer has for us into the mailbox. While it is away the consumer lives on."""
    while True:
        try:
            message = await layer.receive(channel)
        except Exception:
            logger.exception("the channel layer failed; asked again later")
            if await _restored(restore):
                await _deliver(mailbox, {"type": "layer.restored"}, LAYER)
        else:
            await _deliver(mailbox, message, LAYER)


async def _restored(restore: Restore) -> bool:
    """Wait until a layer that failed takes us back; tell whether the consumer wants to know."""
    while True:
        await asyncio.sleep(LAYER_RETRY)
        try:
            return await restore()
        except Exception as error:  # noqa: BLE001  (whatever a third party's layer raises: it is not back yet)
            logger.debug("the channel layer is still away: %s", error)


def _is_waited_for(event: Event) -> bool:
    """Whether a sender wants to know that it was handled; a middleware may have made a plain dictionary of it."""
    return type(event) is Acknowledged or (event["type"] == "mqtt.receive" and bool(event.get("qos")))


async def _deliver_heard(mailbox: Mailbox, event: Event) -> None:
    await _deliver(mailbox, event, TRANSPORT)


async def _deliver_and_wait(mailbox: Mailbox, event: Event) -> None:
    """Deliver, and wait until it was handled: to ask for the next one is to say so (`edge.receipts`).

    So what its consumer raises on is still with its sender, and comes again.
    """
    handled = asyncio.Event()
    await _deliver(mailbox, Acknowledged(event, Receipt(handled.set)), TRANSPORT)
    await handled.wait()


async def _deliver(mailbox: Mailbox, message: Event, lane: Lane) -> None:
    """Put into a mailbox, waiting however long its reader takes; given up where it is closed."""
    while not mailbox.offer(message, lane) and not mailbox.closed:
        await mailbox.room(lane, patient=True)
