"""Each family's TNC entered, used and left on its simulator, by the real server; and the recipes as pure values."""

import asyncio
import contextlib
import os
import termios

import pytest

from edge.errors import LinkLost, LocalProtocolError, RemoteProtocolError
from edge.registry import Device
from transports import ax25, profiles, stream
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


def url_of(tnc):
    return str(tnc.link) if str(tnc.link).startswith("tcp://") else f"serial://{tnc.link}"


@contextlib.asynccontextmanager
async def running(tnc, profile, *, enter_kiss, **more):
    """Serve the TNC as the box does; at the end it is stopped as the box stops it."""
    options = Ax25Options(callsign="QQ1EDG", profile=profile, enter_kiss=enter_kiss, **more)
    server = ax25.build(Device(name="vhf", link=url_of(tnc), options=options, state={}))
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
        async with SimulatedTnc(tmp_path / family, firmware=FAMILIES[family]()) as tnc:
            yield tnc

    return plug


def set_speed(port, baud):
    settings = termios.tcgetattr(port)
    settings[4] = settings[5] = getattr(termios, f"B{baud}")
    termios.tcsetattr(port, termios.TCSANOW, settings)


async def come_up(box):
    async with asyncio.timeout(LIMIT):
        await box.up.wait()


async def each(families, story):
    """Tell a story with each family at once, for they mostly wait; what went wrong is raised with its family."""

    async def told(family):
        try:
            await story(family)
        except Exception as error:
            error.add_note(f"family {family}")
            raise

    results = await asyncio.gather(*map(told, families), return_exceptions=True)
    if wrong := [result for result in results if isinstance(result, Exception)]:
        raise ExceptionGroup("families", wrong)


async def test_a_tnc_is_entered_used_entered_again_and_left(plugged):
    await each(ENTERED, lambda family: enter_use_and_leave(plugged, family))


async def enter_use_and_leave(plugged, family):
    async with plugged(family) as tnc:
        tnc.firmware.was_left(converse=True)  # whatever is typed there goes on the air
        async with running(tnc, family, enter_kiss=True) as box:
            await come_up(box)
            assert tnc.firmware.kiss
            for _ in range(2):
                tnc.hear(HI)
                assert await box.next() == HI
                await box.send({"type": "ax25.send", "raw": TRAP})
                assert await tnc.next_sent(LIMIT) == TRAP
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


async def test_a_tnc_that_is_in_kiss_mode_already_is_not_harmed(plugged):
    await each(ENTERED, lambda family: enter_again(plugged, family))


async def enter_again(plugged, family):
    async with plugged(family) as tnc:
        tnc.firmware.was_left(kiss=True)
        before = os.open(tnc.link, os.O_RDWR | os.O_NOCTTY)  # another program, which has sent a frame
        try:
            set_speed(before, PROFILES[family].line.baud)
            os.write(before, b"\xc0\x00before\xc0")
            assert await tnc.next_sent(LIMIT) == b"before"
        finally:
            os.close(before)
        async with running(tnc, family, enter_kiss=True) as box:
            await come_up(box)
            tnc.hear(HI)
            assert await box.next() == HI
            await box.send({"type": "ax25.send", "raw": HI})
            assert await tnc.next_sent(LIMIT) == HI
        assert tnc.parameters == {}
        assert list(tnc.sent) == [b"before", HI]


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


@pytest.mark.parametrize("family", ["direwolf", "soundmodem"])
async def test_a_program_is_used_over_tcp_and_comes_back(family):
    simulated = SimulatedTnc("tcp://127.0.0.1:0", firmware=FAMILIES[family]())
    async with simulated as tnc, running(tnc, family, enter_kiss=False) as box:
        for _ in range(2):
            await come_up(box)
            tnc.hear(HI)
            assert await box.next() == HI
            await box.send({"type": "ax25.send", "raw": TRAP})
            assert await tnc.next_sent(LIMIT) == TRAP
            if box.ups == 1:
                tnc.unplug()
                box.up.clear()
                tnc.replug()


async def test_parameters_are_told_once_the_tnc_is_in_kiss_mode_and_again_after_it_was_unplugged(plugged):
    told = {"txdelay": 400, "persistence": 100}
    async with plugged("kantronics") as tnc, running(tnc, "kantronics", enter_kiss=True, **told) as box:
        for _ in range(2):
            await come_up(box)
            await box.send({"type": "ax25.send", "raw": HI})
            assert await tnc.next_sent(LIMIT) == HI
            assert tnc.parameters == {(0, "txdelay"): b"\x28", (0, "persistence"): b"\x64"}
            if box.ups == 1:
                tnc.unplug()
                box.up.clear()
                tnc.parameters.clear()
                tnc.firmware.was_left()
                tnc.replug()


async def test_a_tnc_that_answers_otherwise_is_told_of_in_plain_words(plugged):
    async with plugged("kiss") as tnc:
        server = ax25.build(
            Device(
                name="vhf",
                link=f"serial://{tnc.link}",
                options=Ax25Options(profile="kenwood-d710", enter_kiss=True),
                state={},
            )
        )
        with pytest.raises(RemoteProtocolError, match="the TNC did not enter KISS mode: step 3 of its profile"):
            await asyncio.wait_for(server.serve(Box().app, lambda: None), LIMIT)


async def test_a_kenwood_that_is_not_told_of_its_c_leaves_packet_mode(plugged):
    """The trap is real: what the profile's escape keeps from happening happens without it."""
    async with plugged("kenwood-d7") as tnc:
        tnc.firmware.was_left(kiss=True)
        async with running(tnc, "kiss", enter_kiss=False) as box:
            await come_up(box)
            await box.send({"type": "ax25.send", "raw": TRAP})
            async with asyncio.timeout(LIMIT):
                while tnc.firmware.kiss:
                    await asyncio.sleep(0.01)


async def test_at_another_speed_nothing_is_understood_and_the_counters_show_it(plugged):
    async with plugged("tnc2") as tnc:
        tnc.firmware.speed = 1200
        async with running(tnc, "tnc2", enter_kiss=True) as box:
            await come_up(box)
            assert box.server.counters()["entry_unanswered"] == 1
            assert not tnc.firmware.kiss
            assert tnc.counts.garbled > 0


class Clocked:
    """Drive a session by hand, as the stream does."""

    def __init__(self, session):
        self.session = session
        self.wrote = []  # (when, what)
        self.events = []

    def call(self, name, *args):
        result = getattr(self.session, name)(*args)
        self.events += result or []
        while data := self.session.data_to_send():
            self.wrote.append((self.session.clock.now, data))

    def run(self, until=100.0):
        """Let time pass from deadline to deadline."""
        while (due := self.session.deadline()) is not None and due <= until:
            assert due >= self.session.clock.now or due <= until
            self.session.clock.now = max(due, self.session.clock.now)
            self.call("tick")
        self.session.clock.now = max(until, self.session.clock.now)


def entering(*steps, leave=(), settle=0.0):
    return Clocked(
        Entering(
            SerialSession("bytes"),
            Recipe(source="test", steps=steps) if steps else None,
            Recipe(source="test", steps=leave) if leave else None,
            settle=settle,
        )
    )


def test_a_step_waits_for_its_answer_and_the_next_comes_at_once():
    box = entering(Step(send="one", expect="CMD:"), Step(send="two", wait=1.5))
    box.call("opened")
    assert box.wrote == [(0.0, b"one")]
    box.session.clock.now = 0.5
    box.call("receive_bytes", b"echo\r\ncm", 0.0)
    assert len(box.wrote) == 1
    box.call("receive_bytes", b"d:", 0.0)
    assert box.wrote[1:] == [(0.5, b"two")]
    assert not box.session.ready
    box.run()
    assert box.session.ready
    assert box.session.counters()["entry_text"] == 10


@pytest.mark.parametrize(("otherwise", "ready", "wrote", "unanswered"), [("go on", True, 2, 0), ("done", True, 1, 1)])
def test_what_it_means_that_no_answer_comes_is_the_steps_own(otherwise, ready, wrote, unanswered):
    box = entering(Step(send="one", expect="cmd:", within=3.0, otherwise=otherwise), Step(send="two"))
    box.call("opened")
    box.run(2.9)
    assert not box.session.ready
    box.run(5.0)
    assert (box.session.ready, len(box.wrote)) == (ready, wrote)
    assert box.session.counters()["entry_unanswered"] == unanswered


def test_an_answer_that_must_come_and_does_not_is_told_in_plain_words():
    box = entering(Step(send="KISS ON\r", expect="cmd:", within=3.0))
    box.call("opened")
    box.call("receive_bytes", b"?EH", 0.0)
    with pytest.raises(
        RemoteProtocolError, match=r"step 1 of its profile sent 'KISS ON\\r' and expected 'cmd:' within 3 s"
    ):
        box.run()
    assert not box.session.ready


def test_text_at_a_pace_goes_a_character_at_a_time_and_its_wait_begins_at_the_last():
    box = entering(Step(send="abc", pace=0.5, expect="!", within=1.0, otherwise="go on"))
    box.call("opened")
    box.run()
    assert box.wrote == [(0.0, b"a"), (0.5, b"b"), (1.0, b"c")]
    assert box.session.ready


def test_what_is_kiss_already_is_handed_on_and_text_is_not():
    box = entering(Step(send="one", wait=1.0))
    box.call("opened")
    box.call("receive_bytes", b"cmd:\xc0\x00fr", 7.0)
    box.call("receive_bytes", b"ame\xc0", 8.0)
    assert box.events == []
    box.run()
    assert [event["bytes"] for event in box.events] == [b"\xc0\x00frame\xc0"]
    box.call("receive_bytes", b"more", 9.0)
    assert [event["bytes"] for event in box.events][1:] == [b"more"]
    assert box.session.counters()["entry_text"] == 4


def test_what_a_tnc_says_meanwhile_is_bounded():
    box = entering(Step(send="one", wait=1.0))
    box.call("opened")
    for _ in range(1000):
        box.call("receive_bytes", b"\xc0" + b"x" * 99, 0.0)
    box.run()
    assert sum(len(event["bytes"]) for event in box.events) <= MAX_HEARD
    assert box.session.counters()["entry_text"] >= 100_000 - MAX_HEARD


def test_leaving_says_its_steps_and_then_is_finished():
    box = entering(Step(send="in"), leave=(Step(send="out", wait=1.0), Step(send="off")))
    box.call("opened")
    box.run(1.0)
    box.call("closing")
    assert not box.session.finished
    box.call("receive_bytes", b"bye", 0.0)
    box.run()
    assert box.wrote == [(0.0, b"in"), (1.0, b"out"), (2.0, b"off")]
    assert box.session.finished
    assert box.events == []


def test_one_that_was_never_entered_is_not_left():
    box = entering(Step(send="in", wait=9.0), leave=(Step(send="out"),))
    box.call("opened")
    box.call("closing")
    assert box.session.finished
    assert box.wrote == [(0.0, b"in")]


def test_until_a_board_has_started_nothing_is_ready():
    box = entering(settle=2.0)
    box.call("opened")
    box.run(1.9)
    assert not box.session.ready
    box.run(2.0)
    assert box.session.ready
    assert box.wrote == []
    box.call("closing")
    assert box.session.finished


def test_frames_keep_their_distance_and_too_many_are_refused():
    box = Clocked(Pacing(SerialSession("bytes"), 1.0))
    sent = [bytes([number]) for number in range(MAX_PACED + 1)]
    for frame in sent:
        assert box.session.send({"type": "serial.send", "bytes": frame}) == b""
        box.call("tick")
    assert box.session.counters()["unsent"] == MAX_PACED
    with pytest.raises(LocalProtocolError, match="64 frames wait already; this TNC takes one in 1 s"):
        box.session.send({"type": "serial.send", "bytes": b"!"})
    assert not box.session.finished
    box.run(MAX_PACED)
    assert box.wrote == [(float(number), frame) for number, frame in enumerate(sent)]
    assert box.session.finished


def test_a_profile_that_asks_for_nothing_wraps_nothing():
    session = SerialSession("bytes")
    assert fitted(session, PROFILES["kiss"], enter=True) is session
    assert fitted(session, PROFILES["tnc2"], enter=False) is session
    assert isinstance(fitted(session, PROFILES["tnc2"], enter=True), Entering)
    assert isinstance(fitted(session, PROFILES["vr-n76"], enter=False), Pacing)
    for name in ("tnc2", "vr-n76", "arduino"):
        assert isinstance(fitted(session, PROFILES[name], enter=True), ActiveSession)


@pytest.mark.parametrize("family", ENTERED)
def test_a_recipe_is_through_in_the_time_that_the_stream_gives_it(family):
    profile = PROFILES[family]
    assert sum(max(step.wait, step.within if step.expect else 0) for step in profile.enter.steps) < stream.ENTERING
    assert sum(step.wait for step in profile.leave.steps) < stream.LEAVING
