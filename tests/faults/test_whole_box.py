"""All that can be wrong, at once, in a real box: the page comes up to say so, and the good device never notices."""

import re
import signal

import pytest

from tests.faults.conftest import Diary
from tests.scenarios.running import Box, Workbench, frame, gaps, make_rows, short_folder, until
from transports.simulator.kiss import encode_kiss

HERE = "tests.faults.consumers."


def bad_rows(folder):
    """Rows that no form would have saved, beside good ones whose consumers misbehave."""
    return [
        {"name": "uhf", "kind": "aprs", "link": f"serial://{folder}/uhf"},
        {"name": "vhf", "kind": "aprs", "link": f"serial://{folder}/vhf"},
        {"name": "lora", "kind": "lora", "link": "serial:///dev/ttyUSB9"},
        {"name": "nowhere", "kind": "aprs", "link": "ttyUSB0"},
        {"name": "list", "kind": "aprs", "link": "tcp://127.0.0.1:1", "options": ["not", "by", "name"]},
        {"name": "types", "kind": "aprs", "link": "tcp://127.0.0.1:1", "options": {"baud": {"very": "fast"}}},
        {"name": "missing", "kind": "aprs", "link": f"serial://{folder}/not-there"},
        {"name": "twin", "kind": "ax25", "link": f"serial://{folder}/vhf"},
        {"name": "broker", "kind": "mqtt", "link": "mqtt://ann:hush@127.0.0.1:1"},
        {"device": "uhf", "consumer": f"{HERE}Listener"},
        {"device": "uhf", "consumer": "no.such.Consumer", "options": ["strange"]},
        {"device": "uhf", "consumer": f"{HERE}Unwilling"},
        {"device": "vhf", "consumer": f"{HERE}PlainListener", "match": "colour=red"},
        {"device": "vhf", "consumer": f"{HERE}Sleeper"},
        {"device": "vhf", "consumer": f"{HERE}PlainSleeper"},
        {"device": "vhf", "consumer": f"{HERE}Raiser"},
        {"device": "vhf", "consumer": f"{HERE}Listener"},
    ]


SAID = {
    "uhf": ("up", "up"),
    "vhf": ("up", "up"),
    "lora": ("failed", "unknown kind 'lora'; installed are aprs, ax25, mqtt, serial"),
    "nowhere": ("failed", "link: expected a URL such as serial:///dev/ttyUSB0"),
    "list": ("failed", "expected options by name"),
    "types": ("failed", "baud: expected a whole number"),
    "missing": ("waiting", "not-there is not there (unplugged?); trying again in"),
    "twin": ("failed", "device 'vhf' uses"),
    "broker": ("waiting", "refused"),
}


@pytest.fixture
def bench():
    with Workbench() as running:
        yield running


@pytest.fixture
def house(bench):
    with short_folder() as folder:
        bench.tncs = {name: bench.plug(folder / name) for name in ("vhf", "uhf")}
        data = folder / "data"
        data.mkdir()
        make_rows(data, *bad_rows(folder))
        diary = Diary(folder / "diary")
        with Box(data, FAULTS_DIARY=str(diary.path)) as box:
            box.diary = diary
            yield box


def wrote(box, *entry, count=1):
    return until(
        lambda: len(found := box.diary.lines(*entry)) >= count and found,
        lambda: f"{entry}, {count} times: {box.diary.path.read_text()[-2000:]}{box.words()}",
    )


def test_a_box_full_of_faults_comes_up_says_what_is_wrong_keeps_the_rest_flowing_and_stops(house, bench):
    box, vhf = house, bench.tncs["vhf"]
    for name, (state, words) in SAID.items():
        assert words in box.turns(name, state)["text"]
    steady = bench.steady(bench.tncs["uhf"])

    # The page is there, and says the same.
    browser = box.browser()
    page = browser.get("/") + browser.get("/admin/devices/device/")
    for words in ("unknown kind", "lora (not installed)", "is not there (unplugged?)", "no.such"):
        assert words.replace("'", "&#x27;") in page
    assert "hush" not in page + str(box.status())

    # Consumers fall asleep and raise; their neighbours on the same TNC hear everything.
    for text in (">one", ">boom", ">two"):
        bench.hear(vhf, text)
    assert wrote(box, "vhf", "Listener", "receive", count=3) == [">one", ">boom", ">two"]
    assert wrote(box, "vhf", "Raiser", "receive", count=2) == [">one", ">two"]
    routes = {route["consumer"].removeprefix(HERE): route for route in box.device("vhf")["routes"]}
    assert "ValueError: I cannot bear this word" in routes["Raiser"]["text"]
    assert "expected terms such as source=QQ1*" in routes["PlainListener"]["text"]
    assert routes["Listener"]["text"] == "running"
    routes = {route["consumer"].removeprefix(HERE): route for route in box.device("uhf")["routes"]}
    assert "cannot import no.such" in routes["no.such.Consumer"]["text"] + routes["no.such.Consumer"]["text"]
    assert "RuntimeError: not today" in routes["Unwilling"]["text"]

    # The cable goes in mid-frame, while two consumers sleep, and comes back under another name.
    half = encode_kiss(frame(">never whole"))
    bench.do(vhf.unplug_after(half[: len(half) // 2]))
    assert "unplugged?" in box.turns("vhf", "waiting")["text"]
    wrote(box, "vhf", "Listener", "disconnect")
    bench.call(vhf.replug)
    box.turns("vhf", "up")
    bench.hear(vhf, ">after")
    assert wrote(box, "vhf", "Listener", "receive", count=4)[-1] == ">after"

    # Told to stop, it stops, although two consumers sleep twice; each that could hear it was told goodbye once.
    wanted = steady.sent + 10
    beats = wrote(box, "uhf", "Listener", "receive", count=wanted)
    assert gaps(beats) == []
    code, seconds = box.stop(signal.SIGTERM, limit=20)
    assert code == 0, box.words()
    assert seconds < 12.0
    assert gaps(box.diary.lines("uhf", "Listener", "receive")) == []
    for device, name, connections in (("uhf", "Listener", 1), ("vhf", "Listener", 2), ("vhf", "Sleeper", 2)):
        whats = [line.split(" ")[0] for line in box.diary.lines(device, name)]
        assert whats.count("connect") == whats.count("disconnect") == connections, f"{device} {name}: {whats}"
    assert re.fullmatch(r"10\d\d .*", box.diary.lines("uhf", "Listener", "disconnect")[0])
