"""One device, kept running: opened, watched, opened again; its events counted, tapped, gated, handed to its routes.

The states are those of `edge.status.State`. Waiting is policy (`edge.backoff`); this is the one place that sleeps.

Around the routes stands what every device has: a tap on both directions, the transmit gate, and the channel
``device.<name>``, on which anybody in the process may send (`edge.layers`).
"""

import asyncio
import functools
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge.asgi import Event, Receive, Scope, Send
from edge.backoff import Backoff
from edge.errors import ConfigError, LinkLost, LocalProtocolError, Refused, RemoteProtocolError
from edge.fanout import FanOut, Leg
from edge.gate import Gate, Licence, is_connected_mode
from edge.layers.base import AttachableLayer, ChannelLayer
from edge.mailbox import Lane, Mailbox
from edge.registry import Device, Kind, Server
from edge.status import DeviceBoard, State

logger = logging.getLogger("edge.runner")

LAYER_RETRY = 5.0  # seconds before a channel layer that failed is asked again

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

    def __init__(self, plan: DevicePlan, board: DeviceBoard, *, layer: ChannelLayer | None, observe: Observer) -> None:
        self.plan = plan
        self.board = board
        self.layer = layer
        self.observe = observe
        self.gate = Gate(plan.licence)
        self.fanout = FanOut(self._all_legs(plan.legs))
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

    async def run(self) -> None:
        """Open, serve, wait, again; for ever. `farewell` says what the routes are told when this is cancelled."""
        try:
            await self._keep_open()
        finally:
            await self.fanout.stop()

    def farewell(self, code: int, reason: str) -> None:
        """Say why the device is about to be stopped."""
        self.fanout.farewell = (code, reason)

    async def _keep_open(self) -> None:
        backoff = Backoff(random.Random())  # noqa: S311  (jitter is no secret)
        while True:
            self.board.turn(State.STARTING, f"opening {self.plan.device.shown_link}")
            self._up_since = None
            reason = await self._serve_once()
            if reason is None:
                await self._woken()  # failed: a person must act, and the change makes a new runner
                continue
            was_up = time.monotonic() - self._up_since if self._up_since is not None else 0.0
            wait = backoff.next_wait(was_up=was_up)
            self.board.turn(State.WAITING, f"{reason}; trying again in {max(wait, 1):.0f} s")
            logger.info("%s: %s; trying again in %.1f s", self.plan.device.name, reason, wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken()

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

    async def _woken(self) -> None:
        self._wake.clear()
        await self._wake.wait()

    def _on_up(self) -> None:
        self._up_since = time.monotonic()
        self.board.turn(State.UP, "up")
        logger.info("%s: up", self.plan.device.name)

    def _all_legs(self, legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
        own = Leg(key="device channel", app=self._serve_channel, consumer="", wants=lambda _event: False)
        return (own, *legs)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app that the transport calls: the fan-out, between the tap and the gate."""

        async def heard() -> Event:
            event = await receive()
            if "time" in event:
                self.board.hear(event["time"])
                self.observe(self.plan.device.name, "heard", event, "")
            return event

        async def gated(event: Event) -> None:
            if event["type"].endswith(".send"):
                refusal = await self._pass_gate(send, event)
                if refusal and is_connected_mode(event):
                    raise Refused(refusal)
            elif event["type"].endswith(".called"):
                await self._tell_caller(event)
            else:
                await send(event)

        self._send = send
        try:
            await self.fanout(scope, heard, gated)
        finally:
            self._send = None

    async def _pass_gate(self, send: Send, event: Event) -> str:
        name, now = self.plan.device.name, time.monotonic()
        refusal = self.gate.refusal(event, now) if self.plan.kind.radio else self._loop_problem(event)
        if refusal:
            self.board.refuse(refusal)
            self.observe(name, "refused", event, refusal)
            logger.info("%s: not transmitted: %s", name, refusal)
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

    def _loop_problem(self, event: Event) -> str:
        name = self.plan.device.name
        return f"it came from {name} itself; sending it back would be a loop" if event.get("origin") == name else ""

    async def _serve_channel(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what others put on the channel ``device.<name>``."""
        mailbox, channel = Mailbox.behind(receive), f"device.{self.plan.device.name}"
        if mailbox is None or self.layer is None:
            return
        if isinstance(self.layer, AttachableLayer):
            self.layer.attach(channel, mailbox)
            let_go: Callable[[], object] = functools.partial(self.layer.detach, channel)
        else:
            let_go = asyncio.create_task(_pump(self.layer, channel, mailbox), name=f"edge-{channel}").cancel
        try:
            await self._send_what_comes(mailbox, scope, send)
        finally:
            let_go()

    async def _send_what_comes(self, mailbox: Mailbox, scope: Scope, send: Send) -> None:
        while True:
            lane, event = await mailbox.next()
            if lane is Lane.LAYER:
                await self._send_for_others(scope, send, event)
            elif event["type"].endswith(".disconnect"):
                return

    async def _send_for_others(self, scope: Scope, send: Send, event: Event) -> None:
        """Send; what another's event has wrong is told to the log, and does not end the channel."""
        name = self.plan.device.name
        if event.get("type") == "ax25.call" == f"{scope['type']}.call":
            await self._call(event)
            return
        if event.get("type") != f"{scope['type']}.send":
            logger.warning("%s: the channel takes %s.send; got %r", name, scope["type"], event.get("type"))
            return
        try:
            await send(event)
        except (LocalProtocolError, Refused) as error:
            logger.warning("%s: an event on the channel cannot be sent: %s", name, error)

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


async def _pump(layer: ChannelLayer, channel: str, mailbox: Mailbox) -> None:
    """Carry a third party's layer into the mailbox; while it is away the device lives on."""
    while True:
        try:
            await mailbox.put(await layer.receive(channel), Lane.LAYER)
        except Exception:  # whatever another's layer raises
            logger.exception("%s: the channel layer failed; asked again in %g s", channel, LAYER_RETRY)
            await asyncio.sleep(LAYER_RETRY)
