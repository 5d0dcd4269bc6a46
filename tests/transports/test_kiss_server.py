"""KISS over TCP for other programs, over real sockets; the frames are the simulator's, which shares no code."""

import asyncio
import contextlib
import socket

import pytest

from edge.errors import LocalProtocolError
from edge.options import parse_options
from tests.contract.lines import LIMIT, until
from transports import kiss_server
from transports.kiss_server import BURST, MAX_MISSED, MAX_WAITING, RATE, Allowance, KissServer, KissServerOptions
from transports.simulator.kiss import encode_kiss
from transports.simulator.packets import Packet, encode_packet

SABM = bytes.fromhex("a2a2629a9282e0 a2a2628a888e6f 3f")  # QQ1EDG-7>QQ1MIA, connect


def raw_frame(text, source="QQ1EDG-7", path=()):
    return encode_packet(Packet(source=source, destination="APZSIM", path=path, info=text.encode()))


def heard(text, port=0, scope="ax25"):
    return {"type": f"{scope}.receive", "port": port, "raw": raw_frame(text)}


class Bench:
    """The app of a route on a link that is up, and what it sent."""

    def __init__(self, scope="ax25", **options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        values = {"port": free, "transmit": True, **options}
        self.app = KissServer.as_asgi(options=parse_options(KissServerOptions, values, where="test"))
        self.port = self.app.options.port
        self.scope = {"type": scope, "device": "vhf"}
        self.events = asyncio.Queue()
        self.sent = []
        self.refuse = None
        self.task = None
        self.writers = []

    async def send(self, event):
        if self.refuse is not None:
            raise self.refuse
        self.sent.append(event)

    async def up(self):
        self.events.put_nowait({"type": f"{self.scope['type']}.connect"})
        self.task = asyncio.create_task(self.app(self.scope, self.events.get, self.send))
        await until(lambda: self.app.status_text().startswith("0 of "))

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def hear(self, event):
        self.events.put_nowait(event)

    async def client(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        name = "{}:{}".format(*writer.get_extra_info("sockname"))
        await until(lambda: name in self.app.status_text())
        return reader, writer

    async def down(self, code=1006):
        self.events.put_nowait({"type": f"{self.scope['type']}.disconnect", "code": code, "reason": ""})
        await asyncio.wait_for(self.task, LIMIT)

    async def stop(self):
        if self.task is not None and not self.task.done():
            await self.down(1012)
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def make():
    benches = []

    async def build(*arguments, up=True, **options):
        benches.append(bench := Bench(*arguments, **options))
        if up:
            await bench.up()
        return bench

    yield build
    for bench in benches:
        await bench.stop()


async def read(reader, data):
    assert await asyncio.wait_for(reader.readexactly(len(data)), LIMIT) == data


async def test_every_client_hears_every_frame_with_its_radio_port(make):
    bench = await make()
    clients = [await bench.client() for _ in range(3)]
    bench.hear(heard("one"))
    bench.hear(heard("two", port=12))
    for reader, _ in clients:
        await read(reader, encode_kiss(raw_frame("one")))
        await read(reader, b"\xc0\xdb\xdc" + raw_frame("two") + b"\xc0")  # port 12 is C0, which is stuffed
    assert "3 of 4 clients" in bench.app.status_text()
    assert bench.app.status_text().count("(2 to it, 0 from it)") == 3


async def test_a_clients_frames_are_sent_whole_and_in_order_however_they_are_cut(make):
    bench = await make()
    _, writer = await bench.client()
    stream = encode_kiss(raw_frame("one")) + encode_kiss(SABM) + b"\xc0\x20" + raw_frame("port 2") + b"\xc0"
    for at in range(len(stream)):
        writer.write(stream[at : at + 1])
        await writer.drain()
    await until(lambda: len(bench.sent) == 3)
    assert bench.sent == [
        {"type": "ax25.send", "port": 0, "raw": raw_frame("one")},
        {"type": "ax25.send", "port": 0, "raw": SABM},
        {"type": "ax25.send", "port": 2, "raw": raw_frame("port 2")},
    ]
    await until(lambda: "3 from it)" in bench.app.status_text())


async def test_on_an_aprs_feed_packets_are_sent_by_their_parts_and_nothing_else_is(make):
    bench = await make("aprs")
    _, writer = await bench.client()
    writer.write(encode_kiss(SABM) + encode_kiss(raw_frame(">hello", path=("QQ1DIG*", "WIDE2-1"))))
    await until(lambda: "1 from it, 1 ignored" in bench.app.status_text())
    (event,) = bench.sent
    assert event == {
        "type": "aprs.send",
        "port": 0,
        "source": "QQ1EDG-7",
        "destination": "APZSIM",
        "via": ["QQ1DIG*", "WIDE2-1"],
        "info": b">hello",
    }


async def test_clients_only_listen_until_a_person_says_otherwise(make):
    assert KissServerOptions().transmit is False
    assert KissServerOptions().listen == "127.0.0.1"
    bench = await make(transmit=False)
    reader, writer = await bench.client()
    writer.write(encode_kiss(raw_frame("no")))
    await until(lambda: "0 from it, 1 ignored" in bench.app.status_text())
    bench.hear(heard("still served"))
    await read(reader, encode_kiss(raw_frame("still served")))
    assert bench.sent == []


async def test_parameters_noise_and_what_is_no_frame_are_ignored_and_harm_nobody(make):
    bench = await make()
    _, writer = await bench.client()
    parameters = b"".join(bytes((0xC0, command, 50, 0xC0)) for command in (1, 2, 3, 4, 5, 6))
    writer.write(b"\xff\x00noise" + parameters + b"\xc0\xff\xc0" + encode_kiss(b"no ax25") + b"\xc0\xc0")
    writer.write(encode_kiss(raw_frame("good")))
    await until(lambda: len(bench.sent) == 1)
    await until(lambda: "1 from it, 8 ignored" in bench.app.status_text())


async def test_a_frame_that_the_device_cannot_send_is_counted_and_the_client_stays(make):
    bench = await make()
    _, writer = await bench.client()
    bench.refuse = LocalProtocolError("too long")
    writer.write(encode_kiss(raw_frame("one")))
    await until(lambda: "1 ignored" in bench.app.status_text())
    bench.refuse = None
    writer.write(encode_kiss(raw_frame("two")))
    await until(lambda: len(bench.sent) == 1)


async def test_a_client_that_leaves_in_the_middle_of_a_frame_leaves_nothing_behind(make):
    bench = await make()
    _, writer = await bench.client()
    writer.write(encode_kiss(raw_frame("half"))[:10])
    await writer.drain()
    writer.close()
    await until(lambda: "0 of 4" in bench.app.status_text())
    _, other = await bench.client()
    other.write(encode_kiss(raw_frame("whole")))
    await until(lambda: len(bench.sent) == 1)
    assert bench.sent[0]["raw"] == raw_frame("whole")


async def test_a_hundred_who_knock_at_a_full_port_harm_nobody_and_are_logged_once(make, caplog):
    bench = await make(clients=2)
    clients = [await bench.client(), await bench.client()]

    async def knock():
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), LIMIT) == b""
        writer.close()

    await asyncio.gather(*(knock() for _ in range(100)))
    assert "2 of 2 clients" in bench.app.status_text()
    assert "; 100 turned away" in bench.app.status_text()
    assert sum("turned away" in record.message for record in caplog.records) == 1
    bench.hear(heard("one"))
    for reader, _ in clients:
        await read(reader, encode_kiss(raw_frame("one")))
    clients[0][1].close()
    await until(lambda: "1 of 2 clients" in bench.app.status_text())
    await bench.client()


async def test_one_that_does_not_read_misses_frames_and_is_cut_and_its_neighbour_misses_none(make, monkeypatch, caplog):
    monkeypatch.setattr(kiss_server, "MAX_WAITING", 4096)
    bench = await make()
    reader, _ = await bench.client()
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    stuck.connect(("127.0.0.1", bench.port))
    await until(lambda: "2 of 4" in bench.app.status_text())
    told = ""
    for number in range(100_000):
        bench.hear(heard(f"{number:0250}"))
        await read(reader, encode_kiss(raw_frame(f"{number:0250}")))
        if "1 of 4" in (status := bench.app.status_text()):
            break
        told = status
    assert f"{MAX_MISSED - 1} missed" in told
    assert "missed) reads nothing and is cut" in caplog.text
    stuck.close()


async def test_what_waits_for_a_client_is_bounded():
    assert 2 * 2048 < MAX_WAITING < 100_000  # the longest frame, each byte escaped, finds room


async def test_a_flood_is_read_at_the_pace_of_the_allowance(make, monkeypatch):
    naps = []
    real = asyncio.sleep

    async def sleep(seconds):
        naps.append(seconds)
        await real(0)

    monkeypatch.setattr(kiss_server.asyncio, "sleep", sleep)
    bench = await make()
    reader, writer = await bench.client()
    writer.write(encode_kiss(raw_frame("flood")) * 200)
    await until(lambda: len(bench.sent) == 200)
    assert sum(nap > 0 for nap in naps) >= 200 - BURST - 20
    bench.hear(heard("served meanwhile"))
    await read(reader, encode_kiss(raw_frame("served meanwhile")))


def test_an_allowance_is_a_burst_and_then_a_rate():
    allowance = Allowance(now=100.0)
    assert [allowance.take(1, 100.0) for _ in range(int(BURST))] == [0.0] * int(BURST)
    assert allowance.take(1, 100.0) == pytest.approx(1 / RATE)
    assert allowance.take(1, 100.0) == pytest.approx(2 / RATE)
    assert allowance.take(0, 100.0 + 2 / RATE) == pytest.approx(0)
    assert [allowance.take(1, 10_000.0) for _ in range(int(BURST) + 1)][-2:] == [0.0, pytest.approx(1 / RATE)]


async def test_a_link_that_goes_takes_its_clients_and_its_port_with_it_and_the_next_opens_it_again(make):
    bench = await make()
    reader, _ = await bench.client()
    await bench.down()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(1), LIMIT) == b""
    assert not bench.listens()
    assert bench.app.status_text() == ""
    await bench.up()
    await bench.client()


async def test_it_stops_at_once_although_a_client_is_being_paced_and_another_waits_for_the_tnc(make):
    bench = await make()
    waiting = asyncio.Event()
    never = asyncio.Event()

    async def send(_event):
        waiting.set()
        await never.wait()

    bench.send = send
    await bench.down()
    await bench.up()
    _, writer = await bench.client()
    writer.write(encode_kiss(raw_frame("x")) * 5)
    _, other = await bench.client()
    other.write(b"\x00" * 4096 * 80)
    await asyncio.wait_for(waiting.wait(), LIMIT)
    async with asyncio.timeout(kiss_server.CLOSING * 5):
        await bench.down()
    assert not [task for task in asyncio.all_tasks() if "kiss-server" in task.get_name()]


async def test_a_port_in_use_is_told_in_plain_words_and_opened_once_it_is_free(make, monkeypatch):
    monkeypatch.setattr(kiss_server, "RETRY", 0.05)
    bench = await make(up=False)
    other = socket.create_server(("127.0.0.1", bench.port))
    bench.events.put_nowait({"type": "ax25.connect"})
    bench.task = asyncio.create_task(bench.app(bench.scope, bench.events.get, bench.send))
    await until(lambda: "in use" in bench.app.status_text())
    where = f"127.0.0.1:{bench.port}"
    assert bench.app.status_text() == f"{where} is in use by another program; tried again every 0.05 s"
    bench.hear(heard("to nobody"))
    other.close()
    await until(lambda: bench.app.status_text() == f"0 of 4 clients on {where}")
    await bench.client()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"listen": "203.0.113.9"}, "this box has no address 203.0.113.9; tried again every 5 s"),
        ({"listen": "no.such.name.invalid"}, "the name no.such.name.invalid is not known; tried again every 5 s"),
    ],
)
async def test_a_place_to_listen_that_is_none_is_told(make, options, words):
    bench = await make(up=False, **options)
    bench.events.put_nowait({"type": "ax25.connect"})
    bench.task = asyncio.create_task(bench.app(bench.scope, bench.events.get, bench.send))
    await until(lambda: bench.app.status_text() == words)
