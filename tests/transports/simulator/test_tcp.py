"""A simulated program TNC on TCP, by a plain socket."""

import asyncio

import pytest

from transports.simulator.firmware import FAMILIES
from transports.simulator.tnc import SimulatedTnc

LIMIT = 10
HI = bytes.fromhex("82a0b4a6929ae0 a2a26286826473 03f0 3e6869")


@pytest.fixture
async def tnc():
    async with SimulatedTnc("tcp://127.0.0.1:0", firmware=FAMILIES["direwolf"]()) as tnc:
        yield tnc


async def client(tnc):
    host, _, port = tnc.link.removeprefix("tcp://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def read(reader, count):
    async with asyncio.timeout(LIMIT):
        return await reader.readexactly(count)


async def test_frames_go_both_ways_and_questions_are_answered(tnc):
    assert not tnc.hear(HI)
    reader, writer = await client(tnc)
    await tnc.wait_for_host()
    assert tnc.hear(HI)
    assert await read(reader, len(HI) + 3) == b"\xc0\x00" + HI + b"\xc0"
    writer.write(b"\xc0\x00" + HI + b"\xc0\xc0\x06TNC:\xc0")
    assert await tnc.next_sent() == HI
    assert await read(reader, 15) == b"\xc0\x06DIREWOLF 1.6\xc0"
    writer.close()


async def test_a_second_client_is_turned_away_and_the_first_may_come_again(tnc):
    _, first = await client(tnc)
    await tnc.wait_for_host()
    reader, second = await client(tnc)
    async with asyncio.timeout(LIMIT):
        assert await reader.read() == b""
    second.close()
    first.close()
    async with asyncio.timeout(LIMIT):
        while tnc.hear(HI):
            await asyncio.sleep(0.01)
    _, third = await client(tnc)
    await tnc.wait_for_host()
    assert tnc.hear(HI)
    third.close()


async def test_when_it_ends_the_client_is_told_and_it_comes_back_at_the_same_port(tnc):
    link = tnc.link
    reader, writer = await client(tnc)
    await tnc.wait_for_host()
    tnc.unplug()
    async with asyncio.timeout(LIMIT):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await client(tnc)
    assert tnc.replug() == link
    _, writer = await client(tnc)
    await tnc.wait_for_host()
    writer.close()


async def test_towards_a_client_that_does_not_read_memory_is_bounded(tnc):
    reader, writer = await client(tnc)
    await tnc.wait_for_host()
    reader._transport.pause_reading()
    for _ in range(30_000):  # 16 MB, more than the kernel keeps for both ends
        tnc.hear(HI * 20)
    assert tnc.dropped
    reader._transport.resume_reading()
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(tnc._port.wait_for_room(), reader.read(100_000))
    writer.close()
