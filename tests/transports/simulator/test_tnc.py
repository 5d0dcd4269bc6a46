import asyncio
import termios
import tty

import pytest

from transports.simulator.air import Air
from transports.simulator.talker import Talker
from transports.simulator.tnc import SimulatedTnc, What

# By hand: QQ1CA2-9>APZSIM:>hi, see test_packets.
HI = bytes.fromhex("82a0b4a6929ae0 a2a26286826473 03f0 3e6869")
# QQ1EDG>APZEDG::QQ1MIA-7 :hi{5
TO_MIA = bytes.fromhex("82a0b48a888ee0 a2a2628a888e61 03f0") + b":QQ1MIA-7 :hi{5"


@pytest.fixture
async def tnc(tmp_path):
    async with SimulatedTnc(tmp_path / "tnc") as tnc:
        yield tnc


async def test_the_host_hears_the_air_in_kiss(tnc, open_host):
    host = open_host(tnc.link)
    assert tnc.hear(HI)
    assert tnc.hear(b"\xc0\xdb", port=5)
    await host.until(lambda: host.data == b"\xc0\x00" + HI + b"\xc0" + b"\xc0\x50\xdb\xdc\xdb\xdd\xc0")
    assert tnc.counts.heard == 2


async def test_the_air_hears_the_host(tnc, open_host):
    open_host(tnc.link).write(b"\xc0\x00one\xc0\xc0\x00tw\xdb\xdco\xc0")
    assert [await tnc.next_sent(), await tnc.next_sent()] == [b"one", b"tw\xc0o"]
    assert list(tnc.sent) == [b"one", b"tw\xc0o"]
    with pytest.raises(TimeoutError):
        await tnc.next_sent(timeout=0.01)


async def test_parameters_are_kept_and_nonsense_is_counted(tnc, open_host, eventually):
    open_host(tnc.link).write(b"\xc0\x01\x28\xc0\xc0\x12\x3f\xc0\xc0\xff\xc0\xc0\x0e\xc0\xc0\x00\xc0")
    await eventually(lambda: tnc.counts.strange == 2)
    assert tnc.parameters == {(0, "txdelay"): b"\x28", (1, "persistence"): b"\x3f"}
    assert not tnc.sent


async def test_what_the_host_sends_faster_than_a_test_looks_is_bounded(tnc, open_host, eventually):
    host = open_host(tnc.link)
    for number in range(1100):
        host.write(b"\xc0\x00%04d\xc0" % number)
        if number % 100 == 99:
            await eventually(lambda number=number: tnc.counts.sent == number + 1)
    assert (len(tnc.sent), tnc.sent[0]) == (1000, b"0100")
    assert await tnc.next_sent() == b"0100"


async def test_the_tnc_sees_the_speed_that_the_host_sets(tnc, open_host):
    host = open_host(tnc.link)
    settings = termios.tcgetattr(host.fd)
    assert not settings[tty.LFLAG] & (termios.ICANON | termios.ECHO)  # raw, though this host has not asked for it
    settings[tty.ISPEED] = settings[tty.OSPEED] = termios.B9600
    termios.tcsetattr(host.fd, termios.TCSANOW, settings)
    assert tnc.speed == termios.B9600


async def test_a_frame_that_nobody_is_there_for_is_counted(tnc):
    assert not tnc.hear(HI)
    assert tnc.counts.unheard == 1


async def test_hosts_come_and_go(tnc, open_host):
    for _ in range(3):
        host = open_host(tnc.link)
        await tnc.wait_for_host()
        tnc.hear(HI)
        await host.until(lambda host=host: host.frames == [HI])
        host.write(b"\xc0\x00hello\xc0")
        assert await tnc.next_sent() == b"hello"
        host.close()


async def test_a_flood_loses_nothing_and_waits_for_the_host(tnc, open_host):
    frames = [b"%05d" % number * 12 for number in range(5000)]
    flood = asyncio.create_task(tnc.flood(frames))
    host = open_host(tnc.link)
    async with asyncio.timeout(10):
        assert await flood == 5000
    await host.until(lambda: len(host.data) == 5000 * 63)
    assert host.frames == frames
    assert tnc.dropped == 0


async def test_a_host_that_does_not_read_loses_the_oldest(tnc, open_host):
    host = open_host(tnc.link)
    host.stop_reading()
    for number in range(1000):
        tnc.hear(b"%04d" % number * 16)
    assert tnc.dropped > 500
    host.write(b"\xc0\x00still listening\xc0")
    assert await tnc.next_sent() == b"still listening"


async def test_the_cable_is_pulled_in_the_middle_of_a_frame(tnc, open_host):
    host = open_host(tnc.link)
    await tnc.unplug_after(b"\xc0\x00" + HI[:9])
    await host.until(lambda: host.gone)
    assert bytes(host.data) == b"\xc0\x00" + HI[:9]
    assert not tnc.link.is_symlink()
    assert not tnc.hear(HI)
    assert tnc.speed == 0


async def test_a_half_frame_of_before_the_unplugging_is_forgotten(tnc, open_host, eventually):
    old = tnc.device
    events = []
    tnc._on_event = events.append
    open_host(tnc.link).write(b"\xc0\x01\x28\xc0\xc0\x00half")
    await eventually(lambda: tnc.parameters)
    tnc.unplug()
    assert tnc.replug() == tnc.device != old
    host = open_host(tnc.link)
    host.write(b"\xc0\x00whole\xc0")
    assert await tnc.next_sent() == b"whole"
    assert [event.what for event in events][-4:] == [What.UNPLUGGED, What.PLUGGED, What.OPENED, What.SENT]


async def test_noise_between_frames_leaves_the_frames_whole(tmp_path, open_host):
    async with SimulatedTnc(tmp_path / "tnc", noise=1.0, seed=3) as tnc:
        host = open_host(tnc.link)
        for _ in range(50):
            tnc.hear(HI)
        await host.until(lambda: host.data.count(b"\xc0\x00" + HI + b"\xc0") == 50)
        assert len(host.data) > 50 * (len(HI) + 3)


async def test_the_air_plays_and_answers(tmp_path, open_host):
    air = Air(seed=1, rate=6000, people=[Talker("QQ1MIA-7", "QQ1EDG")])
    async with SimulatedTnc(tmp_path / "tnc", air) as tnc:
        host = open_host(tnc.link)
        await host.until(lambda: len(host.frames) > 20)
        host.write(b"\xc0\x00" + TO_MIA + b"\xc0")
        await host.until(lambda: any(frame.endswith(b":QQ1EDG   :ack5") for frame in host.frames))
    assert list(air.people[0].inbox) == [("QQ1EDG", "hi")]


async def test_what_goes_wrong_on_the_air_is_raised_at_the_end(tmp_path, eventually):
    class Broken(Air):
        def tick(self, now):
            raise ZeroDivisionError

    tnc = SimulatedTnc(tmp_path / "tnc", Broken())
    await tnc.start()
    await eventually(tnc._player.done)
    with pytest.raises(ZeroDivisionError):
        await tnc.close()
    await tnc.close()
    assert not tnc.link.is_symlink()
