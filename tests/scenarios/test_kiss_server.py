"""Other people's programs at our KISS port: Direwolf's kissutil, and aprx as a digipeater, behind the real gate."""

import asyncio
import contextlib
import subprocess

import pytest

from edge.desired import Desired, DeviceWish, RouteWish
from edge.supervisor import Supervisor
from tests.scenarios.running import SOON, Box, Workbench, eventually, frame, free_port, make_rows, short_folder, until
from transports.links import MemoryPort
from transports.simulator.kiss import encode_kiss
from transports.simulator.packets import decode_packet

SERVER = "transports.kiss_server.KissServer"

APRX = """mycall QQ1EDG-1
<logging>
  pidfile {folder}/aprx.pid
  rflog {folder}/rf.log
  aprxlog {folder}/aprx.log
</logging>
<interface>
  tcp-device 127.0.0.1 {port} KISS
  callsign QQ1EDG-1
  tx-ok true
</interface>
<digipeater>
  transmitter QQ1EDG-1
  <source>
    source QQ1EDG-1
  </source>
</digipeater>
"""


class Station:
    """A TNC in memory, and a supervisor that offers it to other programs."""

    def __init__(self, kind):
        self.kind = kind
        self.port = free_port()
        self.tnc = MemoryPort(f"kiss-server-{kind}")
        self.supervisor = Supervisor(layer=None)

    async def start(self, **options):
        device = DeviceWish(
            name="vhf",
            kind=self.kind,
            link=f"memory://{self.tnc.name}",
            transmit=True,
            options={"callsign": "QQ1EDG", **options},
        )
        route = RouteWish(
            device="vhf",
            consumer=SERVER,
            options={"port": self.port, "transmit": True},
        )
        await self.supervisor.apply(Desired(devices=(device,), routes=(route,)))
        await eventually(lambda: "clients on" in self.said(), self.said)

    def said(self):
        return self.supervisor.status()[0].routes[0].text

    async def came(self):
        await eventually(lambda: "1 of 4 clients" in self.said(), self.said)

    async def transmits(self, data):
        await eventually(lambda: data in self.tnc.written, lambda: f"{bytes(self.tnc.written)}")

    async def stop(self):
        await self.supervisor.stop()
        self.tnc.remove()


@pytest.fixture
async def station(request):
    station = Station(request.param)
    yield station
    await station.stop()


@contextlib.contextmanager
def running(*words, folder):
    """Run a program with its words in ``folder/said``."""
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.stdin.close()
        process.kill()
        process.wait(SOON)


def on_air(source, info, path=()):
    return encode_kiss(frame(info, source=source, destination="APZTST", path=path))


@pytest.mark.needs("kissutil")
@pytest.mark.parametrize("station", ["ax25", "aprs"], indirect=True)
async def test_kissutil_hears_our_tnc_and_transmits_by_it_under_our_own_callsign_only(station):
    await station.start()
    with short_folder() as folder, running("kissutil", "-h", "127.0.0.1", "-p", str(station.port), folder=folder) as it:
        await station.came()
        station.tnc.feed(on_air("QQ1MIA-7", ">hello from afar", ("QQ1DIG*", "WIDE2-1")))
        await eventually(
            lambda: b"[0] QQ1MIA-7>APZTST,QQ1DIG*,WIDE2-1:>hello from afar" in (folder / "said").read_bytes(),
            (folder / "said").read_text,
        )
        for line in (b"QQ2XYZ>APZTST:>not ours\n", b"d 30\n", b"QQ1EDG-5>APZTST,WIDE1-1:>ours\n"):
            it.stdin.write(line)
            it.stdin.flush()
        await station.transmits(b"ours\xc0")
        await eventually(lambda: "1 ignored" in station.said(), station.said)  # TXDELAY is not for a TNC that is shared
    assert bytes(station.tnc.written).count(b"\xc0") == 2
    (device,) = station.supervisor.status()
    assert (device.sent, device.refused) == (1, 1)
    assert device.refusal == "its source QQ2XYZ is not this station's callsign QQ1EDG"
    await eventually(lambda: "0 of 4 clients" in station.said(), station.said)


@pytest.mark.needs("aprx")
@pytest.mark.parametrize("station", ["ax25", "aprs"], indirect=True)
async def test_aprx_digipeats_by_our_tnc_where_the_operator_answers_for_others(station):
    await station.start(any_source=True)
    with short_folder() as folder:
        (folder / "aprx.conf").write_text(APRX.format(folder=folder, port=station.port))
        with running("aprx", "-f", str(folder / "aprx.conf"), "-d", folder=folder):
            await station.came()
            station.tnc.feed(on_air("QQ1MIA-7", ">digipeat me", ("WIDE1-1",)))
            await eventually(lambda: b"digipeat me\xc0" in station.tnc.written, (folder / "said").read_text)
    # QQ1EDG-1 with the bit that says "repeated" (AX.25 v2.2, 3.12.4), each character shifted left by one
    assert bytes(octet << 1 for octet in b"QQ1EDG") + b"\xe3\x03\xf0>digipeat me\xc0" in bytes(station.tnc.written)


@pytest.mark.needs("kissutil")
@pytest.mark.parametrize("station", ["ax25"], indirect=True)
async def test_a_tnc_that_comes_back_is_offered_again(station):
    await station.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", station.port)
    await station.came()
    station.tnc.lose()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(1), SOON) == b""
    writer.close()
    await eventually(lambda: "0 of 4 clients on" in station.said(), station.said)
    with short_folder() as folder, running("kissutil", "-h", "127.0.0.1", "-p", str(station.port), folder=folder):
        await station.came()


@pytest.mark.needs("kissutil")
def test_a_box_offers_its_serial_tnc_says_who_uses_it_and_stops_although_somebody_does():
    port = free_port()
    with short_folder() as folder, Workbench() as bench:
        tnc = bench.plug(folder / "vhf")
        link = f"serial://{folder}/vhf"
        (folder / "data").mkdir()
        make_rows(
            folder / "data",
            {"name": "vhf", "kind": "ax25", "link": link, "transmit": True, "options": {"callsign": "QQ1EDG"}},
            {"device": "vhf", "consumer": SERVER, "options": {"port": port, "transmit": True}},
        )
        words = ("kissutil", "-h", "127.0.0.1", "-p", str(port))
        with Box(folder / "data") as box:

            def told():
                return "".join(route["text"] for route in box.device("vhf")["routes"])

            until(lambda: f"0 of 4 clients on 127.0.0.1:{port}" in told(), told)
            with running(*words, folder=folder) as it:
                until(lambda: "1 of 4 clients" in told(), told)
                bench.hear(tnc, ">hello from afar", source="QQ1MIA-7")
                said = folder / "said"
                until(lambda: b"QQ1MIA-7>APZSIM,WIDE1-1:>hello from afar" in said.read_bytes(), said.read_text)
                it.stdin.write(b"QQ1EDG-5>APZTST,WIDE1-1:>ours\n")
                it.stdin.flush()
                packet = decode_packet(bench.do(tnc.next_sent()))
                assert (packet.source, packet.path, packet.info) == ("QQ1EDG-5", ("WIDE1-1",), b">ours")
                until(lambda: "(1 to it, 1 from it)" in told(), told)
                assert "(1 to it, 1 from it)" in box.edge("status").stdout
                code, seconds = box.stop()
                assert (code, seconds < SOON) == (0, True)
