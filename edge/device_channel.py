"""The channel ``device.<name>``: whatever anybody in the house sends there goes out by the device.

While the link is up it is one more leg of the device. While it is down, what is durable goes straight into the outbox,
and of the rest `HELD` messages wait for at most `EXPIRY` seconds, as they would in the layer. Beyond, the channel is
full, until the first of them is over, and its sender is told (`edge.exceptions.ChannelFull`).

Who adds ``reply`` to an event, ``{"channel": …, "id": …}``, is told on that channel what became of it::

    {"type": "transmit.result", "id": …, "device": "vhf", "outcome": "sent", "reason": ""}

``outcome`` is "sent", "kept" (in the outbox, which sends it when it can), "refused" (by the gate), "invalid" (it cannot
be sent) or "lost" (the link was down for too long, or went meanwhile); ``reason`` says why in plain words.
"""

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from edge.asgi import Event, Receive, Scope, Send
from edge.errors import LinkLost, LocalProtocolError
from edge.layers.base import AttachableLayer, ChannelLayer
from edge.mailbox import Lane, Mailbox

logger = logging.getLogger("edge.runner")

LAYER_RETRY = 5.0  # seconds before a channel layer that failed is asked again
HELD = 100  # messages that wait for the link, the channel layer's own capacity
EXPIRY = 60.0  # seconds that they wait, the channel layer's own expiry
TOO_LONG = f"the device was down for more than {EXPIRY:g} s"


class DeviceChannel:
    """One device's channel, for as long as its runner lives."""

    def __init__(
        self,
        device: str,
        layer: ChannelLayer | None,
        *,
        keep: Callable[[Event], Awaitable[str]],
        transmit: Callable[[Event], Awaitable[str]],
        call: Callable[[Event], Awaitable[None]],
    ) -> None:
        self.device = device
        self.layer = layer
        self.keep = keep  # puts a durable event into the outbox; returns why it was refused; raises LocalProtocolError
        self.transmit = transmit  # sends by the gate; returns why it was refused; raises it too, and LinkLost
        self.call = call  # hands a request for a connection to the route that it is for
        self._held: deque[tuple[float, Event]] = deque()
        self._holding: asyncio.Task[None] | None = None
        self._keeping: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(HELD)

    async def serve(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Send what others put on the channel, until the link is gone: an ASGI app, but for what it sends by."""
        mailbox = Mailbox.behind(receive)
        if mailbox is None or self.layer is None:
            return
        await self.stop_holding()
        let_go = self._attach(self.layer, mailbox)
        try:
            while self._held:
                when, event = self._held.popleft()
                if time.monotonic() - when < EXPIRY:
                    await self._send(scope["type"], event)
                else:
                    await self._answer(event, "lost", TOO_LONG)
            await self._send_what_comes(mailbox, scope["type"])
        finally:
            let_go()

    def hold(self) -> None:
        """The link is down: take what comes meanwhile."""
        if self.layer is not None and self._holding is None:
            work = self._hold(self.layer)
            self._holding = asyncio.create_task(work, name=f"edge-device.{self.device}-held")

    async def stop_holding(self) -> None:
        """The link is up again, or the device ends."""
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.cancel()
            await asyncio.wait([holding])

    def _attach(self, layer: ChannelLayer, mailbox: Mailbox) -> Callable[[], object]:
        channel = f"device.{self.device}"
        if isinstance(layer, AttachableLayer):
            layer.attach(channel, mailbox)
            return functools.partial(layer.detach, channel)
        return asyncio.create_task(_pump(layer, channel, mailbox), name=f"edge-{channel}").cancel

    async def _hold(self, layer: ChannelLayer) -> None:
        mailbox = Mailbox()
        let_go = self._attach(layer, mailbox)
        try:
            while True:
                _, event = await mailbox.next()
                if event.get("durable"):
                    await self._begin_to_keep(event)
                    continue
                self._held.append((time.monotonic(), event))
                if len(self._held) >= HELD:
                    await asyncio.sleep(self._held[0][0] + EXPIRY - time.monotonic())
                while self._held and time.monotonic() - self._held[0][0] >= EXPIRY:
                    await self._answer(self._held.popleft()[1], "lost", TOO_LONG)
        finally:
            let_go()
            self._held.extend((time.monotonic(), event) for event in mailbox.take_all())

    async def _begin_to_keep(self, event: Event) -> None:
        """Put an event into the outbox without waiting for the disk: those that follow share its commit."""
        await self._room.acquire()
        task = asyncio.create_task(self._keep(event), name=f"edge-device.{self.device}-keep")
        self._keeping.add(task)  # tasks begin in the order in which they are made, so order is kept
        task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._keeping.discard(task)
        self._room.release()

    async def _keep(self, event: Event) -> None:
        reply = event.pop("reply", None)
        try:
            refusal = await self.keep(event)
        except LocalProtocolError as error:
            logger.warning("%s: an event on the channel is not kept: %s", self.device, error)
            await self._answer({"reply": reply}, "invalid", str(error))
        else:
            await self._answer({"reply": reply}, "refused" if refusal else "kept", refusal)

    async def _send_what_comes(self, mailbox: Mailbox, scope_type: str) -> None:
        while True:
            lane, event = await mailbox.next()
            if lane is Lane.LAYER:
                await self._send(scope_type, event)
            elif event["type"].endswith(".disconnect"):
                return

    async def _send(self, scope_type: str, event: Event) -> None:
        """Send; what another's event has wrong is told to the log, and does not end the channel."""
        if event.get("type") == "ax25.call" == f"{scope_type}.call":
            await self.call(event)
        elif event.get("type") != f"{scope_type}.send":
            problem = f"the channel takes {scope_type}.send; got {event.get('type')!r}"
            logger.warning("%s: %s", self.device, problem)
            await self._answer(event, "invalid", problem)
        elif event.get("durable"):
            await self._begin_to_keep(event)
        else:
            await self._transmit(event)

    async def _transmit(self, event: Event) -> None:
        asked = {"reply": event.pop("reply", None)}
        try:
            refusal = await self.transmit(event)
        except LocalProtocolError as error:
            logger.warning("%s: an event on the channel cannot be sent: %s", self.device, error)
            await self._answer(asked, "invalid", str(error))
        except LinkLost as error:
            await self._answer(asked, "lost", str(error))
            raise
        else:
            await self._answer(asked, "refused" if refusal else "sent", refusal)

    async def _answer(self, event: Event, outcome: str, reason: str) -> None:
        """Tell who asked for it what became of an event; one that cannot be told goes without."""
        reply = event.get("reply")
        if not isinstance(reply, Mapping) or self.layer is None:
            return
        id_ = reply.get("id", "")
        result = {"type": "transmit.result", "id": id_, "device": self.device, "outcome": outcome, "reason": reason}
        try:
            await self.layer.send(str(reply.get("channel", "")), result)
        except Exception as error:  # noqa: BLE001  (whatever another's layer raises, or a channel that is none)
            logger.warning("%s: nobody could be told that it was %s: %s", self.device, outcome, error)


async def _pump(layer: ChannelLayer, channel: str, mailbox: Mailbox) -> None:
    """Carry a third party's layer into the mailbox; while it is away the device lives on."""
    while True:
        try:
            await mailbox.put(await layer.receive(channel), Lane.LAYER)
        except Exception:  # whatever another's layer raises
            logger.exception("%s: the channel layer failed; asked again in %g s", channel, LAYER_RETRY)
            await asyncio.sleep(LAYER_RETRY)
