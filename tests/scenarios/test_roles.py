"""The box in two processes, the pages in one and the devices in the other: each goes on alone, and says so."""

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import sys
import time
from contextlib import closing

import pytest

from tests.contract.layers import PrivateMosquitto
from tests.scenarios.running import (
    Box,
    Process,
    Workbench,
    edge,
    environment,
    eventually,
    gaps,
    make_rows,
    short_folder,
    submit,
    until,
    warnings_in,
)
from transports.probes import messages
from transports.simulator.packets import decode_packet

pytestmark = pytest.mark.needs("mosquitto")

AT_ONCE = 1.0  # seconds in which a change in the admin takes effect
GONE = "The devices' process is not running, so nothing is heard or sent"


class Role(Box):
    """``edge serve`` in one role. A context manager, as `Box`."""

    def __init__(self, data, role, *words, **more):
        self.data, self.role = data, role
        data.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "edge.cli", "serve", "--data", data, "--role", role, *words]
        Process.__init__(self, *command, folder=data.parent, env=environment(**more), name=role)

    def __enter__(self):
        try:
            said = self.says(r"Edge runs the devices|Edge is at (http://\S+?)/?\s")
            self.url = said[1] or ""
        except BaseException:
            self.kill()
            raise
        return self


@pytest.fixture(scope="module")
def bench():
    with Workbench() as running:
        yield running


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture
def mosquitto(tmp_path):
    running = PrivateMosquitto(tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def shack(bench, folder, mosquitto):
    """A folder with a device on a TNC, and what both roles are given."""
    data = folder / "data"
    data.mkdir()
    tnc = bench.plug(folder / "vhf")
    options = {"callsign": "QQ1EDG-1", "path": ""}
    row = {"name": "vhf", "kind": "aprs", "link": f"serial://{folder}/vhf", "transmit": True, "options": options}
    make_rows(data, row)
    return data, tnc, {"EDGE_LAYER": mosquitto.url}


@contextlib.contextmanager
def both(shack):
    data, _, settings = shack
    with Role(data, "devices", **settings) as devices, Role(data, "web", "--port", "0", **settings) as web:
        devices.turns("vhf", "up")
        yield devices, web


@contextlib.asynccontextmanager
async def live(browser):
    """Open the live page's WebSocket, and collect what it is told, by type."""
    told = []

    async def collect(socket):
        async for message in messages(socket):
            told.append(message)  # noqa: PERF401  (while others look at it)

    async with browser.websocket("/ws/live/") as socket:
        task = asyncio.create_task(collect(socket))
        await eventually(lambda: any(message["type"] == "history" for message in told), lambda: told)
        yield lambda kind: [message for message in told if message["type"] == kind]
        task.cancel()
        await asyncio.wait([task])


def history(data):
    with closing(sqlite3.connect(data / "history.sqlite3")) as database:
        return [text for (text,) in database.execute("SELECT summary FROM stations_packet ORDER BY id")]


async def test_what_the_tnc_hears_in_one_process_is_on_the_live_page_of_the_other(bench, shack):
    tnc = shack[1]
    with both(shack) as (_, web):
        browser = await asyncio.to_thread(web.browser)
        async with live(browser) as told:
            await asyncio.to_thread(bench.hear, tnc, ">across the processes")

            def seen():
                return [message["packet"] for message in told("packet")]

            await eventually(lambda: any("across" in packet["text"] for packet in seen()), seen)
            assert told("problems")[0] == {"type": "problems", "problems": [], "absent": ""}
            assert told("status")[0]["devices"][0]["state"] == "up"


def test_each_page_and_each_command_works_as_of_one_process(bench, shack):
    _, tnc, _ = shack
    with both(shack) as (devices, web):
        bench.hear(tnc, ">heard a moment ago")
        browser = web.browser()
        page = browser.get("/")
        assert 'data-state="up">up<' in page
        assert 'class="note bad"' not in page
        assert 'data-state="up">up<' in browser.get("/admin/devices/device/")
        for path in ("/stations/", "/chat/", "/admin/outbox/entry/", "/admin/devices/device/plugged/"):
            assert "errornote" not in browser.get(path)
        assert "vhf  up" in web.edge("status").stdout
        sent = web.edge("send", "vhf", "--status", "on the air")
        assert sent.returncode == 0, sent.stderr
        until(lambda: [frame for frame in bench.call(list, tnc.sent) if b"on the air" in frame], "sent by the TNC")
        assert decode_packet(bench.call(list, tnc.sent)[-1]).source == "QQ1EDG-1"
        assert web.edge("check").returncode == 0
        assert "version" in web.edge("doctor").stdout
        assert devices.status()["box"]["problems"] == []


def test_a_row_that_is_saved_on_a_page_takes_effect_at_once_and_touches_no_other_device(bench, shack, folder):
    bench.plug(folder / "uhf")
    with both(shack) as (devices, web):
        browser, before = web.browser(), devices.device("vhf")["since"]
        link = f"serial://{folder}/uhf"
        submit(browser, "/admin/devices/device/add/?kind=aprs", name="uhf", kind="aprs", link=link)
        began = time.monotonic()
        until(lambda: devices.device("uhf")["text"] != "not there", devices.words, AT_ONCE)
        devices.turns("uhf", "up")
        assert time.monotonic() - began < 2 * AT_ONCE
        assert devices.device("vhf")["since"] == before
        assert 'data-device="uhf"' in browser.get("/")


def test_with_the_pages_killed_while_packets_flow_nothing_is_lost_and_the_link_stays(bench, shack):
    data, tnc, settings = shack
    with Role(data, "devices", **settings) as devices:
        since = devices.turns("vhf", "up")["since"]
        station = bench.steady(tnc)
        with Role(data, "web", "--port", "0", **settings) as web:
            web.browser().get("/")
            until(lambda: station.sent > 50, "beats")
            web.stop(signal.SIGKILL)
        at_kill = station.sent
        assert "vhf  up" in devices.edge("status").stdout
        until(lambda: station.sent > at_kill + 50, "beats without pages")
        with Role(data, "web", "--port", "0", **settings) as web:
            assert 'data-state="up">up<' in web.browser().get("/")
            last = station.sent
            until(lambda: any(text.endswith(f"beat {last}") for text in history(data)), "the last beat in the history")
        assert devices.device("vhf")["since"] == since
        assert gaps(history(data)) == []


async def test_with_the_devices_killed_the_pages_stay_and_say_so_and_recover(shack):
    data, _, settings = shack
    with Role(data, "web", "--port", "0", **settings) as web:
        browser = await asyncio.to_thread(web.browser)
        with Role(data, "devices", **settings) as devices:
            await asyncio.to_thread(devices.turns, "vhf", "up")
            async with live(browser) as told:
                await eventually(lambda: not told("problems")[-1]["absent"], lambda: told("problems"))
                devices.process.send_signal(signal.SIGKILL)
                await eventually(lambda: told("problems")[-1]["absent"], lambda: told("problems"))
                assert "edge serve --role devices" in told("problems")[-1]["absent"]
                page = await asyncio.to_thread(browser.get, "/")
                assert GONE.replace("'", "&#x27;") in page
                assert 'data-state="unknown">unknown<' in page
                assert (await asyncio.to_thread(web.edge, "status")).returncode == 3
                changed = await asyncio.to_thread(submit, browser, "/admin/devices/device/1/change/", name="vhf2")
                assert "was changed successfully" in changed
                with Role(data, "devices", **settings) as again:
                    await asyncio.to_thread(again.turns, "vhf2", "up")
                    await eventually(lambda: not told("problems")[-1]["absent"], lambda: told("problems"))
                    page = await asyncio.to_thread(browser.get, "/")
                    assert 'data-state="up">up<' in page


def test_both_may_start_at_the_same_moment_on_an_empty_folder(folder, mosquitto):
    data, settings = folder / "data", {"EDGE_LAYER": mosquitto.url}
    data.mkdir()
    starting = [Role(data, "devices", **settings), Role(data, "web", "--port", "0", **settings)]
    with starting[0] as devices, starting[1] as web:
        assert devices.status()["devices"] == {}
        assert "There is no device yet" in web.browser().get("/")
        for role in (devices, web):
            assert "Traceback" not in role.complained
            assert not warnings_in(role.complained)
    assert not (data / "backups").exists()


@pytest.mark.parametrize("role", ["web", "devices"])
def test_the_split_without_a_layer_that_processes_share_is_refused_with_the_setting_to_make(folder, role):
    refused = edge("serve", "--role", role, "--port", "0", data=folder)
    assert refused.returncode == 1
    assert f"--role {role} needs a channel layer that processes share" in refused.stderr
    assert "EDGE_LAYER=mqtt://127.0.0.1:1883" in refused.stderr


def test_a_broker_that_is_down_keeps_neither_from_coming_up_and_the_page_says_so(shack, mosquitto):
    mosquitto.kill()
    with both(shack) as (devices, web):
        browser = web.browser()

        def page():
            text = browser.get("/")
            return text if "The MQTT broker of the channel layer" in text else ""

        until(page, lambda: browser.get("/"))
        assert 'data-state="up">up<' in page()
        assert "the MQTT broker of the channel layer" in devices.status()["box"]["problems"][0]
        mosquitto.start()
        until(lambda: not page(), page)


def test_what_a_page_keeps_is_kept_by_the_devices_process(bench, shack):
    data, tnc, settings = shack
    event = {"type": "aprs.send", "packet": {"format": "status", "text": "kept"}}
    code = (
        "import asyncio, json, sys, django; django.setup()\n"
        "from django_site import far_box\nfrom edge import outbox\noutbox.keep_elsewhere(far_box.keep)\n"
        "print(asyncio.run(outbox.put('vhf', json.loads(sys.argv[1]))))"
    )
    with Role(data, "devices", **settings) as devices:
        devices.turns("vhf", "up")
        env = environment(EDGE_DATA=str(data), **settings)
        process = Process(sys.executable, "-c", code, json.dumps(event), folder=data, env=env, name="keeper")
        assert process.says(r"^(\d+)\s")[1] == "1"
        assert process.process.wait(15) == 0
        until(lambda: [frame for frame in bench.call(list, tnc.sent) if b"kept" in frame], "sent by the TNC")


def test_what_another_process_sends_to_a_device_by_the_layer_goes_out(bench, shack):
    data, tnc, settings = shack
    event = {"type": "aprs.send", "packet": {"format": "status", "text": "by the layer"}}
    code = (
        "import json, sys, django; django.setup()\n"
        "from edge.layers import get_channel_layer, sync_facade\n"
        "sync_facade(get_channel_layer()).send('device.vhf', json.loads(sys.argv[1]))"
    )
    with Role(data, "devices", **settings) as devices:
        devices.turns("vhf", "up")
        env = environment(EDGE_DATA=str(data), **settings)
        process = Process(sys.executable, "-c", code, json.dumps(event), folder=data, env=env, name="sender")
        assert process.process.wait(15) == 0, process.words()
        until(lambda: [frame for frame in bench.call(list, tnc.sent) if b"by the layer" in frame], "sent by the TNC")


def test_a_device_at_the_broker_that_carries_the_layer_does_not_tap_the_tap(bench, shack, mosquitto):
    data, tnc, settings = shack
    listen = {"device": "broker", "match": "#", "consumer": "tests.faults.consumers.TopicListener"}
    make_rows(data, {"name": "broker", "kind": "mqtt", "link": mosquitto.url}, listen)
    with Role(data, "devices", **settings) as devices:
        devices.turns("broker", "up")
        devices.turns("vhf", "up")
        bench.hear(tnc, ">once around")
        until(lambda: any("once around" in text for text in history(data)), "in the history")
        bench.hear(tnc, ">and the last")
        until(lambda: any("and the last" in text for text in history(data)), "in the history")
        assert len(history(data)) == 2, history(data)
        assert devices.device("broker")["heard"] < 50


def test_the_devices_process_is_ready_and_fed_like_any_service_and_opens_no_door(shack, tmp_path):
    data, _, settings = shack
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        ear = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        with Role(data, "devices", **settings, **ear) as devices:
            told = [manager.recv(1000) for _ in range(4)]
            assert b"READY=1\nSTATUS=running the devices" in told
            assert told.count(b"WATCHDOG=1") >= 2
            assert "serving on http" not in devices.complained


def test_of_two_devices_processes_the_second_says_who_runs_them(shack):
    data, _, settings = shack
    with Role(data, "devices", **settings):
        second = edge("serve", "--role", "devices", data=data, **settings)
        assert second.returncode == 1
        assert "runs the devices of" in second.stderr
