"""The channel ``device.<name>``: whatever anybody in the house sends there goes out by the device.

While the link is up it is one more leg of the device. While it is down, what is durable goes straight into the outbox,
and of the rest `HELD` messages wait for at most `EXPIRY` seconds, as they would in the layer. Beyond, the channel is
full, until the first of them is over, and its sender is told (`edge.exceptions.ChannelFull`).
"""

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

from edge.asgi import Event, Receive, Scope, Send
from edge.errors import LocalProtocolError, Refused
from edge.layers.base import AttachableLayer, ChannelLayer
from edge.mailbox import Lane, Mailbox

logger = logging.getLogger("edge.runner")

LAYER_RETRY = 5.0  # seconds before a channel layer that failed is asked again
HELD = 100  # messages that wait for the link, the channel layer's own capacity
EXPIRY = 60.0  # seconds that they wait, the channel layer's own expiry


class DeviceChannel:
    """One device's channel, for as long as its runner lives."""

    def __init__(
        self,
        device: str,
        layer: ChannelLayer | None,
        *,
        keep: Callable[[Event], Awaitable[object]],
        call: Callable[[Event], Awaitable[None]],
    ) -> None:
        self.device = device
        self.layer = layer
        self.keep = keep  # puts a durable event into the outbox; raises LocalProtocolError
        self.call = call  # hands a request for a connection to the route that it is for
        self._held: deque[tuple[float, Event]] = deque()
        self._holding: asyncio.Task[None] | None = None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what others put on the channel, until the link is gone: an ASGI app."""
        mailbox = Mailbox.behind(receive)
        if mailbox is None or self.layer is None:
            return
        await self.stop_holding()
        let_go = self._attach(self.layer, mailbox)
        try:
            while self._held:
                when, event = self._held.popleft()
                if time.monotonic() - when < EXPIRY:
                    await self._send(scope["type"], send, event)
            await self._send_what_comes(mailbox, scope["type"], send)
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
                    await self._keep(event)
                    continue
                self._held.append((time.monotonic(), event))
                if len(self._held) >= HELD:
                    await asyncio.sleep(self._held[0][0] + EXPIRY - time.monotonic())
                while self._held and time.monotonic() - self._held[0][0] >= EXPIRY:
                    self._held.popleft()
        finally:
            let_go()
            self._held.extend((time.monotonic(), event) for event in mailbox.take_all())

    async def _keep(self, event: Event) -> None:
        try:
            await self.keep(event)
        except LocalProtocolError as error:
            logger.warning("%s: an event on the channel is not kept: %s", self.device, error)

    async def _send_what_comes(self, mailbox: Mailbox, scope_type: str, send: Send) -> None:
        while True:
            lane, event = await mailbox.next()
            if lane is Lane.LAYER:
                await self._send(scope_type, send, event)
            elif event["type"].endswith(".disconnect"):
                return

    async def _send(self, scope_type: str, send: Send, event: Event) -> None:
        """Send; what another's event has wrong is told to the log, and does not end the channel."""
        if event.get("type") == "ax25.call" == f"{scope_type}.call":
            await self.call(event)
            return
        if event.get("type") != f"{scope_type}.send":
            logger.warning("%s: the channel takes %s.send; got %r", self.device, scope_type, event.get("type"))
            return
        try:
            await send(event)
        except (LocalProtocolError, Refused) as error:
            logger.warning("%s: an event on the channel cannot be sent: %s", self.device, error)


async def _pump(layer: ChannelLayer, channel: str, mailbox: Mailbox) -> None:
    """Carry a third party's layer into the mailbox; while it is away the device lives on."""
    while True:
        try:
            await mailbox.put(await layer.receive(channel), Lane.LAYER)
        except Exception:  # whatever another's layer raises
            logger.exception("%s: the channel layer failed; asked again in %g s", channel, LAYER_RETRY)
            await asyncio.sleep(LAYER_RETRY)
