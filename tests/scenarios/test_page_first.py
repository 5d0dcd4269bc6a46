"""The page is there first: whatever is wrong, somebody who looks for the box by its address is told."""

import socket
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.scenarios.running import ROOT, Box, Process, Workbench, environment, make_rows, until


def read(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def manager(tmp_path):
    """A service manager's ear."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def service(tmp_path, port, **more):
    (tmp_path / "data").mkdir(exist_ok=True)
    words = ["serve", "--port", port, "--data", tmp_path / "data"]
    env = environment(NOTIFY_SOCKET=str(tmp_path / "notify"), **more)
    return Process(sys.executable, "-m", "edge.cli", *words, folder=tmp_path, env=env, name="service")


def answers(process, port):
    def look():
        assert process.process.poll() is None, process.words()
        try:
            return read(f"http://127.0.0.1:{port}/")
        except OSError:
            return None

    return until(look, process.words, 30)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            {"EDGE_KEEP_PACKETS": "many"},
            "EDGE_KEEP_PACKETS: expected a whole number of at least 1; got &#x27;many&#x27;",
        ),
        ({"DJANGO_SETTINGS_MODULE": "nobodys.settings"}, "The settings cannot be read: ModuleNotFoundError."),
    ],
)
def test_with_a_broken_setting_a_page_says_so_and_the_service_is_never_ready(tmp_path, manager, setting, told):
    port = free()
    process = service(tmp_path, port, **setting)
    try:
        status, page = answers(process, port)
        assert status == 503
        assert told in page
        assert "sudo edge doctor" in page
        assert manager.recv(1000).startswith(b"STATUS=")
        if "EDGE_KEEP_PACKETS" in setting:  # one wait will do: it ends, to be started again
            assert process.process.wait(40) == 1
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(1000)
    finally:
        process.kill()


def test_at_a_terminal_a_broken_setting_ends_it_at_once(tmp_path):
    (tmp_path / "data").mkdir()
    words = [sys.executable, "-m", "edge.cli", "serve", "--port", "0", "--data", tmp_path / "data"]
    process = Process(*words, folder=tmp_path, env=environment(EDGE_KEEP_PACKETS="many"))
    assert process.process.wait(30) == 1
    assert "EDGE_KEEP_PACKETS" in process.complained


def test_the_service_says_that_it_is_ready_once_the_page_answers(tmp_path, manager):
    port = free()
    process = service(tmp_path, port)
    try:
        assert manager.recv(1000).startswith(b"READY=1")
        assert read(f"http://127.0.0.1:{port}/login/")[0] == 200
        code, _ = process.stop()
        assert code == 0
        assert manager.recv(1000) == b"STOPPING=1"
    finally:
        process.kill()


@pytest.mark.parametrize(
    "row",
    [
        {"name": "broker", "kind": "mqtt", "link": "mqtt://127.0.0.1:1"},
        {"name": "vhf", "kind": "aprs", "link": "serial:///dev/ttyNobody"},
        {"name": "odd", "kind": "no-such-kind", "link": "?", "options": {"x": [1]}},
    ],
    ids=["no broker", "no adapter", "a broken row"],
)
def test_without_what_a_device_needs_the_page_comes_and_status_says_what_is_missing(tmp_path, row):
    (tmp_path / "data").mkdir()
    make_rows(tmp_path / "data", row)
    with Box(tmp_path / "data") as box:
        assert read(f"{box.url}/login/")[0] == 200
        device = until(lambda: (found := box.device(row["name"]))["text"] not in ("", "starting") and found, box.words)
        assert device["state"] in ("waiting", "failed", "starting")


BLOCKING = """
import time
from edge.consumers import AsyncAprsConsumer

class Sleeper(AsyncAprsConsumer):
    async def connect(self):
        time.sleep(3600)
"""


def test_a_loop_that_hangs_feeds_the_watchdog_no_more(tmp_path, manager):
    (tmp_path / "sleeper.py").write_text(BLOCKING)
    (tmp_path / "data").mkdir()
    port = free()
    process = service(tmp_path, port, WATCHDOG_USEC="600000", PYTHONPATH=f"{ROOT}:{tmp_path}")
    try:
        assert manager.recv(1000).startswith(b"READY=1")
        assert manager.recv(1000) == b"WATCHDOG=1"
        with Workbench() as bench:
            bench.plug(tmp_path / "tnc")
            make_rows(
                tmp_path / "data",
                {"name": "vhf", "kind": "aprs", "link": f"serial://{tmp_path}/tnc"},
                {"device": "vhf", "consumer": "sleeper.Sleeper"},
            )
            manager.settimeout(3)  # five times the watchdog's interval
            deadline = time.monotonic() + 30
            with pytest.raises(TimeoutError):
                while time.monotonic() < deadline:
                    manager.recv(1000)
        assert process.process.poll() is None
    finally:
        process.kill()
