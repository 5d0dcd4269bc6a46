"""What is wanted, compared with what runs: started, stopped or left alone, by value.

`Supervisor.apply` takes a `Desired`. A device whose wish is equal is not touched; one whose routes alone differ keeps its
link. What cannot work is shown as failed, with the reason, and harms nobody else.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from edge import registry
from edge.asgi import App, Event
from edge.desired import Desired, DeviceWish, RouteWish, device_problems, mask, route_problems
from edge.errors import ConfigError, LinkLost
from edge.fanout import Leg
from edge.gate import Licence
from edge.layers.base import ChannelLayer
from edge.legs import build_app
from edge.matching import matcher, topic_filter
from edge.options import parse_options
from edge.runner import DevicePlan, Observer, Runner
from edge.status import DeviceBoard, DeviceStatus, State

logger = logging.getLogger("edge.supervisor")

STOP_TIMEOUT = 10.0  # seconds for all devices to end


class Supervisor:
    """The devices that run, by name. Everything here happens on the loop, but `status`, which any thread may ask."""

    def __init__(
        self,
        *,
        layer: ChannelLayer | None,
        observe: Observer = lambda *_: None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.layer = layer
        self.observe = observe
        self.on_change = on_change
        self._desired = Desired()
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._boards: dict[str, DeviceBoard] = {}
        self._states: dict[str, dict[str, Any]] = {}  # scope["state"] by device: outlives links and changes of options
        self._applying = asyncio.Lock()

    async def apply(self, desired: Desired) -> None:
        """Start what is new, stop what is gone, change what differs."""
        async with self._applying:
            # Consumers are imported here, which may take a while and run anybody's code: off the loop.
            plans = await asyncio.to_thread(self._plan, desired)
            old, self._desired = self._desired, desired
            changed = _changed(old, desired)
            await self._stop([name for name in self._tasks if name in changed or name not in plans])
            for name in [name for name in self._boards if name not in {device.name for device in desired.devices}]:
                del self._boards[name]
                self._states.pop(name, None)
            for device in desired.devices:
                self._settle(device, plans.get(device.name))
        self.on_change()

    def status(self) -> tuple[DeviceStatus, ...]:
        """Return each device's state, in the order in which they are wanted."""
        boards = dict(self._boards)
        return tuple(boards[device.name].read() for device in self._desired.devices if device.name in boards)

    def wake(self, name: str) -> None:
        """Let a waiting device try at once."""
        if runner := self._runners.get(name):
            runner.wake()

    async def transmit(self, name: str, event: Event) -> str:
        """Send through a device's gate; return why it was refused, or nothing. ConfigError for a name that is not there."""
        if name not in self._boards:
            raise ConfigError(f"there is no device {name!r}; there are {', '.join(self._boards) or 'none'}")
        if name not in self._runners:
            raise LinkLost(f"{name} does not run: {self._boards[name].text}")
        return await self._runners[name].transmit(event)

    async def stop(self) -> None:
        """Stop every device, within `STOP_TIMEOUT` seconds."""
        async with self._applying:
            await self._stop(list(self._tasks))

    def _settle(self, device: DeviceWish, plan: DevicePlan | str | None) -> None:
        """Bring one device to what is wanted of it."""
        board = self._boards.setdefault(
            device.name, DeviceBoard(device.name, device.kind, mask(device.link), self.on_change)
        )
        board.kind, board.link = device.kind, mask(device.link)
        if plan is None or isinstance(plan, str):
            board.routes = tuple
            board.turn(*((State.FAILED, plan) if plan else (State.STOPPED, "switched off")))
        elif device.name in self._runners:
            self._runners[device.name].update_legs(plan.legs)
        else:
            runner = self._runners[device.name] = Runner(plan, board, layer=self.layer, observe=self.observe)
            self._tasks[device.name] = asyncio.create_task(runner.run(), name=f"edge-device-{device.name}")

    async def _stop(self, names: list[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for name in names:
            self._runners.pop(name, None)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_TIMEOUT)
            for task in late:
                logger.error("%s did not stop within %g s and was left behind", task.get_name(), STOP_TIMEOUT)

    def _plan(self, desired: Desired) -> dict[str, DevicePlan | str]:
        """Plan each enabled device: what to run, or in plain words why it cannot."""
        return {device.name: self._plan_device(device, desired) for device in desired.devices if device.enabled}

    def _plan_device(self, device: DeviceWish, desired: Desired) -> DevicePlan | str:
        others = [other for other in desired.devices if other is not device]
        earlier = others[: desired.devices.index(device)]  # of two that want one port, the first gets it
        if problems := device_problems(device, earlier):
            return "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        kind = registry.kind(device.kind)
        options = parse_options(kind.options_type(), device.options, where=device.name)
        state = self._states.setdefault(device.name, {})
        return DevicePlan(
            device=registry.Device(name=device.name, link=device.link, options=options, state=state),
            kind=kind,
            shown_link=mask(device.link),
            licence=_licence(device, options),
            legs=tuple(_plan_leg(route, kind.scope_type, desired.devices) for route in desired.routes_of(device.name)),
        )


def _by_name(desired: Desired) -> Mapping[str, DeviceWish]:
    return {device.name: device for device in desired.devices}


def _changed(old: Desired, new: Desired) -> set[str]:
    """Name the devices whose own wish differs."""
    before, after = _by_name(old), _by_name(new)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _licence(device: DeviceWish, options: Any) -> Licence:
    return Licence(
        device=device.name,
        allowed=device.transmit,
        callsign=getattr(options, "callsign", ""),
        needs_callsign=hasattr(options, "callsign"),
        frames_per_minute=getattr(options, "frames_per_minute", 600),
        duty_percent=getattr(options, "duty_percent", 100),
        air_baud=getattr(options, "air_baud", getattr(options, "baud", 1200)),
    )


def _plan_leg(route: RouteWish, scope_type: str, devices: tuple[DeviceWish, ...]) -> Leg:
    key = (route.consumer, route.match, repr(sorted(route.options.items())))
    if problems := route_problems(route, devices):
        text = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        return Leg(key=key, app=_nobody, consumer=route.consumer, match=route.match, problem=text)
    app = build_app(route.consumer, scope_type, route.options, route.match)
    if scope_type != "mqtt":
        return Leg(key=key, app=app, consumer=route.consumer, match=route.match, wants=matcher(scope_type, route.match))
    return _plan_topic_leg(route, key, app)


def _plan_topic_leg(route: RouteWish, key: object, app: App) -> Leg:
    filter_ = topic_filter(route.match)
    return Leg(
        key=key,
        app=app,
        consumer=route.consumer,
        match=route.match,
        wants=lambda event: filter_.match(event["topic"]) is not None,
        scope=(("topic_filters", [filter_.text]),),
        first=({"type": "mqtt.subscribe", "topic": filter_.subscription, "qos": 1},),
        last=({"type": "mqtt.unsubscribe", "topic": filter_.subscription},),
    )


async def _nobody(*_: object) -> None:
    """Stand in for the app of a leg that cannot run."""
