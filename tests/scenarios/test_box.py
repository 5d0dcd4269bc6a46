"""A box in a process of its own: what its command line says, and what a change in its admin does."""

import json
import re
import sys
import time

import pytest

from tests.scenarios.running import (
    Box,
    Process,
    Workbench,
    edge,
    environment,
    gaps,
    make_rows,
    short_folder,
    submit,
    until,
)
from transports.simulator.packets import decode_packet

AT_ONCE = 1.0  # seconds in which a change in the admin takes effect
LISTENER = "tests.faults.consumers.Listener"
CHAT = "edge.contrib.chat.ChatConsumer"

BAD_ROWS = [
    {"name": "good", "kind": "aprs", "link": "tcp://127.0.0.1:8001"},
    {"name": "lora", "kind": "lora", "link": "serial:///dev/ttyUSB1"},
    {"name": "nowhere", "kind": "aprs", "link": "ttyUSB0"},
    {"name": "portless", "kind": "ax25", "link": "tcp://127.0.0.1"},
    {"name": "nobody", "kind": "aprs", "link": "tcp://127.0.0.1:8002", "options": {"callsign": "qq1-99"}},
    {"name": "silent", "kind": "aprs", "link": "tcp://127.0.0.1:8003", "transmit": True},
    {"name": "slow", "kind": "aprs", "link": "tcp://127.0.0.1:8004", "options": {"baud": 1, "wine": "red"}},
    {"name": "one", "kind": "aprs", "link": "serial:///dev/ttyUSB7"},
    {"name": "two", "kind": "ax25", "link": "serial:///dev/ttyUSB7"},
    {"name": "off", "kind": "aprs", "link": "ttyUSB9", "enabled": False},
    {"name": "broker", "kind": "mqtt", "link": "mqtt://ann:hush@127.0.0.1:1"},
    {"device": "broker", "match": "a/#/b", "consumer": CHAT},
    {"device": "good", "match": "colour=red", "consumer": CHAT},
    {"device": "good", "consumer": "no.such.module.Consumer"},
    {"device": "good", "consumer": "tests.faults.consumers.TopicListener"},
    {"device": "good", "consumer": "edge.contrib.forward.Forward", "options": {"topic": ""}},
]
WORDS = {  # which check, about what, in which words
    "unknown kind": ("edge.E002", "device lora", "unknown kind 'lora'; installed are aprs, ax25, mqtt, serial"),
    "bad URL": ("edge.E003", "device nowhere", "expected a URL such as serial:///dev/ttyUSB0"),
    "no port": ("edge.E003", "device portless", "names no port"),
    "bad callsign": ("edge.E004", "device nobody", "expected a callsign such as QQ1ABC or QQ1ABC-10"),
    "no callsign": ("edge.E004", "device silent", "transmitting needs your own callsign"),
    "option out of range": ("edge.E004", "device slow", "baud: expected at least 300 Bd; got 1"),
    "unknown option": ("edge.E004", "device slow", "unknown option 'wine'"),
    "one port twice": ("edge.E003", "device two", "device 'one' uses /dev/ttyUSB7 already"),
    "one port twice, first": ("edge.E003", "device one", "device 'two' uses /dev/ttyUSB7 already"),
    "turned off": ("edge.W003", "device off", "expected a URL such as serial:///dev/ttyUSB0"),
    "bad topic filter": ("edge.E006", "route broker", "#"),
    "bad match": ("edge.E006", "route good", "expected terms such as source=QQ1*"),
    "no such consumer": ("edge.E007", "no.such.module.Consumer", "cannot import no.such.module: ModuleNotFoundError"),
    "deaf consumer": ("edge.E007", "TopicListener", "TopicListener speaks mqtt; this device offers aprs"),
    "bad route option": ("edge.E008", "Forward", "topic: expected at least 1 characters"),
}


@pytest.fixture(scope="module")
def bad():
    """A data folder full of mistakes."""
    with short_folder() as folder:
        make_rows(folder, *BAD_ROWS)
        yield folder


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def checked(bad):
    answer = edge("check", "--json", data=bad)
    assert answer.returncode == 1, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.parametrize("mistake", WORDS)
def test_edge_check_finds_each_bad_input_and_says_it_in_clear_words(checked, mistake):
    id_, where, words = WORDS[mistake]
    found = [message for message in checked if message["id"] == id_ and where in message["msg"]]
    assert any(words in message["msg"] for message in found), json.dumps(checked, indent=2)
    assert all(message["hint"].startswith("Change ") for message in found)


def test_edge_check_complains_of_nothing_that_can_work(checked):
    assert not [message for message in checked if message["msg"].startswith("device good")]
    assert {message["level"] for message in checked} == {"error", "warning"}
    assert len(checked) == len({message["msg"] for message in checked})


def test_edge_check_says_the_same_for_people_and_hides_secrets(bad, checked):
    answer = edge("check", data=bad)
    assert answer.returncode == 1
    for message in checked:
        assert f"{message['level']} {message['id']}: {message['msg']}\n  {message['hint']}" in answer.stdout
    assert f"{len(checked)} problems" in answer.stdout
    assert "hush" not in answer.stdout + json.dumps(checked)


def test_edge_check_says_so_where_everything_can_work(folder):
    make_rows(folder, BAD_ROWS[0])
    answer = edge("check", data=folder)
    assert (answer.returncode, answer.stdout) == (0, "Everything can work.\n")
    assert json.loads(edge("check", "--json", data=folder).stdout) == []


@pytest.fixture(scope="module")
def bench():
    with Workbench() as running:
        yield running


@pytest.fixture(scope="module")
def shack(bench):
    """A box with a TNC that may transmit, one that may not, and one that is not there."""
    with short_folder() as folder:
        tncs = {name: bench.plug(folder / name) for name in ("vhf", "uhf")}
        data = folder / "data"
        data.mkdir()
        make_rows(
            data,
            {
                "name": "vhf",
                "kind": "aprs",
                "link": f"serial://{folder}/vhf",
                "transmit": True,
                "options": {"callsign": "QQ1EDG-1", "path": ""},
            },
            {"name": "uhf", "kind": "ax25", "link": f"serial://{folder}/uhf"},
            {"name": "hf", "kind": "aprs", "link": f"serial://{folder}/hf", "transmit": True},
            {"name": "shf", "kind": "aprs", "link": f"serial://{folder}/shf"},
            {"device": "vhf", "consumer": "edge.contrib.chat.ChatConsumer"},
        )
        with Box(data) as box:
            for name in tncs:
                box.turns(name, "up")
            box.tncs = tncs
            yield box


def test_edge_status_tells_a_person_what_runs_and_what_does_not(shack):
    answer = shack.edge("status")
    assert answer.returncode == 1  # for not all is well
    assert re.search(r"^edge [\d.]+\S*, process \d+, running for \d+ (s|min)$", answer.stdout, re.MULTILINE)
    assert re.search(r"^vhf  up for \d+ s$", answer.stdout, re.MULTILINE)
    assert re.search(r"^ +→ edge.contrib.chat.ChatConsumer: running$", answer.stdout, re.MULTILINE)
    assert re.search(
        r"^shf  waiting for \d+ s: .*/shf is not there \(unplugged\?\); trying", answer.stdout, re.MULTILINE
    )
    assert re.search(r"^hf  failed for \d+ s: .*needs your own callsign", answer.stdout, re.MULTILINE)
    assert answer.stderr == ""


def test_edge_status_tells_a_script_the_same(shack):
    answer = shack.edge("status", "--json")
    assert answer.returncode == 1
    content = json.loads(answer.stdout)
    states = {device["name"]: device["state"] for device in content["devices"]}
    assert states == {"hf": "failed", "shf": "waiting", "uhf": "up", "vhf": "up"}
    assert content["box"]["pid"] == shack.process.pid
    assert content["box"]["problems"] == []


def test_edge_status_is_content_where_all_is_well(folder):
    with Box(folder / "data") as box:
        answer = box.edge("status")
        assert answer.returncode == 0
        assert "There are no devices yet. Add one in the admin." in answer.stdout


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["tap"], ["send", "vhf", "--status", "hello"]])
def test_where_no_box_runs_every_command_says_so_and_how_to_start_one(folder, words):
    answer = edge(*words, data=folder)
    assert answer.returncode == 3
    assert f"no box runs on {folder}" in answer.stderr
    assert f"start one with: edge serve --data {folder}" in answer.stderr
    assert answer.stdout == ""


def tap(box, bench, *words, hear):
    """Start a tap, let a TNC hear things until the tap has had its fill, and return what it said."""
    command = [sys.executable, "-m", "edge.cli", "tap", "--data", box.data, *words]
    tapping = Process(*command, folder=box.data.parent, env=environment(), name="tap")
    try:

        def over():
            hear()
            return tapping.process.poll() is not None

        until(over, tapping.words)
        return tapping.process.returncode, tapping.said.splitlines()
    finally:
        tapping.kill()


def test_edge_tap_shows_each_event_as_it_happens_and_stops_after_the_count(shack, bench):
    code, lines = tap(shack, bench, "vhf", "--count", "3", hear=lambda: bench.hear(shack.tncs["vhf"], ">on\x1b[2J air"))
    assert code == 0
    assert len(lines) == 3
    for line in lines:
        assert re.fullmatch(r"\d\d:\d\d:\d\d vhf heard +QQ1STN-9>APZSIM .*on.\[2J air", line), line
        assert line.isprintable()  # nothing from the air moves the cursor


def test_edge_tap_gives_a_script_json_and_only_the_device_that_it_asked_for(shack, bench):
    def hear():
        bench.hear(shack.tncs["vhf"], ">not asked for")
        bench.hear(shack.tncs["uhf"], b">\x00\xff")

    code, lines = tap(shack, bench, "uhf", "--json", "--count", "2", hear=hear)
    events = [json.loads(line) for line in lines]
    assert code == 0
    assert [event["device"] for event in events] == ["uhf", "uhf"]
    assert events[0]["direction"] == "heard"
    assert events[0]["event"]["info"] == {"hex": "3e00ff"}


def test_edge_send_sends_by_the_gate_and_the_tnc_has_it(shack, bench):
    answer = shack.edge("send", "vhf", "--to", "QQ1MIA-7", "see you at nine")
    assert (answer.returncode, answer.stdout) == (0, "sent by vhf\n"), answer.stderr
    packet = decode_packet(bench.do(shack.tncs["vhf"].next_sent()))
    assert (packet.source, packet.destination, packet.path) == ("QQ1EDG-1", "APZEDG", ())
    assert packet.info.startswith(b":QQ1MIA-7 :see you at nine")
    answer = shack.edge("send", "vhf", "--status", "on the air", "--json")
    assert (answer.returncode, json.loads(answer.stdout)) == (0, {"refused": ""})
    assert decode_packet(bench.do(shack.tncs["vhf"].next_sent())).info == b">on the air"


def test_edge_send_is_refused_by_the_gate_of_a_radio_that_nobody_allowed_to_transmit(shack):
    before = shack.device("uhf")["refused"]
    sent = shack.tncs["uhf"].counts.sent
    answer = shack.edge("send", "uhf", "--to", "QQ1MIA", "--info", "hello")
    assert answer.returncode == 4
    assert "not transmitted: transmitting is off for uhf; a person can allow it" in answer.stderr
    answer = shack.edge("send", "uhf", "--to", "QQ1MIA", "--info", "hello", "--json")
    assert answer.returncode == 4
    assert "transmitting is off" in json.loads(answer.stdout)["refused"]
    after = shack.device("uhf")
    assert after["refused"] == before + 2
    assert "transmitting is off" in after["refusal"]
    assert shack.tncs["uhf"].counts.sent == sent == 0


def test_edge_send_without_a_callsign_says_what_is_missing(shack):
    answer = shack.edge("send", "hf", "--status", "hello")
    assert answer.returncode in (1, 4)
    assert "callsign" in answer.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["send", "attic", "--status", "hello"], 1, "there is no device 'attic'; there are"),
        (["send", "shf", "--status", "hello"], 1, "is not there (unplugged?)"),
        (["send", "vhf"], 2, "an APRS message needs --to and a text"),
        (["send", "uhf", "hello"], 2, "a frame needs --to and a text"),
        (["send"], 2, "required"),
        (["status", "--colour"], 2, "unrecognized arguments: --colour"),
        (["tap", "--count", "many"], 2, "invalid int value: 'many'"),
        (["statsu"], 2, "there is no command 'statsu'; did you mean status?"),
    ],
)
def test_what_cannot_be_done_or_understood_has_a_code_and_words_of_its_own(shack, words, code, said):
    answer = shack.edge(*words)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


class Station:
    """A running box with two TNCs; ``uhf`` hears a steady station, and its listener keeps a diary."""

    def __init__(self, box, bench, folder, tncs):
        self.box = box
        self.folder = folder
        self.tncs = tncs
        self.diary = folder / "diary"
        self.browser = box.browser()
        self.steady = bench.steady(tncs["uhf"])
        self.untouched = box.device("uhf")

    def key(self, name):
        """Find a device's number in the admin."""
        return re.search(
            rf"/admin/devices/device/(\d+)/change/[^>]*>{name}<", self.browser.get("/admin/devices/device/")
        )[1]

    def takes_effect(self, change, true):
        """Make a change, and measure how long it takes until a look at the box shows it."""
        change()
        began = time.monotonic()
        until(lambda: true(self.box.status()["devices"]), lambda: f"{self.box.status()}: {self.box.words()}")
        assert time.monotonic() - began < AT_ONCE

    def uhf_did_not_notice(self):
        """Be sure that the other device's link and its listener were left alone, and that it missed nothing."""
        wanted = self.steady.sent + 5
        until(lambda: self.steady.sent >= wanted, "the steady station beats")
        lines = until(lambda: (found := self.listened())[-1:] and len(found) >= wanted and found, self.box.words)
        assert gaps(lines) == []
        now = self.box.device("uhf")
        assert (now["state"], now["since"]) == ("up", self.untouched["since"])
        assert self.diary.read_text().count("uhf Listener connect") == 1
        assert "disconnect" not in self.diary.read_text()

    def listened(self):
        return [line for line in self.diary.read_text().splitlines() if line.startswith("uhf Listener receive")]


@pytest.fixture
def station(folder):
    with Workbench() as bench:
        tncs = {name: bench.plug(folder / name) for name in ("vhf", "uhf")}
        data = folder / "data"
        data.mkdir()
        make_rows(
            data,
            {"name": "uhf", "kind": "aprs", "link": f"serial://{folder}/uhf"},
            {"device": "uhf", "consumer": LISTENER},
        )
        with Box(data, FAULTS_DIARY=str(folder / "diary")) as box:
            box.turns("uhf", "up")
            yield Station(box, bench, folder, tncs)


def test_every_change_in_the_admin_takes_effect_at_once_and_disturbs_no_other_device(station):
    browser = station.browser

    def added():
        submit(
            browser,
            "/admin/devices/device/add/?kind=aprs",
            name="vhf",
            link=f"serial://{station.folder}/vhf",
            option_callsign="QQ1EDG",
        )

    station.takes_effect(added, lambda devices: "vhf" in devices and devices["vhf"]["state"] == "up")
    station.uhf_did_not_notice()
    page = f"/admin/devices/device/{station.key('vhf')}/change/"
    since = station.box.device("vhf")["since"]

    # A route: its consumer runs, and the link stays open.
    station.takes_effect(
        lambda: submit(browser, page, **{"routes-0-consumer": CHAT}),
        lambda devices: [route["text"] for route in devices["vhf"]["routes"]] == ["running"],
    )
    assert station.box.device("vhf")["since"] == since
    station.uhf_did_not_notice()

    # Transmitting: the gate opens.
    assert station.box.edge("send", "vhf", "--status", "hello").returncode == 4
    station.takes_effect(lambda: submit(browser, page, transmit="on"), lambda devices: devices["vhf"]["state"] == "up")
    assert station.box.edge("send", "vhf", "--status", "hello").returncode == 0
    station.uhf_did_not_notice()

    # A link to nowhere, and back.
    nowhere = f"serial://{station.folder}/nowhere"
    station.takes_effect(
        lambda: submit(browser, page, link=nowhere),
        lambda devices: "nowhere is not there" in devices["vhf"]["text"],
    )
    station.takes_effect(
        lambda: submit(browser, page, link=f"serial://{station.folder}/vhf"),
        lambda devices: devices["vhf"]["state"] == "up",
    )

    # Off, and gone.
    station.takes_effect(
        lambda: submit(browser, page, enabled=None), lambda devices: devices["vhf"]["state"] == "stopped"
    )
    station.takes_effect(
        lambda: browser.submit(page.replace("change", "delete"), post="yes"), lambda devices: "vhf" not in devices
    )
    station.uhf_did_not_notice()


def test_a_change_that_the_form_refuses_changes_nothing(station):
    browser = station.browser
    key = station.key("uhf")
    with pytest.raises(AssertionError, match="expected a URL such as"):
        submit(browser, f"/admin/devices/device/{key}/change/", link="ttyUSB0")
    assert station.box.device("uhf")["link"] == f"serial://{station.folder}/uhf"
    station.uhf_did_not_notice()


def test_rows_that_another_process_makes_take_effect_at_once_too(station):
    make_rows(station.box.data, {"name": "vhf", "kind": "aprs", "link": f"serial://{station.folder}/vhf"})
    began = time.monotonic()
    station.box.turns("vhf", "up")
    assert time.monotonic() - began < AT_ONCE
    station.uhf_did_not_notice()
