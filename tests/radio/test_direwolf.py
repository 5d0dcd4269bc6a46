"""Real AFSK audio, demodulated by Direwolf, read by our serial link and by our KISS-over-TCP link.

gen_packets makes the audio of a hundred packets; Direwolf hears them on its standard input, without a sound card and
many times faster than real time. Neither shares code with ours, and the packets are of all kinds that APRS has.
"""

import asyncio
import contextlib
import re
import subprocess

import pytest

from edge.desired import DeviceWish
from edge.registry import Device
from tests.scenarios.running import ROOT, SOON, eventually, free_port, short_folder
from transports import ax25
from transports.options import Ax25Options

pytestmark = pytest.mark.needs("direwolf", "gen_packets")

LINES = (ROOT / "tests" / "vectors" / "on_air.txt").read_bytes().splitlines()
RATE = 44_100  # samples a second
WAV_HEADER = 44  # bytes; what follows is 16-bit samples
SILENCE = bytes(4 * RATE)  # two seconds, for what is still in the demodulator
ESCAPE = re.compile(rb"<0x([0-9a-f]{2})>")  # how gen_packets and Direwolf write bytes that are no text

CONFIGURATION = """ADEVICE stdin null
ARATE {rate}
ACHANNELS 1
CHANNEL 0
MYCALL QQ1TNC
MODEM 1200
AGWPORT 0
KISSPORT {port}
"""


def expected(line):
    """Read a line of the vectors by itself; gen_packets sends the line's end as a part of the packet."""
    header, _, info = line.partition(b":")
    source, destination, *via = header.decode().replace(">", ",", 1).split(",")
    star = max((index for index, hop in enumerate(via) if hop.endswith("*")), default=-1)
    hops = [hop.rstrip("*") + ("*" if index <= star else "") for index, hop in enumerate(via)]
    return source, destination, hops, ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), info) + b"\n"


EXPECTED = [expected(line) for line in LINES]


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """A minute of AFSK at 1200 baud."""
    folder = tmp_path_factory.mktemp("audio")
    (folder / "lines.txt").write_bytes(b"\n".join(LINES) + b"\n")
    command = ["gen_packets", "-r", str(RATE), "-o", "air.wav", "lines.txt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SOON)
    return (folder / "air.wav").read_bytes()[WAV_HEADER:]


class Direwolf:
    """A TNC: KISS on a pty and on TCP, and what it said of each packet."""

    def __init__(self, folder):
        self.port = free_port()
        (folder / "direwolf.conf").write_text(CONFIGURATION.format(rate=RATE, port=self.port))
        self.log = folder / "direwolf.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["direwolf", "-c", "direwolf.conf", "-t", "0", "-q", "d", "-p", "-"],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    async def pty(self):
        """Its own word for the pty: the link /tmp/kisstnc belongs to whichever Direwolf was started last."""
        await eventually(lambda: b"Ready to accept KISS TCP" in self.log.read_bytes(), self.log.read_text)
        return (await eventually(lambda: re.search(rb"available on (/dev/pts/\d+)", self.log.read_bytes()), "its pty"))[
            1
        ].decode()

    async def hear(self, samples):
        def write():
            self.process.stdin.write(samples)
            self.process.stdin.flush()

        await asyncio.to_thread(write)

    def stop(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait(SOON)


@pytest.fixture
async def direwolf():
    with short_folder() as folder:
        running = Direwolf(folder)
        yield running
        running.stop()


def counts(events, *names):
    return [len(events.get(name, ())) for name in names]


def parts(event):
    return event["source"], event["destination"], event["via"], event["info"]


async def test_every_packet_that_direwolf_demodulates_arrives_on_the_serial_link_and_over_tcp(direwolf, audio, devices):
    _, events = await devices(
        DeviceWish(name="pty", kind="aprs", link=f"serial://{await direwolf.pty()}"),
        DeviceWish(name="tcp", kind="ax25", link=f"tcp://127.0.0.1:{direwolf.port}"),
    )
    await direwolf.hear(audio + SILENCE)
    await eventually(lambda: counts(events, "pty", "tcp") >= [len(EXPECTED)] * 2, lambda: f"{events}", limit=30)
    assert [parts(event) for event in events["pty"]] == EXPECTED
    assert [parts(event) for event in events["tcp"]] == EXPECTED
    assert direwolf.log.read_bytes().count(b"\n[0") == len(EXPECTED)  # Direwolf heard no other either


async def test_what_direwolf_heard_is_understood_as_all_kinds_of_aprs(direwolf, audio, devices):
    _, events = await devices(DeviceWish(name="tcp", kind="aprs", link=f"tcp://127.0.0.1:{direwolf.port}"))
    await direwolf.hear(audio + SILENCE)
    await eventually(lambda: counts(events, "tcp") >= [len(EXPECTED)], lambda: f"{events}", limit=30)
    kinds = {event["format"] for event in events["tcp"]}
    assert kinds >= {
        "position", "mic-e", "object", "item", "grid", "message", "ack", "reject", "bulletin", "weather", "telemetry",
        "telemetry-definition", "status", "query", "capabilities", "third-party", "user-defined", "nmea", "test",
    }  # fmt: skip
    assert all(event["reason"] for event in events["tcp"] if event["format"] == "unparsed")


async def test_direwolf_transmits_what_we_send_over_the_serial_link(direwolf, devices):
    supervisor, _ = await devices(
        DeviceWish(
            name="pty",
            kind="aprs",
            link=f"serial://{await direwolf.pty()}",
            transmit=True,
            options={"callsign": "QQ1EDG-1", "path": "WIDE1-1,WIDE2-1"},
        )
    )
    message = {"format": "message", "addressee": "QQ1MIA-7", "text": "À and Û are stuffed", "id": "42"}
    stuffed = b">\xc0\xdb\xdb\xdc\xc0 end"
    assert await supervisor.transmit("pty", {"type": "aprs.send", "packet": message}) == ""
    assert await supervisor.transmit("pty", {"type": "aprs.send", "info": stuffed}) == ""
    await direwolf.hear(SILENCE)  # the audio clock is what it transmits by

    def sent():
        return re.findall(rb"\[0[LH][^]]*\] QQ1EDG-1>APZEDG,WIDE1-1,WIDE2-1:(.*)", direwolf.log.read_bytes())

    await eventually(lambda: len(sent()) == 2, direwolf.log.read_text)
    assert sent() == [":QQ1MIA-7 :À and Û are stuffed{42".encode(), stuffed]


async def test_direwolf_says_what_it_is_and_what_waits_and_takes_its_parameters(direwolf):
    """Asked over the serial link, and told more than it has by default; its own log says what it understood."""
    told, connected = [], asyncio.Event()
    options = Ax25Options(callsign="QQ1EDG-1", ask=True, txdelay=120, persistence=200, slottime=50, full_duplex="on")
    device = Device(name="pty", link=f"serial://{await direwolf.pty()}", options=options, state={})

    async def app(scope, receive, send):
        app.send = send
        connected.set()
        while not told or told[-1]["type"] != "ax25.disconnect":
            told.append(await receive())

    def reports(name):
        return [event for event in told if event["type"] == "ax25.report" and event["name"] == name]

    task = asyncio.create_task(ax25.build(device).serve(app, lambda: None))
    try:
        await asyncio.wait_for(connected.wait(), SOON)
        await eventually(lambda: reports("tnc"), direwolf.log.read_text)
        assert "DIREWOLF" in reports("tnc")[0]["text"].upper()
        await app.send({"type": "ax25.send", "destination": "APZEDG", "info": b">how much waits?"})
        await eventually(lambda: reports("txbuf"), direwolf.log.read_text)
        await direwolf.hear(SILENCE)  # the audio clock is what it transmits by
        await eventually(lambda: reports("txbuf")[-1]["number"] == 0, lambda: f"{told}")
        said = direwolf.log.read_text(errors="replace")
        for words in ("TXDELAY = 12", "Persistence = 200", "SlotTime = 5", "FullDuplex = 1"):
            assert words in said
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=SOON)
