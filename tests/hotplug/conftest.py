"""A bench of USB sockets that are not there, and a box that is plugged into it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.running import START, Box, Process, edge, environment, frame, short_folder
from transports.simulator.kiss import KissReader, encode_kiss

PRELOAD = "libumockdev-preload.so.0"
# umockdev has sysfs, devices and events, but no /run/udev: the box is shown udev's daemon where the testbed is.
BOOT = """
import sys
from pathlib import Path
from transports import scan
if sys.argv.pop(1) == "udev":
    scan.CONTROL = Path("/sys")
else:
    scan.CONTROL = Path("/nowhere")
from edge.cli import main
sys.exit(main())
"""


class Sockets:
    """The testbed, in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["umockdev-wrapper", sys.executable, str(Path(__file__).with_name("testbed.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.root = json.loads(self.process.stdout.readline())

    def __call__(self, do, name, **more):
        self.process.stdin.write(json.dumps({"do": do, "name": name, **more}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def plug(self, name, **more):
        self("plug", name, **more)

    def unplug(self, name, **more):
        self("unplug", name, **more)

    def feed(self, name, data):
        self("feed", name, hex=data.hex())

    def hear(self, name, info, **more):
        self.feed(name, encode_kiss(frame(info, **more)))

    def read(self, name):
        return bytes.fromhex(self("read", name))

    def frames(self, name):
        return KissReader().feed(self.read(name))

    @property
    def environment(self):
        return {"LD_PRELOAD": PRELOAD, "UMOCKDEV_DIR": self.root}

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(START)


class HotBox(Box):
    """``edge serve`` that sees the testbed's sockets, with udev or (as in a container) without."""

    def __init__(self, data, sockets, way="udev"):
        self.data, self.sockets, self.way = data, sockets, way
        data.mkdir(exist_ok=True)
        self.boot = [sys.executable, "-c", BOOT, way]
        words = [*self.boot, "serve", "--port", "0", "--data", data]
        Process.__init__(self, *words, folder=data.parent, env=environment(**sockets.environment), name="box")

    def edge(self, *words, **more):
        if words[0] != "devices":
            return edge(*words, data=self.data, **more)
        command = [*self.boot, words[0], "--data", str(self.data), *map(str, words[1:])]
        env = environment(**self.sockets.environment, **more)
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=START, check=False, cwd=self.data
        )


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture
def sockets():
    bench = Sockets()
    yield bench
    bench.close()
    assert bench.process.returncode in (0, -15), os.strerror(abs(bench.process.returncode))


@pytest.fixture
def box(folder, sockets):
    with HotBox(folder / "data", sockets) as running:
        yield running
