import asyncio
import fcntl
import os
import termios
import time
from pathlib import Path

import pytest

from transports.simulator.port import PtyPort, open_raw_pty, publish, withdraw


@pytest.fixture
async def port(tmp_path):
    got = []
    port = PtyPort(tmp_path / "tnc", on_bytes=got.append, on_host=got.append)
    port.got = got
    port.plug()
    yield port
    port.unplug()


def test_a_link_is_replaced_and_a_real_file_is_not(tmp_path):
    link, file = tmp_path / "link", tmp_path / "file"
    publish(link, "/dev/pts/1")
    publish(link, "/dev/pts/2")
    assert link.readlink() == Path("/dev/pts/2")
    file.touch()
    with pytest.raises(FileExistsError, match="not a symlink"):
        publish(file, "/dev/pts/1")
    assert sorted(tmp_path.iterdir()) == [file, link]


def test_a_link_that_has_become_somebody_elses_stays(tmp_path):
    link = tmp_path / "link"
    publish(link, "/dev/pts/2")
    withdraw(link, "/dev/pts/1")
    assert link.is_symlink()
    withdraw(link, "/dev/pts/2")
    withdraw(link, "/dev/pts/2")
    assert not link.is_symlink()


def test_a_pty_can_be_had_under_another_name():
    first, name = open_raw_pty()
    os.close(first)
    second, other = open_raw_pty(avoid=name)
    os.close(second)
    assert name.startswith("/dev/pts/")
    assert other != name


async def test_a_link_that_cannot_be_made_leaves_no_pty(tmp_path):
    port = PtyPort(tmp_path / "missing" / "tnc", on_bytes=print, on_host=print)
    with pytest.raises(FileNotFoundError):
        port.plug()
    assert not port.plugged


async def test_bytes_pass_both_ways_untouched(port, open_host, eventually):
    every = bytes(range(256))
    host = open_host(port.link)
    assert port.put(every)
    await host.until(lambda: host.data == every)
    host.write(every)
    await eventually(lambda: port.got == [True, every])


async def test_what_no_host_is_there_for_is_not_kept(port, open_host):
    assert not port.put(b"early")
    host = open_host(port.link)
    assert port.put(b"now")
    await host.until(lambda: host.data == b"now")


async def test_the_next_host_does_not_get_what_the_last_one_left(port, open_host, eventually):
    first = open_host(port.link)
    first.stop_reading()
    port.put(b"left")
    first.close()
    await eventually(lambda: port.got == [True, False])
    second = open_host(port.link)
    port.put(b"fresh")
    await second.until(lambda: second.data == b"fresh")


async def test_a_host_that_locked_the_port_and_went_does_not_lock_out_the_next(port, open_host, eventually):
    first = open_host(port.link)
    fcntl.ioctl(first.fd, termios.TIOCEXCL)
    await eventually(lambda: port.got == [True])
    first.close()
    await eventually(lambda: port.got == [True, False])
    second = open_host(port.link)
    port.put(b"open")
    await second.until(lambda: second.data == b"open")


async def test_a_closed_port_costs_next_to_nothing(port, open_host, eventually):
    open_host(port.link).close()
    await eventually(lambda: not port.put(b""))
    before = time.process_time()
    await asyncio.sleep(0.5)  # the time over which we measure
    assert time.process_time() - before < 0.1


async def test_a_host_that_does_not_read_costs_frames_and_not_time(port, open_host):
    host = open_host(port.link)
    host.stop_reading()
    begin = time.monotonic()
    for number in range(2000):
        assert port.put(b"%04d" % number * 16)
    assert time.monotonic() - begin < 2
    assert port.outbox.dropped > 1000
    assert port.outbox.size <= 4096
    host.data += os.read(host.fd, 4096)
    asyncio.get_running_loop().add_reader(host.fd, host._read)
    await host.until(lambda: host.data.endswith(b"1999" * 16))
    assert len(host.data) % 64 == 0  # whole frames only


async def test_room_is_there_once_the_host_has_read(port, open_host):
    host = open_host(port.link)
    host.stop_reading()
    while not port.outbox.size:
        port.put(b"x" * 1000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await port.wait_for_room()
    asyncio.get_running_loop().add_reader(host.fd, host._read)
    async with asyncio.timeout(5):
        await port.wait_for_room()
    assert not port.outbox.size


async def test_unplugging_hangs_the_host_up_and_takes_the_link_away(port, open_host):
    host = open_host(port.link)
    port.put(b"half")
    await host.until(lambda: host.data)
    port.unplug()
    port.unplug()
    assert not port.link.is_symlink()
    assert not port.put(b"more")
    await host.until(lambda: host.gone)
    assert host.data == b"half"


async def test_plugging_in_again_gives_another_device_under_the_same_link(port, open_host):
    old = port.device
    port.unplug()
    new = port.plug()
    assert port.plug() == new != old
    assert str(port.link.readlink()) == new
    host = open_host(port.link)
    port.put(b"back")
    await host.until(lambda: host.data == b"back")
