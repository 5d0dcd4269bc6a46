import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import time

import pytest

from transports.simulator.command import main

LIMIT = 10  # seconds


class Simulation:
    """The command as a process of its own, and its lines."""

    def __init__(self, link, *options):
        command = [sys.executable, "-m", "transports.simulator.command", "--link", str(link), "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)

    def line(self, event):
        """The next line about ``event``."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            line = json.loads(self.process.stdout.readline()) if ready else {}
            if line.get("event") == event:
                return line
        raise AssertionError(f"no line about {event}")

    def end(self, number):
        begin = time.monotonic()
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=LIMIT)
        return time.monotonic() - begin, rest, errors


@pytest.fixture
def simulate(tmp_path):
    started = []

    def start(*options):
        started.append(Simulation(tmp_path / "tnc", *options))
        return started[-1]

    yield start
    for simulation in started:
        simulation.process.kill()
        simulation.process.communicate(timeout=LIMIT)


def read(link, enough):
    fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    data = b""
    deadline = time.monotonic() + LIMIT
    try:
        while not enough(data):
            assert time.monotonic() < deadline, f"only {len(data)} bytes came"
            if select.select([fd], [], [], 0.1)[0]:
                data += os.read(fd, 65536)
    finally:
        os.close(fd)
    return data


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_where_it_is_plays_and_ends_cleanly(simulate, tmp_path, number):
    simulation = simulate("--rate", "6000")
    ready = simulation.line("ready")
    assert ready["link"] == str(tmp_path / "tnc")
    assert str((tmp_path / "tnc").readlink()) == ready["device"]
    assert read(tmp_path / "tnc", lambda data: data.count(b"\xc0") > 20).startswith(b"\xc0\x00")
    seconds, rest, errors = simulation.end(number)
    assert seconds < 1
    assert (simulation.process.returncode, errors) == (0, "")
    assert json.loads(rest.splitlines()[-1])["heard"] >= 10
    assert list(tmp_path.iterdir()) == []


def test_it_tells_each_event_when_asked(simulate, tmp_path):
    simulation = simulate("--verbose", "--rate", "600")
    simulation.line("ready")
    read(tmp_path / "tnc", lambda data: data)
    assert simulation.line("opened")
    assert simulation.line("heard")["text"].startswith("QQ1")
    assert simulation.line("closed")


def test_it_floods_and_loses_nothing(simulate, tmp_path):
    simulation = simulate("--flood", "5000")
    simulation.line("ready")
    data = read(tmp_path / "tnc", lambda data: data.count(b"\xc0") == 10000)
    assert data.endswith(b"\xc0")
    assert simulation.line("flooded")["frames"] == 5000
    assert simulation.end(signal.SIGTERM)[0] < 1


def test_a_flood_that_nobody_reads_can_be_ended(simulate, tmp_path):
    simulation = simulate("--flood", "100")
    simulation.line("ready")
    assert simulation.end(signal.SIGINT)[0] < 1
    assert simulation.process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_it_ends_when_nobody_reads_its_lines(simulate, tmp_path):
    simulation = simulate("--verbose", "--rate", "6000")
    simulation.line("ready")
    simulation.process.stdout.close()
    assert simulation.process.wait(timeout=LIMIT) == 0
    assert simulation.process.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_cannot_be_made_is_told(tmp_path, capsys):
    assert main(["--link", str(tmp_path / "missing" / "tnc")]) == 1
    assert "cannot make the port" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--loss", "2"], ["--rate", "-1"], ["--rate", "much"], ["--what"]])
def test_wrong_options_are_refused(options, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert "usage: edge simulate" in capsys.readouterr().err


def test_a_family_has_its_own_manners(tmp_path):
    link = tmp_path / "tnc"
    simulation = Simulation(link, "--family", "kantronics", "--rate", "0")
    simulation.line("ready")
    host = os.open(link, os.O_RDWR | os.O_NOCTTY)
    try:
        settings = termios.tcgetattr(host)
        settings[4] = settings[5] = termios.B9600
        termios.tcsetattr(host, termios.TCSANOW, settings)
        os.write(host, b"\r")
        said = b""
        deadline = time.monotonic() + LIMIT
        while b"cmd:" not in said and select.select([host], [], [], max(deadline - time.monotonic(), 0))[0]:
            said += os.read(host, 100)
        assert said == b"\r\ncmd:"
    finally:
        os.close(host)
        simulation.end(signal.SIGTERM)


def test_it_can_be_a_program_on_tcp(tmp_path):
    simulation = Simulation("tcp://127.0.0.1:0", "--family", "direwolf", "--rate", "6000")
    url = simulation.line("ready")["link"]
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=LIMIT) as client:
        assert client.recv(1) == b"\xc0"
    simulation.end(signal.SIGTERM)


def test_a_tcp_port_that_is_none_is_told(capsys):
    assert main(["--link", "tcp://nowhere"]) == 1
    assert "expected tcp://host:port; got 'tcp://nowhere'" in capsys.readouterr().err
