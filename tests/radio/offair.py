"""A Direwolf without an air or a sound card: it hears audio on its standard input, many times faster than real time.

gen_packets makes the audio of a hundred packets of all kinds that APRS has. Neither shares code with ours.
"""

import asyncio
import contextlib
import re
import subprocess

from tests.scenarios.running import ROOT, SOON, eventually, free_port, mortal

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
AGWPORT {agwpe}
KISSPORT {kiss}
"""


def expected(line):
    """Read a line of the vectors by itself; gen_packets sends the line's end as a part of the packet."""
    header, _, info = line.partition(b":")
    source, destination, *via = header.decode().replace(">", ",", 1).split(",")
    star = max((index for index, hop in enumerate(via) if hop.endswith("*")), default=-1)
    hops = [hop.rstrip("*") + ("*" if index <= star else "") for index, hop in enumerate(via)]
    return source, destination, hops, ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), info) + b"\n"


EXPECTED = [expected(line) for line in LINES]


def parts(event):
    return event["source"], event["destination"], event["via"], event["info"]


def make_audio(folder):
    """Return a minute of AFSK at 1200 baud: the packets of `LINES`."""
    (folder / "lines.txt").write_bytes(b"\n".join(LINES) + b"\n")
    command = ["gen_packets", "-r", str(RATE), "-o", "air.wav", "lines.txt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SOON)
    return (folder / "air.wav").read_bytes()[WAV_HEADER:]


class Direwolf:
    """A TNC: KISS on a pty and over TCP (`kiss`), AGWPE (`agwpe`), and what it said of each packet (`log`)."""

    def __init__(self, folder):
        self.folder = folder
        self.agwpe, self.kiss = free_port(), free_port()
        self.log = folder / "direwolf.log"
        configuration = CONFIGURATION.format(rate=RATE, agwpe=self.agwpe, kiss=self.kiss)
        (folder / "direwolf.conf").write_text(configuration)
        self.process = None

    def run(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                mortal(["direwolf", "-c", "direwolf.conf", "-t", "0", "-q", "d", "-p", "-"]),
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    async def start(self):
        """Run it, again after a `kill`, and wait until all its ways in are open."""
        self.run()
        await eventually(lambda: b"Ready to accept KISS TCP" in self.log.read_bytes(), self.log.read_text)

    async def pty(self):
        """Its own word for the pty: the link /tmp/kisstnc belongs to whichever Direwolf was started last."""
        found = await eventually(lambda: re.search(rb"available on (/dev/pts/\d+)", self.log.read_bytes()), "its pty")
        return found[1].decode()

    async def hear(self, samples):
        def write():
            self.process.stdin.write(samples)
            self.process.stdin.flush()

        await asyncio.to_thread(write)

    def kill(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait(SOON)
