import asyncio
import contextlib
import errno
import os
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest
import serial

from edge.errors import ConfigError, LinkLost
from transports import links
from transports.links import WRITE_LIMIT, MemoryPort, open_link
from transports.simulator.tnc import SimulatedTnc

LIMIT = 10  # seconds; no wait here is longer


class Receiver:
    def __init__(self):
        self.data = bytearray()
        self.reasons = []

    def received(self, data):
        self.data += data

    def lost(self, reason):
        self.reasons.append(reason)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
async def opened(receiver):
    """Give a function that opens a link; what is open at the end is closed, within bounds."""
    found = []

    async def open_(url, **options):
        link = await asyncio.wait_for(open_link(url, receiver, **options), LIMIT)
        found.append(link)
        return link

    yield open_
    for link in found:
        await asyncio.wait_for(link.close(), LIMIT)


@contextlib.asynccontextmanager
async def heartbeat():
    """Measure the longest time for which the loop did not turn."""
    longest = 0.0

    async def beat():
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    task = asyncio.create_task(beat())
    yield lambda: longest
    task.cancel()


@pytest.fixture
def stalled(pty):
    """A port that takes nothing, its kernel's buffer full."""
    with open(pty.path, "wb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NOCTTY)) as port:
        os.set_blocking(port.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while port.write(b"x" * 1024):
                pass
        yield pty


async def open_error(url):
    with pytest.raises((LinkLost, ConfigError)) as caught:
        await asyncio.wait_for(open_link(url, Receiver()), LIMIT)
    return caught.type, str(caught.value)


async def test_a_serial_port_gives_and_takes_bytes(pty, opened, receiver, until):
    link = await opened(f"serial://{pty.path}", baud=1200)
    assert link.name == pty.path
    pty.feed(b"hello")
    await until(lambda: receiver.data == b"hello")
    link.write(b"world")
    taken = bytearray()
    await until(lambda: taken.extend(pty.read()) or taken == b"world")
    assert termios.tcgetattr(pty.master)[4] == termios.B1200


async def test_tcp_gives_and_takes_bytes(peer, opened, receiver, until):
    link = await opened(peer.url)
    assert link.name == f"127.0.0.1:{peer.port}"
    await until(lambda: peer.connections)
    peer.feed(b"hello")
    await until(lambda: receiver.data == b"hello")
    link.write(b"world")
    await until(lambda: peer.received == b"world")
    of = link._transport.get_extra_info("socket").getsockopt
    assert of(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, between, count = (
        of(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + between * count == links.DEAD_PEER  # a peer that is gone, and nothing is on its way to it
    assert of(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == links.DEAD_PEER * 1000  # and where something is


@pytest.mark.parametrize("port", ["", ":{}"])
async def test_agwpe_is_tcp_with_a_port_of_its_own(peer, opened, monkeypatch, port):
    assert links.AGWPE_PORT == 8000
    monkeypatch.setattr(links, "AGWPE_PORT", peer.port)
    assert (await opened(f"agwpe://127.0.0.1{port.format(peer.port)}")).name == f"127.0.0.1:{peer.port}"


async def test_memory_gives_and_takes_bytes(opened, receiver):
    port = MemoryPort("bench")
    link = await opened("memory://bench")
    port.feed(b"hello")
    assert receiver.data == b"hello"
    link.write(b"world")
    assert port.written == b"world"
    port.remove()


async def test_a_missing_port_is_waited_for(tmp_path):
    assert await open_error(f"serial://{tmp_path}/ttyUSB9") == (
        LinkLost,
        f"{tmp_path}/ttyUSB9 is not there (unplugged?)",
    )


async def test_a_folder_is_no_port(tmp_path):
    kind, words = await open_error(f"serial://{tmp_path}")
    assert kind is ConfigError
    assert words == f"{tmp_path} is a folder; expected a serial port such as /dev/ttyUSB0"


@pytest.mark.parametrize("name", ["file", "ttyS25"])
async def test_a_file_is_no_port(tmp_path, name):
    (tmp_path / name).touch()
    kind, words = await open_error(f"serial://{tmp_path}/{name}")
    assert kind is ConfigError
    assert words == f"{tmp_path}/{name} is not a serial port; expected something such as /dev/ttyUSB0"


async def test_a_port_in_use_is_waited_for(pty, opened):
    await opened(f"serial://{pty.path}")
    assert await open_error(f"serial://{pty.path}") == (LinkLost, f"{pty.path} is in use by another device of this box")


async def test_a_port_of_another_group_names_the_group(monkeypatch):
    def refuse(*_, **__):  # root, who may run these tests, may open everything
        raise serial.SerialException(errno.EACCES, "could not open port /dev/ttyS0")

    monkeypatch.setattr(serial, "Serial", refuse)
    kind, words = await open_error("serial:///dev/ttyS0")
    assert (kind, words.startswith("no permission to open /dev/ttyS0; ")) == (LinkLost, True)


async def test_tcp_refused_asks_for_the_program_behind_it():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for host in ("127.0.0.1", "localhost"):  # the second may have two addresses, which asyncio tells in its own way
        kind, words = await open_error(f"tcp://{host}:{port}")
        assert (kind, words) == (LinkLost, f"{host}:{port} refused the connection; does the program behind it run?")


async def test_a_host_name_that_cannot_be_is_told():
    kind, words = await open_error(f"tcp://{'x' * 70}.example:8001")
    assert (kind, "names no host" in words) == (ConfigError, True)


async def test_a_name_that_is_not_known_is_waited_for(monkeypatch):
    async def getaddrinfo(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    assert await open_error("tcp://tnc.example:8001") == (LinkLost, "the name in tnc.example:8001 is not known")


async def test_a_memory_port_is_there_once(opened):
    assert await open_error("memory://bench") == (LinkLost, "memory://bench is not there")
    port = MemoryPort("bench")
    await opened("memory://bench")
    assert await open_error("memory://bench") == (LinkLost, "memory://bench is in use")
    port.remove()


async def test_another_scheme_lists_those_there_are():
    kind, words = await open_error("udp://localhost:1")
    assert (kind, words) == (ConfigError, "expected serial://, usb://, tcp://, agwpe://, memory://; got udp://")


async def test_an_open_that_hangs_is_given_up_and_the_port_closed_when_it_opens_after_all(monkeypatch, until):
    go, opened = threading.Event(), []

    class Slow:
        def __init__(self, *_, **__):
            go.wait(LIMIT)
            opened.append(self)
            self.is_open = True

        def close(self):
            self.is_open = False

    monkeypatch.setattr(serial, "Serial", Slow)
    monkeypatch.setattr(links, "OPEN_TIMEOUT", 0.05)
    kind, words = await open_error("serial:///dev/slow")
    assert (kind, words) == (LinkLost, "/dev/slow did not open within 0.05 s")
    go.set()
    await until(lambda: opened and not opened[0].is_open)


@pytest.mark.parametrize("partial", [b"", b"half a fra"])
async def test_a_port_that_is_unplugged_is_lost_once_and_a_write_says_so(pty, opened, receiver, until, partial):
    link = await opened(f"serial://{pty.path}")
    if partial:
        pty.feed(partial)
        await until(lambda: receiver.data == partial)
    pty.lose()
    await until(lambda: receiver.reasons)
    assert receiver.reasons == ["the port is gone (unplugged?)"]
    with pytest.raises(LinkLost, match="the port is gone"):
        link.write(b"x")
    with pytest.raises(LinkLost, match="the port is gone"):
        await link.drain()
    link.pause()
    link.resume()
    await link.close()
    assert receiver.reasons == ["the port is gone (unplugged?)"]


async def test_closing_at_the_very_moment_of_the_loss_is_quiet(pty, opened, receiver, until, caplog):
    link = await opened(f"serial://{pty.path}")
    pty.lose()
    link._transport._read_ready()  # asyncio has seen it, and has not told yet
    with pytest.raises(LinkLost, match="closing"):
        link.write(b"x")
    async with asyncio.timeout(LIMIT):
        await link.close()  # in this same turn of the loop
    assert len(receiver.reasons) == 1
    assert caplog.text == ""


@pytest.mark.parametrize("lose", ["lose", "remove"])
async def test_memory_that_is_lost_is_like_a_port(opened, receiver, until, lose):
    port = MemoryPort("bench")
    link = await opened("memory://bench")
    getattr(port, lose)()
    await until(lambda: receiver.reasons == ["the port is gone (unplugged?)"])
    with pytest.raises(LinkLost):
        link.write(b"x")
    with pytest.raises(LinkLost, match="is not open"):
        port.feed(b"x")
    port.remove()


async def test_tcp_that_is_closed_or_reset_is_lost_once(peer, opened, receiver, until):
    link = await opened(peer.url)
    await until(lambda: peer.connections)
    peer.connections[-1].close()
    await until(lambda: receiver.reasons)
    assert receiver.reasons == ["closed by the other side"]
    with pytest.raises(LinkLost, match="closed by the other side"):
        link.write(b"x")


async def test_a_link_that_is_not_read_leaves_the_bytes_to_the_far_side(pty, opened, receiver, until):
    link = await opened(f"serial://{pty.path}")
    link.pause()
    pty.feed(b"hello")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert receiver.data == b""
    link.resume()
    await until(lambda: receiver.data == b"hello")


async def test_memory_that_is_not_read_waits(opened, receiver):
    port = MemoryPort("bench")
    link = await opened("memory://bench")
    link.pause()
    link.pause()
    port.feed(b"hello")
    assert receiver.data == b""
    link.resume()
    assert receiver.data == b"hello"
    port.remove()


async def test_drain_does_not_wait_for_a_port_that_takes_what_it_gets(pty, opened):
    link = await opened(f"serial://{pty.path}")
    link.write(b"x" * 100)
    await asyncio.wait_for(link.drain(), 1)


async def test_a_port_that_takes_nothing_is_given_up(stalled, opened, receiver, monkeypatch, until):
    monkeypatch.setattr(links, "DRAIN_TIMEOUT", 0.1)
    link = await opened(f"serial://{stalled.path}")
    async with heartbeat() as longest:
        for _ in range(WRITE_LIMIT // 100 + 1):
            link.write(b"x" * 100)
        with pytest.raises(LinkLost, match=r"took nothing for 0.1 s"):
            await asyncio.wait_for(link.drain(), LIMIT)
        with pytest.raises(LinkLost, match=r"took nothing for 0.1 s"):
            link.write(b"x")
        await until(lambda: receiver.reasons == ["took nothing for 0.1 s"])
        assert longest() < 0.5


async def test_several_who_wait_for_a_port_that_takes_nothing_are_all_told(stalled, opened, monkeypatch):
    monkeypatch.setattr(links, "DRAIN_TIMEOUT", 0.1)
    link = await opened(f"serial://{stalled.path}")
    link.write(b"x" * 2 * WRITE_LIMIT)
    async with asyncio.timeout(LIMIT):
        told = await asyncio.gather(*(link.drain() for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [LinkLost] * 3


async def test_a_slow_port_is_waited_for(stalled, opened, monkeypatch):
    monkeypatch.setattr(links, "DRAIN_TIMEOUT", 0.4)
    link = await opened(f"serial://{stalled.path}")
    link.write(b"y" * 200_000)
    draining, began = asyncio.create_task(link.drain()), time.monotonic()
    async with asyncio.timeout(LIMIT):
        while not draining.done():
            with contextlib.suppress(BlockingIOError):
                os.read(stalled.master, 4000)
            await asyncio.sleep(0.02)  # 200 kB/s at most
    await draining
    assert time.monotonic() - began > 2 * 0.4


async def test_closing_a_port_that_takes_nothing_is_bounded_and_does_not_block_the_loop(stalled, opened, receiver):
    link = await opened(f"serial://{stalled.path}")
    link.write(b"x" * 10)
    flushed = []
    plain = link._port().reset_output_buffer
    link._port().reset_output_buffer = lambda: flushed.append(plain())
    async with heartbeat() as longest:
        began = time.monotonic()
        await asyncio.wait_for(link.close(), LIMIT)
        assert links.CLOSE_TIMEOUT <= time.monotonic() - began < links.CLOSE_TIMEOUT + 1
        assert longest() < 0.5
    # A pty's tcdrain returns at once, a real port's does not: so it must find the kernel's buffer empty.
    assert flushed == [None]
    assert receiver.reasons == ["closed"]


async def test_what_the_kernel_still_holds_for_a_port_is_thrown_away_before_anything_drains_it(pty, opened):
    link = await opened(f"serial://{pty.path}")
    order = []
    port = link._port()
    plain_reset, plain_flush = port.reset_output_buffer, port.flush
    port.reset_output_buffer = lambda: order.append("reset") or plain_reset()
    port.flush = lambda: order.append("drain") or plain_flush()
    link.write(b"all of it goes out")
    await link.close()
    assert order == ["reset", "drain"]
    assert pty.read() == b"all of it goes out"


async def test_closing_writes_what_is_to_be_written(peer, opened, until):
    link = await opened(peer.url)
    link.write(b"x" * 100_000)
    await link.close()
    await until(lambda: len(peer.received) == 100_000)
    assert link.reason == "closed"
    await link.close()
    with pytest.raises(LinkLost):
        link.write(b"x")


async def test_closing_tcp_to_a_peer_that_reads_nothing_is_bounded(opened, receiver):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        link = await opened(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        link.write(b"x" * 30_000_000)
        began = time.monotonic()
        await asyncio.wait_for(link.close(), LIMIT)
        assert time.monotonic() - began < 2 * links.CLOSE_TIMEOUT + 1
        assert receiver.reasons == ["closed"]


async def test_a_port_is_free_again_after_its_link_was_closed(tmp_path, receiver):
    async with SimulatedTnc(tmp_path / "tnc") as tnc:
        for _ in range(3):
            link = await asyncio.wait_for(open_link(f"serial://{tnc.link}", receiver), LIMIT)
            await tnc.wait_for_host()
            await link.close()
        assert receiver.reasons == ["closed"] * 3


HOLD = (
    "import fcntl, os, sys; port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); "
    "fcntl.flock(port, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(pty):
    command = [sys.executable, "-c", HOLD, pty.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process.pid
        process.communicate()


async def test_a_port_that_another_program_has_is_refused_and_the_program_named(pty, holder):
    kind, words = await open_error(f"serial://{pty.path}")
    assert kind is LinkLost
    assert words.startswith(f"{pty.path} is in use by another program: ")
    assert f"(process {holder})" in words


STRANGER = """
import asyncio, concurrent.futures.thread, os, sys
from transports.links import open_link
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
class Nobody:
    def received(self, data): pass
    def lost(self, reason): pass
try:
    asyncio.run(open_link("serial://" + sys.argv[1], Nobody()))
except OSError as error:
    print(error)
"""


def test_a_port_of_a_group_that_this_user_is_not_in_names_the_group(pty):
    port = Path(pty.path)
    port.chmod(0o060 if os.getuid() == 0 else 0o000)
    done = subprocess.run([sys.executable, "-c", STRANGER, pty.path], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"no permission to open {pty.path}; "), done.stderr
    if os.getuid() == 0:
        assert f"the group {port.group()} owns it: sudo usermod -aG {port.group()} " in done.stdout


async def test_a_pty_that_is_another_programs_by_now_is_not_opened(pty, tmp_path):
    name = tmp_path / "kisstnc"
    name.symlink_to(pty.path)
    os.utime(name, (0, 0), follow_symlinks=False)
    kind, words = await open_error(f"serial://{name}")
    assert kind is LinkLost
    assert words.startswith(f"{name} is not opened: {pty.path} is younger than the name that points at it")


async def test_a_port_that_went_is_let_go_and_never_written_to_again(pty, opened, receiver, until):
    link = await opened(f"serial://{pty.path}")
    assert pty.path in links.open_nodes()
    links.let_go("/dev/ttyUSB99")
    links.let_go(pty.path)
    with pytest.raises(LinkLost, match="the port is gone"):
        link.write(b"into the void")
    await until(lambda: receiver.reasons)
    assert receiver.reasons == ["the port is gone (unplugged?)"]
    assert pty.path not in links.open_nodes()


async def test_a_link_by_name_says_what_is_not_plugged_in():
    assert await open_error("usb://ffff:fffe/NOBODY") == (LinkLost, "usb://ffff:fffe/NOBODY is not there (unplugged?)")
    kind, words = await open_error("usb://nonsense")
    assert (kind, "as lsusb prints them" in words) == (ConfigError, True)
