"""Devices in this process, a diary of what their consumers were told, and a steady neighbour for every fault."""

import asyncio
import contextlib

import pytest

from edge.desired import Desired, DeviceWish, RouteWish
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.supervisor import Supervisor
from tests.faults.consumers import ALARM
from tests.scenarios.running import Steady, eventually, gaps, short_folder
from transports.simulator.tnc import SimulatedTnc

LONGEST_SILENCE = 2.0  # seconds that a neighbour may be kept waiting, on a loaded machine with two cores


class Diary:
    """What the consumers of ``consumers.py`` wrote down."""

    def __init__(self, path):
        self.path = path
        path.touch()

    def lines(self, device, consumer, what=""):
        """Return the words of a consumer of a device, in order; with ``what`` only those."""
        found = [line.split(" ", 3) for line in self.path.read_text().splitlines()]
        mine = [words[2:] for words in found if words[:2] == [device, consumer]]
        return [" ".join(words).strip() for words in mine] if not what else [w[1] for w in mine if w[0] == what]


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture
def diary(folder, monkeypatch):
    path = folder / "diary"
    monkeypatch.setenv("FAULTS_DIARY", str(path))
    return Diary(path)


class House:
    """A supervisor, and two TNCs: ``tnc`` for the fault, ``neighbour`` with a steady station that must not notice."""

    def __init__(self, folder, diary):
        self.folder = folder
        self.diary = diary
        self.tnc = SimulatedTnc(folder / "vhf")
        self.neighbour = SimulatedTnc(folder / "uhf")
        self.heard = {}  # texts by device
        self.silences = []  # seconds between what the neighbour's device heard
        self._last = None
        self.supervisor = Supervisor(layer=channel_layers["default"], observe=self._observe)
        self.desired = Desired()

    def _observe(self, device, direction, event, _reason):
        if direction != "heard":
            return
        self.heard.setdefault(device, []).append(event.get("info", b"").decode(errors="replace"))
        if device == "uhf":
            now = asyncio.get_running_loop().time()
            self.silences += [now - self._last] if self._last else []
            self._last = now

    async def run(self, *devices, routes=()):
        """Run these devices beside the neighbour, whose station is steady from now on."""
        uhf = DeviceWish(name="uhf", kind="aprs", link=f"serial://{self.neighbour.link}")
        listening = RouteWish(device="uhf", consumer="tests.faults.consumers.Listener")
        self.desired = Desired(devices=(uhf, *devices), routes=(listening, *routes))
        await self.supervisor.apply(self.desired)
        await self.until("uhf", "up")
        self.station = Steady(self.neighbour)
        self._beating = asyncio.create_task(self.station.run())

    def route(self, device, consumer):
        """Return the status of a device's route."""
        return next(route for route in self.status(device).routes if route.consumer.endswith(f".{consumer}"))

    async def says(self, device, consumer, *words):
        """Wait until the status of a route has these words, and return it."""

        def look():
            found = self.route(device, consumer)
            return all(word in found.text for word in words) and found

        return await eventually(look, lambda: f"{words}; it is {self.route(device, consumer)}")

    def status(self, name):
        return next(status for status in self.supervisor.status() if status.name == name)

    async def until(self, name, state, text=""):
        """Wait until a device is in a state and says something; return what it says."""

        def look():
            status = self.status(name)
            return status.state.value == state and text in status.text and status

        return await eventually(look, lambda: f"{name} {state} {text!r}; it is {self.status(name)}")

    async def wrote(self, *entry, count=1):
        """Wait until a consumer has written something so often."""
        return await eventually(
            lambda: len(found := self.diary.lines(*entry)) >= count and found,
            lambda: f"{entry}, {count} times: {self.diary.path.read_text()[-3000:]}",
        )

    async def neighbour_goes_on(self, beats=10):
        """Wait until the neighbour has heard more, and be sure that nothing was missed, and nothing late."""
        wanted = self.station.sent + beats
        await eventually(lambda: self.station.sent >= wanted, "the steady station beats")
        await eventually(lambda: len(self.heard["uhf"]) >= wanted, lambda: f"{wanted} beats; {len(self.heard['uhf'])}")
        await self.wrote("uhf", "Listener", "receive", count=wanted)
        assert gaps(self.heard["uhf"]) == []
        assert gaps(self.diary.lines("uhf", "Listener", "receive")) == []
        assert max(self.silences) < LONGEST_SILENCE
        assert self.diary.lines("uhf", "Listener", "disconnect") == []
        assert self.status("uhf").text == "up"

    async def __aenter__(self):
        await self.tnc.start()
        await self.neighbour.start()
        self._beating = None
        return self

    async def __aexit__(self, *_):
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        await self.supervisor.stop()
        await self.tnc.close()
        await self.neighbour.close()


@pytest.fixture
async def house(folder, diary):
    before = channel_layers.set("default", InMemoryChannelLayer())
    ALARM.clear()
    async with House(folder, diary) as running:
        yield running
    ALARM.set()
    if before is not None:
        channel_layers.set("default", before)
