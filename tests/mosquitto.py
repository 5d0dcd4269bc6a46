"""A real mosquitto of one's own, for tests; with its own clients it is the judge of what we say."""

import contextlib
import getpass
import shutil
import socket
import subprocess
import time

import pytest

SOON = 5.0  # seconds; no test waits longer for one thing


def run(*command):
    subprocess.run(list(map(str, command)), check=True, timeout=2 * SOON, capture_output=True)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Mosquitto:
    """A broker of one's own: its log says each packet, and it keeps its port when it is started again."""

    def __init__(self, folder, settings=()):
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        lines = [f"listener {self.port} 127.0.0.1", "log_dest stderr", "log_type all", *settings]
        lines.append(f"user {getpass.getuser()}")  # or root would become one that cannot read our files
        lines += [] if any("anonymous" in line for line in settings) else ["allow_anonymous true"]
        self.config = folder / "mosquitto.conf"
        self.config.write_text("\n".join(lines) + "\n")
        self.process = None

    def start(self):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([program, "-c", self.config], stderr=log)
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.01)
        pytest.fail(f"mosquitto did not start: {self.log.read_text()}")

    def kill(self):
        self.process.kill()
        self.process.wait(SOON)

    def publish(self, topic, payload, *extra):
        base = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-V", "5", "-t", topic, "-m", payload]
        subprocess.run([*base, *map(str, extra)], check=True, timeout=SOON, capture_output=True)

    def says(self, text, more_than=0):
        """Wait until the broker's log has a text, more often than it had."""
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline:
            if self.log.read_text().count(text) > more_than:
                return True
            time.sleep(0.01)
        return False
