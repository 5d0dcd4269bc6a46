"""What a stranger does first: ``edge demo``, its proof, its end, and the same application under plain uvicorn."""

import html
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.scenarios.running import (
    SOON,
    Process,
    edge,
    environment,
    left_behind,
    make_rows,
    short_folder,
    until,
    warnings_in,
)
from transports.probes import Browser
from transports.simulator.broker import find_free_port

CHAIN = [
    "the site signs in by link",
    "a WebSocket opens",
    "the broker answers",
    "pty → packet → WebSocket",
    "the same packet → broker",
    "the same packet → database",
    "chat over WebSocket",
    "chat over MQTT",
    "chat over the radio",
]
BROKERS = [pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto")), "amqtt"]  # a newcomer has amqtt only
ROW = re.compile(r'/admin/devices/(\w+)/(\d+)/change/[^>]*">([^<]+)</a>')
CHECK_LIMIT = 60.0  # seconds; it takes three on a quiet machine
OK_LINE = re.compile(r"^ok +[\d.]+ s  ([^:\n]+)(.*)$", re.MULTILINE)


@pytest.fixture
def home():
    """A place to be: a working folder, a home and a folder for temporary files that belong to one test."""
    with short_folder() as folder:
        for name in ("here", "home", "tmp"):
            (folder / name).mkdir()
        yield folder


def strange_environment(home, **more):
    """As it is for a stranger: nothing set, and every place that a program might litter is ours to look at."""
    return environment(HOME=str(home / "home"), TMPDIR=str(home / "tmp"), XDG_RUNTIME_DIR=str(home / "tmp"), **more)


def litter(home):
    return sorted(str(path.relative_to(home)) for place in ("home", "tmp") for path in (home / place).rglob("*"))


class Demo(Process):
    """``edge demo`` as a stranger starts it."""

    def __init__(self, home, *words, name="demo"):
        command = [sys.executable, "-m", "edge.cli", "demo", *words]
        super().__init__(*command, folder=home / "here", env=strange_environment(home), name=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def welcome(self):
        """Wait for the welcome; return the address and the login path."""
        link = self.says(r"Sign in +(http://[^/\s]+)(/\S+)")
        self.says(r"Ctrl-C stops it")
        return link[1], link[2]


@pytest.mark.parametrize("broker", BROKERS)
def test_the_demo_proves_every_link_of_the_chain_and_leaves_nothing(home, broker):
    with Demo(home, "--check", "--broker", broker) as demo:
        code = demo.process.wait(CHECK_LIMIT)
        assert code == 0, demo.words()
        seen = dict(OK_LINE.findall(demo.said))
        assert list(seen) == CHAIN, demo.words()
        assert "Every link holds" in demo.said
        assert "Check: hello" in seen["chat over WebSocket"]
        assert "Anonymous: hello" in seen["chat over MQTT"]
        assert "acknowledged" in seen["chat over the radio"]
        assert "Traceback" not in demo.complained
        assert not warnings_in(demo.complained)
        assert sorted(path.name for path in (home / "here").iterdir()) == ["demo.log", "demo.out"]
        assert litter(home) == []
        assert left_behind(home) == []


def test_the_demo_check_names_the_link_that_failed(home):
    port = find_free_port()  # where nobody listens
    command = [sys.executable, "-m", "edge.cli", "demo", "--check"]
    env = strange_environment(home, MQTT_URL=f"mqtt://127.0.0.1:{port}")
    demo = Process(*command, folder=home / "here", env=env)
    try:
        assert demo.process.wait(CHECK_LIMIT) == 1
    finally:
        demo.kill()
    assert re.search(r"^FAILED +the broker answers: ", demo.said, re.MULTILINE), demo.words()
    assert "broken: the broker answers" in demo.said
    assert litter(home) == []


def test_ctrl_c_ends_the_demo_cleanly_and_the_second_start_finds_the_same_rows(home):
    data = home / "here" / "data"
    rows = []
    for name in ("first", "second"):
        with Demo(home, "--port", "0", "--data", "data", name=name) as demo:
            address, login = demo.welcome()
            browser = Browser(address)
            assert "Live" in browser.submit(login)
            devices = browser.get("/admin/devices/device/")
            routes = browser.get("/admin/devices/route/")
            rows.append(set(ROW.findall(devices + routes)))
            until(lambda: "up" in edge("status", data=data).stdout, "status")
            assert left_behind(data) != []  # the simulated TNC and the broker are processes of their own

            code, seconds = demo.stop(signal.SIGINT)
            assert code == 0, demo.words()
            assert seconds < 10.0
            assert until(lambda: not left_behind(data), lambda: left_behind(data))
            assert "Traceback" not in demo.complained, demo.words()
            assert not warnings_in(demo.complained)
        assert not (data / "control.sock").exists()
        assert not os.path.lexists(data / "tnc")
    assert rows[0] == rows[1]
    names = sorted(html.unescape(name) for _, _, name in rows[0])
    assert names == ["broker", "broker → ChatConsumer", "vhf", "vhf → ChatConsumer", "vhf → Forward"]
    expected = ["data", "first.log", "first.out", "second.log", "second.out"]
    assert sorted(path.name for path in (home / "here").iterdir()) == expected
    assert litter(home) == []


def test_the_demo_in_a_folder_with_a_long_name_leaves_nothing_outside_it_either(home):
    data = home / "here" / ("a-folder-whose-name-is-too-long-for-the-name-of-a-unix-socket-" + 40 * "x")
    with Demo(home, "--port", "0", "--data", str(data)) as demo:
        demo.welcome()
        assert edge("status", "--json", data=data, TMPDIR=str(home / "tmp")).returncode in (0, 1)
        code, _ = demo.stop(signal.SIGINT)
        assert code == 0, demo.words()
    assert litter(home) == []


def test_a_demo_that_is_killed_takes_its_helpers_with_it_and_starts_again(home):
    data = home / "here" / "data"
    with Demo(home, "--port", "0", "--data", "data", name="first") as demo:
        demo.welcome()
        demo.process.kill()
        demo.process.wait(SOON)
        assert until(lambda: not left_behind(data), lambda: f"still there: {left_behind(data)}")
    with Demo(home, "--port", "0", "--data", "data", name="second") as demo:
        address, _ = demo.welcome()
        assert address.startswith("http://127.0.0.1:")
        until(lambda: edge("status", data=data).returncode == 0, lambda: edge("status", data=data).stdout)
        assert demo.stop(signal.SIGINT)[0] == 0


def test_a_second_demo_on_the_same_folder_says_who_has_it(home):
    with Demo(home, "--port", "0", "--data", "data", name="first") as first:
        first.welcome()
        with Demo(home, "--port", "0", "--data", "data", name="second") as second:
            assert second.process.wait(SOON) == 1
            said = (
                rf"process {first.process.pid} runs the devices of .*data already; stop it, or use another data folder"
            )
            assert re.search(said, second.complained), second.words()
        assert first.stop(signal.SIGINT)[0] == 0


def test_plain_uvicorn_serves_the_pages_and_runs_the_devices(home):
    data, port = home / "here" / "data", find_free_port()
    data.mkdir()
    make_rows(data, {"name": "hf", "kind": "aprs", "link": f"serial://{home}/not-there"})
    command = [sys.executable, "-m", "uvicorn", "django_site.asgi:application", "--port", port]
    uvicorn = Process(*command, folder=home / "here", env=strange_environment(home, EDGE_DATA=str(data)))
    try:
        uvicorn.says("Uvicorn running on")
        page = Browser(f"http://127.0.0.1:{port}").get("/")
        assert re.search(r'<input[^>]+name="password"', page)
        status = until(lambda: edge("status", "--json", data=data).stdout, uvicorn.words)
        assert '"state": "waiting"' in status
        assert "not-there is not there (unplugged?)" in status
        code, seconds = uvicorn.stop(signal.SIGTERM)
        assert code in (0, -signal.SIGTERM), uvicorn.words()  # uvicorn hands the signal on when it has stopped
        assert seconds < 10.0
        assert "Traceback" not in uvicorn.complained, uvicorn.words()
    finally:
        uvicorn.kill()
    assert not (data / "control.sock").exists()
    assert Path(data, "lock").exists()
    assert litter(home) == []
