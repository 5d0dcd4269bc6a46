import asyncio
import threading
import time

import pytest

from edge import registry, supervisor
from edge.consumers import AprsConsumer, AsyncAprsConsumer
from edge.desired import Desired, DeviceWish, RouteWish
from edge.errors import ConfigError, LinkLost
from edge.registry import Kind
from edge.runner import Runner
from edge.status import State
from edge.supervisor import Supervisor
from transports.links import MemoryPort
from transports.simulator.kiss import KissReader, encode_kiss
from transports.simulator.packets import Packet, decode_packet, encode_packet

LIMIT = 10  # seconds; no wait here is longer
HERE = "tests.edge.test_supervisor"
TOLD = {}  # by device: what its listeners were told, in order


class Listener(AsyncAprsConsumer):
    async def connect(self):
        self.note("connect")

    async def receive(self, summary, info):
        self.note(info.decode())

    async def disconnect(self, code, reason):
        self.note(f"disconnect {int(code)} {reason}")

    def note(self, text):
        TOLD.setdefault(self.scope["device"], []).append(text)


class OtherListener(Listener):
    def note(self, text):
        TOLD.setdefault(f"{self.scope['device']} other", []).append(text)


class Asleep(AsyncAprsConsumer):
    async def receive(self):
        await asyncio.sleep(60)


class AsleepInItsThread(AprsConsumer):
    alarm = threading.Event()

    def receive(self):
        self.alarm.wait(60)


@pytest.fixture(autouse=True)
def forget():
    TOLD.clear()
    MemoryPort.ports.clear()
    AsleepInItsThread.alarm.clear()
    yield
    AsleepInItsThread.alarm.set()
    MemoryPort.ports.clear()


def device(name="vhf", **more):
    return DeviceWish(**{"name": name, "kind": "aprs", "link": f"memory://{name}", **more})


def route(name="vhf", consumer="Listener", **more):
    return RouteWish(device=name, consumer=consumer if "." in consumer else f"{HERE}.{consumer}", **more)


def frame(text, source="QQ1MIA"):
    return encode_kiss(encode_packet(Packet(source=source, destination="APZSIM", info=text.encode())))


class House:
    def __init__(self):
        self.changes = 0
        self.box = Supervisor(layer=None, on_change=self._changed)

    def _changed(self):
        self.changes += 1

    async def apply(self, *wishes):
        devices = tuple(wish for wish in wishes if isinstance(wish, DeviceWish))
        routes = tuple(wish for wish in wishes if isinstance(wish, RouteWish))
        await asyncio.wait_for(self.box.apply(Desired(devices=devices, routes=routes)), LIMIT)

    def status(self, name="vhf"):
        return next(status for status in self.box.status() if status.name == name)

    async def until(self, true):
        async with asyncio.timeout(LIMIT):
            while not true():
                await asyncio.sleep(0.002)

    async def is_up(self, *names):
        await self.until(lambda: all(self.status(name).state is State.UP for name in names))


@pytest.fixture
async def house():
    running = House()
    yield running
    await asyncio.wait_for(running.box.stop(), supervisor.STOP_TIMEOUT + 1)


async def test_what_is_wanted_runs_and_what_is_heard_arrives(house):
    vhf = MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    vhf.feed(frame(">hello"))
    await house.until(lambda: TOLD.get("vhf") == ["connect", ">hello"])
    assert (house.status().heard, house.status().routes[0].text) == (1, "running")
    assert house.status().counters["noise_bytes"] == 0


async def test_noise_alone_is_seen_as_noise(house):
    vhf = MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    vhf.feed(b"\x55\xaa" * 50)
    assert (house.status().heard, house.status().counters["noise_bytes"]) == (0, 100)
    vhf.lose()
    await house.until(lambda: house.status().state is not State.UP)
    await house.is_up("vhf")
    vhf.feed(b"\x55")
    assert house.status().counters["noise_bytes"] == 101


async def test_what_is_equal_is_not_touched(house):
    MemoryPort("vhf")
    MemoryPort("uhf")
    await house.apply(device("vhf"), route("vhf"))
    await house.is_up("vhf")
    since, transport = house.status("vhf").since, MemoryPort.ports["vhf"].transport
    await house.apply(device("uhf"), device("vhf"), route("vhf"), route("uhf"))
    await house.is_up("vhf", "uhf")
    assert house.status("vhf").since == since
    assert MemoryPort.ports["vhf"].transport is transport
    assert TOLD["vhf"] == ["connect"]
    assert [status.name for status in house.box.status()] == ["uhf", "vhf"]


async def test_a_route_changes_while_the_device_is_up(house):
    vhf = MemoryPort("vhf")
    await house.apply(device(), route(), route(consumer="OtherListener"))
    await house.is_up("vhf")
    await house.until(lambda: len(TOLD) == 2)
    transport = vhf.transport
    await house.apply(device(), route(), route(match="source=QQ2*"))
    vhf.feed(frame(">a") + frame(">b", source="QQ2XYZ"))
    await house.until(lambda: len(TOLD["vhf"]) == 5)
    assert vhf.transport is transport
    assert sorted(TOLD["vhf"]) == [">a", ">b", ">b", "connect", "connect"]
    await house.until(lambda: TOLD["vhf other"] == ["connect", "disconnect 1001 the route was taken out"])
    assert [status.match for status in house.status().routes] == ["", "source=QQ2*"]


async def test_a_device_that_is_taken_out_says_goodbye_and_its_board_goes(house):
    vhf = MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    await house.until(lambda: TOLD.get("vhf") == ["connect"])
    await house.apply()
    assert TOLD["vhf"] == ["connect", "disconnect 1001 the device was taken out"]
    assert house.box.status() == ()
    assert vhf.transport is None
    with pytest.raises(ConfigError, match="there is no device 'vhf'; there are none"):
        await house.box.transmit("vhf", {"type": "aprs.send"})


async def test_a_device_that_is_switched_off_says_why_it_is_silent(house):
    MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    await house.until(lambda: TOLD.get("vhf") == ["connect"])
    await house.apply(device(enabled=False), route())
    assert TOLD["vhf"][-1] == "disconnect 1001 the device was switched off"
    assert (house.status().state, house.status().text) == (State.STOPPED, "switched off")
    with pytest.raises(LinkLost, match="vhf does not run: switched off"):
        await house.box.transmit("vhf", {"type": "aprs.send"})


async def test_a_device_with_other_settings_begins_again_and_goes_on_counting(house):
    vhf = MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    vhf.feed(frame(">a"))
    await house.until(lambda: ">a" in TOLD.get("vhf", ()))
    await house.apply(device(options={"callsign": "QQ1EDG"}), route())
    await house.is_up("vhf")
    vhf.feed(frame(">b"))
    await house.until(lambda: ">b" in TOLD["vhf"])
    assert TOLD["vhf"] == ["connect", ">a", "disconnect 1012 the device's settings were changed", "connect", ">b"]
    assert house.status().heard == 2


async def test_the_box_that_stops_says_so_to_all(house):
    for name in ("vhf", "uhf"):
        MemoryPort(name)
    await house.apply(device("vhf"), device("uhf"), route("vhf"), route("uhf"))
    await house.is_up("vhf", "uhf")
    await house.until(lambda: len(TOLD) == 2)
    await house.box.stop()
    words = ["connect", "disconnect 1012 the box is stopping"]
    assert TOLD["vhf"] == TOLD["uhf"] == words
    assert [status.state for status in house.box.status()] == [State.STOPPED] * 2
    assert [status.text for status in house.box.status()] == ["the box is stopping"] * 2


async def test_a_bad_row_fails_with_its_reason_and_the_others_run(house):
    MemoryPort("vhf")
    bad = [
        device("a", kind="lora"),
        device("b", link="nonsense"),
        device("c", options={"baud": 1}),
        device("d", options=["baud"]),
        device("VHF 2"),
    ]
    await house.apply(*bad, device(), route())
    await house.is_up("vhf")
    texts = [house.status(wish.name).text for wish in bad]
    assert {house.status(wish.name).state for wish in bad} == {State.FAILED}
    for text, words in zip(
        texts,
        [
            "kind: unknown kind 'lora'",
            "link: expected a URL",
            "options: APRS by a KISS TNC options: baud",
            "by name",
            "name:",
        ],
        strict=True,
    ):
        assert words in text
    await house.until(lambda: TOLD.get("vhf") == ["connect"])


async def test_a_bad_route_is_told_and_the_others_run(house):
    MemoryPort("vhf")
    await house.apply(
        device(),
        route(consumer="no.such.Consumer"),
        route(consumer="tests.edge.samples.Explodes"),
        route(consumer="tests.edge.samples.Unsound"),
        route(match="colour=red"),
        route(options=["x"]),
        route(),
    )
    await house.is_up("vhf")
    await house.until(lambda: TOLD.get("vhf") == ["connect"])
    texts = [status.text for status in house.status().routes]
    assert texts[0].startswith("consumer: no.such.Consumer: cannot import no.such")
    assert texts[1] == "an error in the consumer: RuntimeError: no such database"
    assert texts[2].startswith("options: NotDeclared.hosts: expected")
    assert texts[3].startswith("match: expected terms such as")
    assert texts[4].startswith("options: route options: expected options by name")
    assert texts[5] == "running"


async def test_of_two_devices_on_one_port_the_first_has_it(house):
    MemoryPort("one")
    await house.apply(device("a", link="memory://one"), device("b", link="memory://one"))
    await house.is_up("a")
    assert house.status("b").text == "link: device 'a' uses memory://one already; one port serves one device"
    await house.apply(device("b", link="memory://one"))
    await house.is_up("b")


async def test_a_device_that_is_put_before_another_on_its_port_takes_it_over(house):
    MemoryPort("one")
    await house.apply(device("b", link="memory://one"), route("b"))
    await house.is_up("b")
    await house.until(lambda: TOLD.get("b") == ["connect"])
    await house.apply(device("a", link="memory://one"), device("b", link="memory://one"), route("b"))
    await house.is_up("a")
    assert house.status("b").state is State.FAILED
    assert TOLD["b"] == ["connect", "disconnect 1001 the device cannot run any more"]
    await house.apply(device("b", link="memory://one"), route("b"))
    await house.is_up("b")


async def test_of_two_devices_of_one_name_the_first_runs(house, caplog):
    MemoryPort("vhf")
    await house.apply(device(), device(link="memory://other"), route())
    await house.is_up("vhf")
    assert len(house.box.status()) == 1
    assert "two devices are called 'vhf'; the second is left out" in caplog.text


async def test_a_kind_that_is_not_sound_fails_alone(house, monkeypatch):
    class Unsound:
        schemes = ("memory",)
        radio = True

        def __getattr__(self, name):
            raise RuntimeError("half installed")

    kinds = {**registry.kinds(), "unsound": Unsound()}
    monkeypatch.setattr(registry, "kinds", lambda: kinds)
    MemoryPort("vhf")
    await house.apply(device("bad", kind="unsound"), device())
    await house.is_up("vhf")
    assert house.status("bad").text == "an error in the kind unsound: RuntimeError: half installed"


async def test_a_kind_whose_library_is_missing_says_which(house, monkeypatch):
    lora = Kind(
        name="lora",
        label="LoRa",
        help="",
        scope_type="lora",
        schemes=("memory",),
        link_example="memory://x",
        options="transports.options:SerialOptions",
        builder="edge_lora.transport:build",
        radio=True,
    )
    monkeypatch.setattr(registry, "kinds", lambda: {"lora": lora})
    await house.apply(device(kind="lora"))
    assert house.status().state is State.FAILED
    assert "cannot import edge_lora.transport: ModuleNotFoundError" in house.status().text


async def test_a_failed_device_keeps_its_since_while_others_change(house):
    await house.apply(device(kind="lora"))
    since = house.status().since
    await house.apply(device(kind="lora"), device("uhf"))
    assert house.status().since == since


@pytest.mark.parametrize("sleeper", ["Asleep", "AsleepInItsThread"])
async def test_a_consumer_that_sleeps_for_a_minute_delays_nobody_and_the_stop_is_bounded(house, sleeper):
    vhf = MemoryPort("vhf")
    await house.apply(device(), route(consumer=sleeper), route())
    await house.is_up("vhf")
    for number in range(50):
        vhf.feed(frame(f">{number}"))
    await house.until(lambda: len(TOLD.get("vhf", ())) == 51)
    began = time.monotonic()
    await house.box.stop()
    assert time.monotonic() - began < supervisor.STOP_TIMEOUT
    assert TOLD["vhf"][-1] == "disconnect 1012 the box is stopping"


async def test_a_device_that_does_not_end_is_left_behind_and_cannot_write_on_the_new_board(house, monkeypatch, caplog):
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT", 0.05)
    release = asyncio.Event()
    plain = Runner.run

    async def stubborn(self):
        try:
            await plain(self)
        finally:
            await release.wait()
            self.board.turn(State.FAILED, "a voice from the past")

    MemoryPort("vhf")
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "run", stubborn)
        await house.apply(device())
        await house.is_up("vhf")
    await house.apply(device(options={"callsign": "QQ1EDG"}))
    assert "edge-device-vhf did not stop within 0.05 s and was left behind" in caplog.text
    release.set()
    await house.is_up("vhf")
    assert house.status().text == "up"


async def test_a_runner_that_dies_is_shown_as_failed(house, monkeypatch, caplog):
    async def dies(self):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Runner, "run", dies)
    await house.apply(device())
    await house.until(lambda: house.status().state is State.FAILED)
    assert house.status().text == "an error in Edge itself: ZeroDivisionError: a bug"
    assert "edge-device-vhf died" in caplog.text


async def test_changes_at_the_same_time_are_made_one_after_the_other(house):
    for name in "abc":
        MemoryPort(name)
    wishes = [Desired(devices=(device(name),)) for name in "abc"]
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(*(house.box.apply(desired) for desired in wishes))
    await house.is_up("c")
    assert [status.name for status in house.box.status()] == ["c"]
    assert [name for name in "abc" if MemoryPort.ports[name].transport] == ["c"]


async def test_the_status_may_be_asked_from_any_thread(house):
    MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    (status,) = await asyncio.to_thread(house.box.status)
    assert status.name == "vhf"


async def test_a_password_is_not_in_the_status(house):
    await house.apply(device("attic", kind="mqtt", link="mqtt://me:secret@127.0.0.1:1"))
    assert "secret" not in str(house.status("attic").as_dict())
    assert house.status("attic").link == "mqtt://me:***@127.0.0.1:1"


async def test_a_plan_is_made_off_the_loop_and_touches_nothing_of_it(house, monkeypatch):
    threads = []
    plain = supervisor.make_plans

    def make_plans(desired, states):
        threads.append(threading.current_thread())
        return plain(desired, states)

    monkeypatch.setattr(supervisor, "make_plans", make_plans)
    await house.apply(device("a"))
    assert threads[0] is not threading.main_thread()


async def test_what_outlives_the_link_outlives_a_change_but_not_the_device(house):
    MemoryPort("vhf")
    await house.apply(device(), route())
    await house.is_up("vhf")
    state = house.box._states["vhf"]
    await house.apply(device(options={"callsign": "QQ1EDG"}), route())
    assert house.box._runners["vhf"].plan.device.state is state
    await house.apply()
    assert house.box._states == {}


async def test_transmitting_goes_through_the_gate(house):
    vhf = MemoryPort("vhf")
    await house.apply(device(options={"callsign": "QQ1EDG"}))
    await house.is_up("vhf")
    refused = await house.box.transmit("vhf", {"type": "aprs.send", "packet": {"format": "status", "text": "x"}})
    assert "transmitting is off for vhf" in refused
    assert vhf.written == b""
    await house.apply(device(options={"callsign": "QQ1EDG"}, transmit=True))
    await house.is_up("vhf")
    assert await house.box.transmit("vhf", {"type": "aprs.send", "packet": {"format": "status", "text": "x"}}) == ""
    assert vhf.written.endswith(b"\x03\xf0>x\xc0")
    house.box.wake("vhf")
    house.box.wake("nobody")


async def test_the_chat_consumer_answers_over_the_air_and_each_message_waits_for_its_acknowledgement(house):
    vhf = MemoryPort("vhf")
    chat = route(consumer="tests.edge.samples.ChatConsumer")
    await house.apply(device(options={"callsign": "QQ1EDG-10"}, transmit=True), chat)
    await house.is_up("vhf")
    vhf.feed(frame(":QQ1EDG-10:hello{7", source="QQ1MIA-7"))
    reader, told = KissReader(), []

    def heard(text):
        told.extend(decode_packet(found.data).info.decode() for found in reader.feed(bytes(vhf.written)))
        vhf.written.clear()
        return any(text in info for info in told)

    await house.until(lambda: heard(":QQ1MIA-7 :[Welcome Anonymous!]{"))
    assert told[0] == ":QQ1MIA-7 :ack7"
    assert len(told) == 2  # the echo waits
    vhf.feed(frame(f":QQ1EDG-10:ack{told[1].rpartition('{')[2]}", source="QQ1MIA-7"))
    await house.until(lambda: heard(":QQ1MIA-7 :Anonymous: hello{"))
    assert (house.status().sent, house.status().refused) == (3, 0)
