"""One device, kept running: opened, watched, opened again; its events counted, tapped, gated, handed to its routes.

The states are those of `edge.status.State`. Waiting is policy (`edge.backoff`); this is the one place that sleeps.

Around the routes stands what every device has: a tap on both directions, the transmit gate, and the channel
``device.<name>``, on which anybody in the process may send (`edge.layers`).
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from edge.asgi import Event, Receive, Scope, Send
from edge.backoff import Backoff
from edge.delivery import Delivery, Way
from edge.device_channel import DeviceChannel
from edge.drops import RefusalLog
from edge.errors import ConfigError, LinkLost, LocalProtocolError, Refused, RemoteProtocolError
from edge.fanout import FanOut, Leg
from edge.gate import Gate, Licence, is_connected_mode
from edge.layers.base import ChannelLayer
from edge.outbox import Outbox
from edge.outbox_events import LIFETIMES, OutboxRefused
from edge.registry import Device, Kind, Server
from edge.status import DeviceBoard, State

logger = logging.getLogger("edge.runner")

# Called on the loop with device, direction ("heard", "sent", "refused"), event, reason. Must not block, must not raise.
Observer = Callable[[str, str, Event, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """One device, checked and ready to run."""

    device: Device
    kind: Kind
    licence: Licence
    legs: tuple[Leg, ...]


class Runner:
    """Keeps one device running until it is cancelled."""

    def __init__(
        self,
        plan: DevicePlan,
        board: DeviceBoard,
        *,
        layer: ChannelLayer | None,
        observe: Observer,
        outbox: Outbox | None = None,
    ) -> None:
        self.plan = plan
        self.board = board
        self.layer = layer
        self.observe = observe
        self.outbox = outbox
        self.gate = Gate(plan.licence)
        self.channel = DeviceChannel(plan.device.name, layer, keep=self.keep, transmit=self.transmit, call=self._call)
        self.delivery: Delivery | None = None
        if outbox is not None and f"{plan.kind.scope_type}.send" in LIFETIMES:
            self.delivery = Delivery(plan.device.name, plan.licence.callsign, outbox)
            board.outbox = outbox.of(plan.device.name).counts
        self.fanout = FanOut(self._all_legs(plan.legs), self._note)
        self._refusals = RefusalLog(logger, plan.device.name)
        self._server: Server | None = None
        self._send: Send | None = None
        self._up_since: float | None = None
        self._wake = asyncio.Event()
        board.routes = self.fanout.status

    def update_legs(self, legs: tuple[Leg, ...]) -> None:
        """Take other routes without touching the link."""
        self.fanout.update(self._all_legs(legs))

    def wake(self) -> None:
        """Try at once, where the device waits or has failed: something was plugged in."""
        self._wake.set()

    async def transmit(self, event: Event) -> str:
        """Send one event from outside the routes; return why it was refused, or nothing. LinkLost where it is down."""
        if self._send is None:
            raise LinkLost(f"{self.plan.device.name} is not up: {self.board.text}")
        return await self._pass_gate(self._send, event)

    async def keep(self, event: Event) -> str:
        """Put an event into the outbox; return why the gate would never let it pass, or nothing once it is on disk.

        Raises `edge.outbox.OutboxRefused` where it is not kept.
        """
        if self.outbox is None:
            raise OutboxRefused(f"{self.plan.device.name} has no outbox here; send without durable")
        if refusal := self.standing_refusal(event):
            self._refuse(event, refusal)
            return refusal
        await self.outbox.put(self.plan.device.name, event)
        return ""

    def standing_refusal(self, event: Event) -> str:
        """Say why the event may never be sent by this device as it is set, or nothing."""
        return self.gate.standing_refusal(event) if self.plan.kind.radio else self._loop_problem(event)

    async def run(self) -> None:
        """Open, serve, wait, again; for ever. `farewell` says what the routes are told when this is cancelled."""
        try:
            if self.delivery is not None:
                self.channel.hold()
            await self._keep_open()
        finally:
            await self.channel.stop_holding()
            await self.fanout.stop()

    def farewell(self, code: int, reason: str) -> None:
        """Say why the device is about to be stopped."""
        self.fanout.farewell = (code, reason)

    async def _keep_open(self) -> None:
        backoff = Backoff(random.Random())  # noqa: S311  (jitter is no secret)
        while True:
            self.board.turn(State.STARTING, f"opening {self.plan.device.shown_link}")
            self._up_since = None
            self._wake.clear()  # before the attempt: what is plugged in while it fails calls for another at once
            reason = await self._serve_once()
            if reason is None:
                await self._wake.wait()  # failed: a person must act, and the change makes a new runner
                continue
            was_up = time.monotonic() - self._up_since if self._up_since is not None else 0.0
            wait = backoff.next_wait(was_up=was_up)
            self.board.turn(State.WAITING, f"{reason}; trying again in {max(wait, 1):.0f} s")
            logger.info("%s: %s; trying again in %.1f s", self.plan.device.name, reason, wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _serve_once(self) -> str | None:
        """Serve one link to its end; return why it ended, or None where trying again cannot help."""
        name = self.plan.device.name
        try:
            if self._server is None:
                self._server = self.plan.kind.build(self.plan.device)
                self.board.counters = self._server.counters
            await self._server.serve(self._app, self._on_up)
        except (LinkLost, RemoteProtocolError) as error:
            return str(error)
        except ConfigError as error:
            logger.error("%s: %s", name, error)  # noqa: TRY400  (the person's mistake needs words, not a trace)
            self.board.turn(State.FAILED, str(error))
            return None
        except Exception as error:  # the fence: a bug in one transport harms no other device
            logger.exception("%s: an error in the transport itself", name)
            return f"an error in the transport itself: {type(error).__name__}: {error}"
        return "the connection was closed"

    def _on_up(self) -> None:
        self._up_since = time.monotonic()
        self.board.turn(State.UP, "up")
        logger.info("%s: up", self.plan.device.name)

    def _all_legs(self, legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
        own = Leg(key="device channel", app=self.channel.serve, consumer="", hears=False)
        return (own, *legs)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app that the transport calls: the fan-out, between the tap and the gate."""
        self._send = send
        delivering = asyncio.create_task(self._deliver(send), name=f"edge-outbox-{self.plan.device.name}")
        try:
            await self.fanout(scope, receive, partial(self._gated, send))
        finally:
            self._send = None
            delivering.cancel()
            if self.delivery is not None:
                self.channel.hold()

    async def _gated(self, send: Send, event: Event) -> None:
        """Send what a route sends, where it may."""
        if event["type"].endswith(".called"):
            await self._tell_caller(event)
        elif not event["type"].endswith(".send"):
            await send(event)
        elif event.get("durable"):
            await self.keep(event)
        elif (refusal := await self._pass_gate(send, event)) and is_connected_mode(event):
            raise Refused(refusal)

    def _note(self, event: Event) -> None:
        """Count and show what was heard."""
        if "time" in event:
            self.board.hear(event["time"])
            if self.delivery is not None:
                self.delivery.hear(event)
            self.observe(self.plan.device.name, "heard", event, "")

    async def _deliver(self, send: Send) -> None:
        """Send what waits in the outbox, for as long as the link is up."""
        if self.delivery is None:
            return
        way = Way(
            never=self.standing_refusal,
            later=lambda event: self.gate.rate_refusal(event, time.monotonic()) if self.plan.kind.radio else "",
            transmit=lambda event: self._pass_gate(send, event),
        )
        try:
            await self.delivery.run(way)
        except Exception:  # the fence: the device lives on, and the outbox with its next link
            logger.exception("%s: an error in the outbox's delivery", self.plan.device.name)

    async def _pass_gate(self, send: Send, event: Event) -> str:
        name, now = self.plan.device.name, time.monotonic()
        refusal = self.gate.refusal(event, now) if self.plan.kind.radio else self._loop_problem(event)
        if refusal:
            self._refuse(event, refusal)
            return refusal
        self.gate.passed(event, now)
        try:
            await send(event)
        except LocalProtocolError:
            self.gate.take_back()
            raise
        self.board.sent += 1
        self.observe(name, "sent", event, "")
        return ""

    def _refuse(self, event: Event, refusal: str) -> None:
        self.board.refuse(refusal)
        self.observe(self.plan.device.name, "refused", event, refusal)
        self._refusals.count(refusal)

    def _loop_problem(self, event: Event) -> str:
        name = self.plan.device.name
        return f"it came from {name} itself; sending it back would be a loop" if event.get("origin") == name else ""

    async def _call(self, event: Event) -> None:
        """Hand a request for a connection (`edge.spec.ax25`, ``ax25.call``) to the route that calls under that name."""
        callsign = str(event.get("callsign") or self.plan.licence.callsign).upper()
        if problem := self.fanout.call({**event, "callsign": callsign}, own=self.plan.licence.callsign):
            answer = {**event, "type": "ax25.called", "callsign": callsign, "connected": False, "reason": problem}
            await self._tell_caller(answer)

    async def _tell_caller(self, event: Event) -> None:
        """Say what came of a call, to the log and to whoever asked for it."""
        outcome = "connected" if event["connected"] else event["reason"]
        logger.info("%s: call of %s as %s: %s", self.plan.device.name, event.get("peer"), event["callsign"], outcome)
        channel = event.get("reply_channel")
        if not channel or self.layer is None:
            return
        told = {name: event.get(name) for name in ("type", "peer", "callsign", "connected", "reason")}
        try:
            await self.layer.send(str(channel), {**told, "device": self.plan.device.name})
        except Exception:  # whatever another's layer raises; a caller that went away must not end the channel
            logger.exception("%s: %s could not be told", self.plan.device.name, channel)
