"""Each codec under a short fuzz, guided by coverage and the same at each run, and under megabytes of noise."""

import importlib.util
import os
import platform
import random
import re
import sys

import pytest

from tests.fuzz.targets import FOUND, TARGETS, chunks, held, seeds
from tests.scenarios.running import START, Process, environment
from transports.aprs import AprsSession
from transports.ax25 import Ax25Session
from transports.codecs import kiss, lines
from transports.codecs.delimited import Splitter

RUNS = {"sessions": 500}  # inputs; of the others more, a second or so each with Python's own start
MANY = 4000
LONGEST = 256  # bytes of an input
NOISE = 2 << 20  # bytes
ROOM = 16_384  # bytes; four times the largest frame, which may be twice its size while it is escaped

STREAMS = {
    "kiss": kiss.Decoder,
    "kiss with sums": lambda: kiss.Decoder(kiss.KissDialect(checksum=kiss.Checksum.AUTO)),
    "lines": lines.Decoder,
    "delimited": lambda: Splitter(b"\n", lines.MAX_LINE),
    "ax25 session": lambda: Sink(Ax25Session()),
    "aprs session": lambda: Sink(AprsSession()),
}
RANDOM = random.Random(1)
KINDS = {
    "noise": RANDOM.randbytes(65_536),
    "no end": bytes(65_536),
    "only ends": b"\xc0" * 32_768 + b"\n" * 32_768,
    "only escapes": b"\xc0" + b"\xdb" * 65_535,
    "escaped ends": b"\xc0\0" + b"\xdb\xdc" * 32_767,
    "many frames": b"\xc0\x00" + RANDOM.randbytes(300).replace(b"\xc0", b"\xdb\xdc") + b"\xc0\r\n",
}


class Sink:
    """A session as a decoder; the time does not matter."""

    def __init__(self, session):
        self.session = session

    def receive_bytes(self, data):
        return self.session.receive_bytes(data, 0.0)


@pytest.fixture
def campaign(tmp_path):
    """Give a function that runs a campaign to its end, and returns its exit code and its words."""
    if importlib.util.find_spec("atheris") is None:
        needed = os.environ.get("CI") and platform.machine() == "x86_64"
        (pytest.fail if needed else pytest.skip)("needs atheris (a wheel for x86-64; pip install --group fuzz)")

    def run(target, *options):
        command = [sys.executable, "-m", "tests.fuzz.campaign", target, tmp_path, "-seed=1", *options]
        process = Process(*command, folder=tmp_path, env=environment(PYTHONHASHSEED="0"))
        try:
            return process.process.wait(START), process.words()
        finally:
            process.kill()

    return run


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_known_to_be_hard_holds(target):
    for data in [b"", *seeds(target)]:
        TARGETS[target](data)


def test_every_input_that_was_found_belongs_to_a_target():
    assert {folder.name for folder in FOUND.iterdir()} <= set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_campaign_finds_nothing(campaign, target):
    code, words = campaign(target, f"-runs={RUNS.get(target, MANY)}", f"-max_len={LONGEST}", "-timeout=10")
    assert code == 0, words
    done = re.search(r"#(\d+)\tDONE", words)  # a few more where a last round was begun
    assert done, words
    assert int(done[1]) >= RUNS.get(target, MANY)


def test_a_campaign_tells_when_it_finds_something(campaign, tmp_path):
    """A fuzzer that finds nothing must be one that can: here is a target with a fault behind two comparisons."""
    code, words = campaign("a planted fault", "-runs=100000", f"-max_len={LONGEST}")
    assert code != 0
    assert "AssertionError: planted" in words
    [found] = tmp_path.glob("crash-*")
    assert found.read_bytes()[:2] == b"\xc0\xdb"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", STREAMS)
def test_megabytes_of_noise_leave_nothing_behind(stream, kind):
    decoder, data = STREAMS[stream](), KINDS[kind]
    whole = data * (65_536 // len(data))
    for chunk in chunks(whole[:4096]):  # byte by byte or nearly: where buffers that are not bounded grow
        decoder.receive_bytes(chunk)
    for _ in range(NOISE // len(whole)):
        decoder.receive_bytes(whole)
    assert held(decoder.session if isinstance(decoder, Sink) else decoder) <= ROOM
