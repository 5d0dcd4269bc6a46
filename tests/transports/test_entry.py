"""Each family's TNC entered, used and left on its simulator, by the real server; and the recipes as pure values."""

import asyncio
import contextlib

import pytest

from edge.errors import LinkLost, LocalProtocolError, RemoteProtocolError
from edge.registry import Device
from transports import ax25, profiles
from transports.entry import MAX_HEARD, MAX_PACED, Entering, Pacing, fitted
from transports.options import Ax25Options
from transports.profiles import Recipe, Step
from transports.serial import SerialSession
from transports.session import ActiveSession
from transports.simulator.firmware import FAMILIES
from transports.simulator.tnc import SimulatedTnc

LIMIT = 30  # seconds; no wait here is longer
PROFILES = profiles.load().by_name
ENTERED = [name for name, profile in PROFILES.items() if profile.enter]
ALWAYS = [name for name, profile in PROFILES.items() if not profile.enter]

# By hand: QQ1CA2-9>APZSIM:>hi, and QQ1EDG>APZEDG:CC TC 0 and a return, which a Kenwood must not see.
HI = bytes.fromhex("82a0b4a6929ae0 a2a26286826473 03f0 3e6869")
TRAP = bytes.fromhex("82a0b48a888ee0 a2a2628a888e61 03f0") + b"CC\rTC 0\rC"


class Box:
    """What an app heard and may send, and the end of the connection."""

    def __init__(self):
        self.heard = asyncio.Queue()
        self.up = asyncio.Event()
        self.ups = 0
        self.send = None

    async def app(self, scope, receive, send):
        self.send = send
        while (event := await receive())["type"] != "ax25.disconnect":
            if event["type"] == "ax25.connect":
                self.ups += 1
                self.up.set()
            else:
                self.heard.put_nowait(event["raw"])
        self.up.clear()

    async def next(self):
        async with asyncio.timeout(LIMIT):
            return await self.heard.get()


@contextlib.asynccontextmanager
async def running(tnc, profile, *, enter_kiss):
    """Serve the TNC as the box does; at the end it is stopped as the box stops it."""
    options = Ax25Options(callsign="QQ1EDG", profile=profile, enter_kiss=enter_kiss)
    server = ax25.build(Device(name="vhf", link=f"serial://{tnc.link}", options=options, state={}))
    box = Box()
    box.server = server

    async def serve():
        while True:
            with contextlib.suppress(LinkLost):
                await server.serve(box.app, lambda: None)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(serve())
    box.task = task
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=LIMIT)


@pytest.fixture
def plugged(tmp_path):
    """Give a function that plugs a family's TNC in."""

    @contextlib.asynccontextmanager
    async def plug(family):
        async with SimulatedTnc(tmp_path / "tnc", firmware=FAMILIES[family]()) as tnc:
            yield tnc

    return plug


async def come_up(box):
    async with asyncio.timeout(LIMIT):
        await box.up.wait()


@pytest.mark.parametrize("family", ENTERED)
async def test_a_tnc_is_entered_used_entered_again_and_left(plugged, family):
    async with plugged(family) as tnc:
        tnc.firmware.was_left(converse=True)  # whatever is typed there goes on the air
        async with running(tnc, family, enter_kiss=True) as box:
            await come_up(box)
            assert tnc.firmware.kiss
            for _ in range(2):
                tnc.hear(HI)
                assert await box.next() == HI
                await box.send({"type": "ax25.send", "raw": TRAP if not PROFILES[family].kiss.escape_c else HI})
                assert await tnc.next_sent(LIMIT) in (TRAP, HI)
                assert tnc.firmware.kiss
                if box.ups == 1:  # once more: the cable is pulled, and the TNC has lost its power with it
                    tnc.unplug()
                    box.up.clear()
                    tnc.firmware.was_left()
                    tnc.replug()
                    await come_up(box)
        assert not tnc.firmware.kiss
        assert tnc.firmware.transmitted == []
        counted = box.server.counters()
        assert counted["entry_unanswered"] == 0
        assert counted["not_ax25"] == 0


@pytest.mark.parametrize("family", ENTERED)
async def test_a_tnc_that_is_in_kiss_mode_already_is_not_harmed(plugged, family):
    async with plugged(family) as tnc:
        tnc.firmware.was_left(kiss=True)
        async with running(tnc, family, enter_kiss=True) as box:
            await tnc.wait_for_host()
            await come_up(box)
            tnc.hear(HI)
            assert await box.next() == HI
            await box.send({"type": "ax25.send", "raw": HI})
            assert await tnc.next_sent(LIMIT) == HI
        assert tnc.parameters == {}
        assert list(tnc.sent) == [HI]


@pytest.mark.parametrize("family", PROFILES)
async def test_a_passive_listener_sends_not_one_byte(plugged, family):
    async with plugged(family) as tnc:
        tnc.firmware.was_left(kiss=True)
        async with running(tnc, family, enter_kiss=False) as box:
            await come_up(box)
            tnc.hear(HI)
            assert await box.next() == HI
        assert tnc.host_bytes == b""


@pytest.mark.parametrize("family", ALWAYS)
async def test_one_that_is_always_in_kiss_mode_is_sent_nothing_but_frames(plugged, family):
    async with plugged(family) as tnc, running(tnc, family, enter_kiss=False) as box:
        await come_up(box)
        tnc.hear(HI)
        assert await box.next() == HI
        for _ in range(2):  # the second loses nothing to one that is slow, nor the first to one that starts
            await box.send({"type": "ax25.send", "raw": TRAP})
        assert [await tnc.next_sent(LIMIT), await tnc.next_sent(LIMIT)] == [TRAP, TRAP]
        assert (tnc.firmware.lost, tnc.counts.garbled) == (0, 0)
        assert bytes(tnc.host_bytes).strip(b"\xc0") == b"\x00" + TRAP + b"\xc0\xc0\x00" + TRAP
