"""aprx at the other end of the serial line: a digipeater that takes Edge for its TNC.

It hears what Edge sends, by its own KISS and its own AX.25, says so in its log, and sends it on with its own callsign
in the path; Edge hears that. Its call begins with Q, a prefix that nobody is given: it refuses N0CALL.
"""

import asyncio
import os
import tty

import pytest

from edge.desired import DeviceWish
from tests.scenarios.running import Process, eventually, short_folder

pytestmark = pytest.mark.needs("aprx")

CONFIGURATION = """mycall QQ1APX
<logging>
pidfile {folder}/aprx.pid
rflog {folder}/rf.log
aprxlog {folder}/aprx.log
</logging>
<interface>
serial-device {port} 9600 8n1 {flavour}
callsign QQ1APX
tx-ok true
</interface>
<digipeater>
transmitter QQ1APX
<source>
source QQ1APX
relay-type digipeated
</source>
</digipeater>
"""


class Cable:
    """A null-modem cable: two serial ports, and what has gone through it either way."""

    def __init__(self):
        ends = [os.openpty() for _ in range(2)]
        self._masters = [master for master, _ in ends]
        self._slaves = [slave for _, slave in ends]  # kept open, so that a port may be opened and closed at will
        self.ports = [os.ttyname(slave) for slave in self._slaves]
        self.carried = [bytearray(), bytearray()]  # from the first port, from the second
        for slave in self._slaves:
            tty.setraw(slave)
        for end in (0, 1):
            asyncio.get_running_loop().add_reader(self._masters[end], self._carry, end)

    def _carry(self, end):
        data = os.read(self._masters[end], 4096)
        self.carried[end] += data
        os.write(self._masters[1 - end], data)

    def cut(self):
        for master in self._masters:
            asyncio.get_running_loop().remove_reader(master)
        for number in (*self._masters, *self._slaves):
            os.close(number)


class Aprx(Process):
    """aprx with one serial interface; ``flavour`` is its word for the KISS that is spoken there."""

    def __init__(self, folder, port, flavour):
        (folder / "aprx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, flavour=flavour))
        super().__init__("aprx", "-i", "-f", folder / "aprx.conf", folder=folder, name="aprx")

    def logged(self, name):
        file = self.folder / f"{name}.log"
        return file.read_bytes() if file.exists() else b""


@pytest.fixture
async def cable():
    made = Cable()
    yield made
    made.cut()


@pytest.fixture
async def aprx(cable):
    """Give a function that starts an aprx at the second port of the cable."""
    with short_folder() as folder:
        running = []

        async def start(flavour):
            running.append(Aprx(folder, cable.ports[1], flavour))
            await eventually(lambda: b" opened" in running[0].logged("aprx"), running[0].words)
            return running[0]

        yield start
        for process in running:
            process.kill()


def wish(cable, **options):
    options = {"callsign": "QQ1EDG-1", "path": "WIDE1-1", **options}
    return DeviceWish(name="vhf", kind="aprs", link=f"serial://{cable.ports[0]}", transmit=True, options=options)


async def digipeats(aprx, supervisor, events, info):
    """Send a packet, and wait until aprx has logged it and Edge has heard it digipeated."""
    assert await supervisor.transmit("vhf", {"type": "aprs.send", "info": info}) == ""
    await eventually(
        lambda: any(event["info"] == info for event in events.get("vhf", ())),
        lambda: f"{info!r} in {events}; aprx logged {aprx.logged('rf')!r}, {aprx.logged('aprx')!r}",
    )
    event = events["vhf"][-1]
    assert (event["source"], event["via"], event["info"]) == ("QQ1EDG-1", ["QQ1APX*"], info)
    shown = "".join(chr(byte) if byte < 0x80 else f"<0xffffff{byte:02x}>" for byte in info)  # its way with signed bytes
    assert f" *QQ1EDG-1>APZEDG,WIDE1-1:{shown}\n".encode() in aprx.logged("rf")


async def test_aprx_digipeats_what_edge_sends_over_plain_kiss_and_edge_hears_it(aprx, cable, devices):
    digipeater = await aprx("KISS")
    supervisor, events = await devices(wish(cable))
    await digipeats(digipeater, supervisor, events, b"!5030.00N/01000.00E-to aprx and back")
    await digipeats(digipeater, supervisor, events, b">stuffed: \xc0 \xdb \xdb\xdc")
    assert cable.carried[0].startswith(b"\xc0\x00")  # plain data on port 0


@pytest.mark.parametrize("checksum", ["smack", "auto"])
async def test_frames_are_summed_both_ways_where_aprx_speaks_smack(checksum, aprx, cable, devices):
    """Set to auto, Edge begins plain; aprx offers SMACK by an empty frame that has a sum, and is answered in kind."""
    digipeater = await aprx("SMACK")
    supervisor, events = await devices(wish(cable, checksum=checksum))
    await digipeats(digipeater, supervisor, events, b">wake up")
    assert (b"\xc0\x80\x00\x61\xdb\xdc\xc0" in cable.carried[1]) == (checksum == "auto")  # the offer
    await digipeats(digipeater, supervisor, events, b"!5030.00N/01000.00E-summed \xc0 \xdb")
    assert b"Received SMACK frame" in digipeater.logged("aprx")
    for ways in cable.carried:
        [kind] = {frame[:1] for frame in bytes(ways).split(b"\xc0") if b"summed" in frame}
        assert kind == b"\x80"
    (status,) = supervisor.status()
    assert not status.counters.get("bad_checksum")
