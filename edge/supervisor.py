"""What is wanted, compared with what runs: started, stopped or left alone, by value.

`Supervisor.apply` takes a `Desired`. A device whose wish is equal is not touched; one whose routes alone differ keeps
its link. What cannot work is shown as failed, with the reason, and harms nobody else.

The routes of a device that is taken out or switched off are told GOING_AWAY (1001), those of one that begins again with
other settings, or with the box, RESTART (1012).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from edge import registry
from edge.asgi import Event
from edge.desired import Desired, DeviceWish, RouteWish, device_problems, mask, route_problems
from edge.errors import ConfigError, LinkLost
from edge.fanout import Leg
from edge.gate import Licence
from edge.layers.base import ChannelLayer
from edge.legs import build_app, topic_options
from edge.matching import matcher, topic_filter
from edge.options import parse_options
from edge.outbox import Outbox, OutboxRefused
from edge.runner import DevicePlan, Observer, Runner
from edge.spec import CloseCode
from edge.status import DeviceBoard, DeviceStatus, State
from edge.topic_legs import topic_leg
from edge.usb import SCHEME as USB

logger = logging.getLogger("edge.supervisor")

PORT_SCHEMES = ("serial", USB)
STOP_TIMEOUT = 10.0  # seconds for all devices to end

States = Mapping[str, dict[str, Any]]  # scope["state"] by device: what consumers keep there is theirs to know


class Supervisor:
    """The devices that run, by name. Everything here happens on the loop, but `status`, which any thread may ask."""

    def __init__(
        self,
        *,
        layer: ChannelLayer | None,
        observe: Observer = lambda *_: None,
        on_change: Callable[[], None] = lambda: None,
        outbox: Outbox | None = None,
    ) -> None:
        self.layer = layer
        self.observe = observe
        self.on_change = on_change
        self.outbox = outbox
        self._wanted: dict[str, DeviceWish] = {}
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._boards: dict[str, DeviceBoard] = {}
        self._states: dict[str, dict[str, Any]] = {}  # outlives links and changes of options
        self._applying = asyncio.Lock()

    async def apply(self, desired: Desired) -> None:
        """Start what is new, stop what is gone, change what differs. Never raises for what a person wished."""
        async with self._applying:
            wanted = _first_of_each_name(desired.devices)
            states = {name: self._states.get(name, {}) for name in wanted}
            # Consumers are imported here, which may take a while and run anybody's code: off the loop, and given
            # nothing of ours but values that the loop does not read meanwhile.
            plans = await asyncio.to_thread(make_plans, desired, states)
            before, self._wanted, self._states = self._wanted, wanted, states
            await self._stop_what_differs(before, plans)
            for name in [name for name in self._boards if name not in wanted]:
                del self._boards[name]
            for device in wanted.values():
                self._settle(device, plans.get(device.name, ""))
        self.on_change()

    def status(self) -> tuple[DeviceStatus, ...]:
        """Return each device's state, in the order in which they are wanted."""
        boards = dict(self._boards)
        return tuple(boards[name].read() for name in self._wanted if name in boards)

    def wake(self, name: str) -> None:
        """Let a waiting device try at once."""
        if runner := self._runners.get(name):
            runner.wake()

    def wake_ports(self) -> None:
        """Let each waiting device on a serial port try at once: something was plugged in."""
        for name, runner in self._runners.items():
            if urlsplit(self._wanted[name].link).scheme in PORT_SCHEMES:
                runner.wake()

    async def transmit(self, name: str, event: Event) -> str:
        """Send through a device's gate; return why it was refused, or nothing.

        Raises ConfigError for a name that is not there, LinkLost for a device that is down, LocalProtocolError for an
        event that cannot be sent. A durable event is kept, whether the device is up or not.
        """
        if event.get("durable") and self.outbox is not None:
            if runner := self._runners.get(name):
                return await runner.keep(event)
            await self.outbox.put(name, event)
            return ""
        if name not in self._boards:
            raise ConfigError(f"there is no device {name!r}; there are {', '.join(self._boards) or 'none'}")
        if name not in self._runners:
            raise LinkLost(f"{name} does not run: {self._boards[name].text}")
        return await self._runners[name].transmit(event)

    def check_durable(self, name: str, event: Mapping[str, Any]) -> None:
        """Raise OutboxRefused for what this device could never send: `edge.outbox.Outbox.guard`."""
        wish = self._wanted.get(name)
        if wish is None:
            raise OutboxRefused(f"there is no device {name!r}; there are {', '.join(self._wanted) or 'none'}")
        if (kind := registry.kinds().get(wish.kind)) and event.get("type") != f"{kind.scope_type}.send":
            raise OutboxRefused(f"{name} takes {kind.scope_type}.send; got {event.get('type')!r}")
        runner = self._runners.get(name)
        if runner is not None and (refusal := runner.standing_refusal(dict(event))):
            raise OutboxRefused(f"not transmitted: {refusal}")

    async def stop(self) -> None:
        """Stop every device, within `STOP_TIMEOUT` seconds."""
        async with self._applying:
            await self._stop(dict.fromkeys(self._tasks, (CloseCode.RESTART, "the box is stopping")))

    async def _stop_what_differs(self, before: Mapping[str, DeviceWish], plans: "Plans") -> None:
        reasons: dict[str, tuple[CloseCode, str]] = {}
        for name in self._tasks:
            wish, plan = self._wanted.get(name), plans.get(name)
            if wish is None:
                reasons[name] = CloseCode.GOING_AWAY, "the device was taken out"
            elif not wish.enabled:
                reasons[name] = CloseCode.GOING_AWAY, "the device was switched off"
            elif not isinstance(plan, DevicePlan):
                reasons[name] = CloseCode.GOING_AWAY, "the device cannot run any more"
            elif wish != before.get(name):
                reasons[name] = CloseCode.RESTART, "the device's settings were changed"
        await self._stop(reasons)

    async def _stop(self, reasons: Mapping[str, tuple[CloseCode, str]]) -> None:
        """Stop these devices, all at once; what does not end in time is left behind, and told."""
        tasks = [self._tasks.pop(name) for name in reasons]
        for name, (code, reason) in reasons.items():
            self._runners.pop(name).farewell(code, reason)
            self._boards[name].turn(State.STOPPED, reason)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_TIMEOUT)
            for task in late:
                logger.error("%s did not stop within %g s and was left behind", task.get_name(), STOP_TIMEOUT)

    def _settle(self, device: DeviceWish, plan: "DevicePlan | str") -> None:
        """Bring one device to what is wanted of it."""
        name = device.name
        if isinstance(plan, DevicePlan) and name in self._runners:
            self._runners[name].update_legs(plan.legs)
            return
        # A new board for each runner: one that was left behind may still write on its own. The counts go on.
        board = DeviceBoard(name, device.kind, mask(device.link), self.on_change)
        if old := self._boards.get(name):
            board.go_on_from(old)
        self._boards[name] = board
        if isinstance(plan, DevicePlan):
            runner = self._runners[name] = Runner(
                plan, board, layer=self.layer, observe=self.observe, outbox=self.outbox
            )
            task = self._tasks[name] = asyncio.create_task(runner.run(), name=f"edge-device-{name}")
            task.add_done_callback(lambda done: self._look_after(done, board))
        else:
            board.turn(*((State.FAILED, plan) if plan else (State.STOPPED, "switched off")))

    def _look_after(self, task: "asyncio.Task[None]", board: DeviceBoard) -> None:
        """Show a runner that died of a bug in itself; one that was cancelled ended as it should."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s died", task.get_name(), exc_info=error)
            board.turn(State.FAILED, f"an error in Edge itself: {type(error).__name__}: {error}")


Plans = Mapping[str, DevicePlan | str]  # by device: what to run, or in plain words why it cannot; none if switched off


def make_plans(desired: Desired, states: States) -> Plans:
    """Plan each enabled device. Pure but for what it imports: it may run in any thread."""
    wanted = _first_of_each_name(desired.devices)
    plans: dict[str, DevicePlan | str] = {}
    earlier: list[DeviceWish] = []  # of two that want one port, the first gets it
    for device in wanted.values():
        if device.enabled:
            plans[device.name] = _fenced_plan(device, earlier, desired, states[device.name])
        earlier.append(device)
    return plans


def _first_of_each_name(devices: Iterable[DeviceWish]) -> dict[str, DeviceWish]:
    wanted: dict[str, DeviceWish] = {}
    for device in devices:
        if wanted.setdefault(device.name, device) is not device:
            logger.error("two devices are called %r; the second is left out", device.name)
    return wanted


def _fenced_plan(
    device: DeviceWish, earlier: list[DeviceWish], desired: Desired, state: dict[str, Any]
) -> DevicePlan | str:
    try:
        return _plan_device(device, earlier, desired, state)
    except Exception as error:  # the fence: a kind that is not sound fails alone
        logger.exception("%s cannot be planned", device.name)
        return f"an error in the kind {device.kind}: {type(error).__name__}: {error}"


def _plan_device(
    device: DeviceWish, earlier: list[DeviceWish], desired: Desired, state: dict[str, Any]
) -> DevicePlan | str:
    if problems := device_problems(device, earlier):
        return "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
    kind = registry.kind(device.kind)
    registry.import_string(kind.builder)  # here, where it may take its time
    options = parse_options(kind.options_type(), device.options, where=device.name)
    return DevicePlan(
        device=registry.Device(name=device.name, link=device.link, options=options, state=state),
        kind=kind,
        licence=_licence(device, options),
        legs=tuple(_fenced_leg(route, kind.scope_type, desired.devices) for route in desired.routes_of(device.name)),
    )


def _licence(device: DeviceWish, options: Any) -> Licence:  # Any: each kind has its own options type
    return Licence(
        device=device.name,
        allowed=device.transmit,
        callsign=getattr(options, "callsign", ""),
        needs_callsign=hasattr(options, "callsign"),
        any_source=getattr(options, "any_source", False),
        frames_per_minute=getattr(options, "frames_per_minute", 600),
        duty_percent=getattr(options, "duty_percent", 100),
        air_baud=getattr(options, "air_baud", getattr(options, "baud", 1200)),
    )


def _fenced_leg(route: RouteWish, scope_type: str, devices: tuple[DeviceWish, ...]) -> Leg:
    try:
        problems = route_problems(route, devices)
        text = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        return _problem_leg(route, text) if text else _plan_leg(route, scope_type)
    except Exception as error:  # the fence: a consumer that cannot be made fails alone
        logger.exception("%s: %s cannot be made", route.device, route.consumer)
        return _problem_leg(route, f"an error in the consumer: {type(error).__name__}: {error}")


def _problem_leg(route: RouteWish, text: str) -> Leg:
    return Leg(key=(*_key(route), text), app=_nobody, consumer=route.consumer, match=route.match, problem=text)


def _plan_leg(route: RouteWish, scope_type: str) -> Leg:
    app = build_app(route.consumer, scope_type, route.options, route.match)
    if scope_type != "mqtt":
        wants = matcher(scope_type, route.match)
        return Leg(key=_key(route), app=app, consumer=route.consumer, match=route.match, wants=wants)
    options = topic_options(route.consumer, route.options, route.match)
    return topic_leg(_key(route), topic_filter(route.match), app, route.consumer, options)


def _key(route: RouteWish) -> tuple[str, ...]:
    """Return what makes two routes of a device the same."""
    options = route.options
    return route.consumer, route.match, repr(sorted(options.items()) if isinstance(options, Mapping) else options)


async def _nobody(*_: object) -> None:
    """Stand in for the app of a leg that cannot run."""
