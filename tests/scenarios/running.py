"""What whole stories need: a box in a process of its own, TNCs for it to hear, and waits that end.

Known to the tests only. Nothing here looks into the box: it reads what the box prints, asks its command line, and plugs
simulated TNCs, which share no code with our codecs.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

from django_site import control
from transports.probes import Browser
from transports.simulator.packets import Packet, encode_packet
from transports.simulator.tnc import SimulatedTnc

ROOT = Path(__file__).parents[2]
SOON = 15.0  # seconds; no wait for one thing is longer
START = 30.0  # seconds for a command to start and to end, on a machine that has other things to do
LOOK = 0.02  # seconds between two looks
BEAT = 0.02  # seconds between two numbered packets of a steady station
NUMBER = re.compile(r"beat (\d+)")

MAKE_ROWS = """
import json, sys, django
django.setup()
from django_site.box import bring_tables_up_to_date
from django_site.devices.models import Device, Route
bring_tables_up_to_date()
for row in json.load(sys.stdin):
    if "name" in row:
        Device.objects.create(**row)
    else:
        Route.objects.create(**{**row, "device": Device.objects.get(name=row["device"])})
"""


def until(true, what, limit=SOON):
    """Wait until a look gives something true, and return it."""
    deadline = time.monotonic() + limit
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what() if callable(what) else what}"
        time.sleep(LOOK)
    return found


async def eventually(true, what, limit=SOON):
    """Wait on the loop until a look gives something true, and return it."""
    deadline = time.monotonic() + limit
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what() if callable(what) else what}"
        await asyncio.sleep(LOOK)
    return found


@contextlib.contextmanager
def short_folder():
    """Give a folder with a name that is short enough for the Unix sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port():
    """Find a port for Direwolf, which takes none above 49151 and so not those that the system gives away."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def environment(**more):
    """What every process of ours is given: our code, warnings on, and no setting of the machine that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EDGE_", "DJANGO_", "MQTT_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "default",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "django_site.settings",
        **more,
    }


def edge(*words, data, timeout=START, **more):
    """Run one command to its end."""
    command = [sys.executable, "-m", "edge.cli", words[0], "--data", str(data), *map(str, words[1:])]
    return subprocess.run(
        command, env=environment(**more), capture_output=True, text=True, timeout=timeout, check=False, cwd=data
    )


def make_rows(data, *rows):
    """Make devices (with a name) and routes (without) as the ORM does, good or bad; a box that runs is told."""
    subprocess.run(
        [sys.executable, "-c", MAKE_ROWS],
        input=json.dumps(rows),
        env=environment(EDGE_DATA=str(data)),
        capture_output=True,
        text=True,
        timeout=START,
        check=True,
        cwd=data,
    )


def mortal(command):
    """Let the kernel kill a process when ours is killed, for then nobody is left to do it: no orphans.

    The kernel looks at the thread that started it, so only the main thread may ask for it. setpriv is of util-linux.
    """
    if threading.current_thread() is not threading.main_thread() or not shutil.which("setpriv"):
        return command
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


class Process:
    """A process whose words go to files, so that nobody has to read them for it to go on. It dies with this one."""

    def __init__(self, *command, folder, env=None, name="process"):
        self.folder = folder
        self.out, self.log = folder / f"{name}.out", folder / f"{name}.log"
        with self.out.open("w") as out, self.log.open("w") as log:
            self.process = subprocess.Popen(
                mortal(list(map(str, command))),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=env or environment(),
                cwd=folder,
                start_new_session=True,
            )

    @property
    def said(self):
        return self.out.read_text(errors="replace")

    @property
    def complained(self):
        return self.log.read_text(errors="replace")

    def says(self, pattern, limit=START):
        """Wait until it has said something, and return the match."""

        def look():
            found = re.search(pattern, self.said + self.complained)
            assert found or self.process.poll() is None, f"it ended with {self.process.returncode}: {self.words()}"
            return found

        return until(look, lambda: f"{pattern!r} in {self.words()}", limit)

    def words(self):
        return (self.said + self.complained)[-6000:]

    def stop(self, number=signal.SIGTERM, limit=10.0):
        """Ask it to stop, and return its exit code and how long it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            return self.process.wait(limit), time.monotonic() - began
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not stop within {limit:g} s: {self.words()}") from None

    def kill(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(SOON)


class Box(Process):
    """``edge serve`` on a free port. A context manager; the box must end well and without a warning."""

    def __init__(self, data, *also, **more):
        self.data = data
        data.mkdir(exist_ok=True)
        words = ["serve", "--port", "0", "--data", data, *also]
        super().__init__(
            sys.executable, "-m", "edge.cli", *words, folder=data.parent, env=environment(**more), name="box"
        )

    def __enter__(self):
        try:
            self.url = self.says(r"Edge is at (http://\S+?)/?\s")[1]
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.process.poll() is None:
                code, _ = self.stop()
                assert code == 0, self.words()
                assert not warnings_in(self.complained)
        finally:
            self.kill()

    def edge(self, *words, **more):
        return edge(*words, data=self.data, **more)

    def status(self):
        """Return what the box says of itself, with its devices by name."""
        _, content = control.request(control.socket_path(self.data), "GET", "/status")
        return {**content, "devices": {device["name"]: device for device in content["devices"]}}

    def device(self, name):
        return self.status()["devices"].get(name, {"state": "", "text": "not there", "routes": []})

    def turns(self, name, state, text="", limit=SOON):
        """Wait until a device is in a state, and return its status."""
        last = {}

        def look():
            last.update(self.device(name))
            return last["state"] == state and text in last["text"]

        until(look, lambda: f"{name} {state} with {text!r}; it is {last}: {self.words()}", limit)
        return last

    def login_path(self):
        """Issue a login link, and return its path."""
        return self.edge("login", "--url", self.url).stdout.strip().removeprefix(self.url)

    def browser(self):
        """Sign in as the operator."""
        browser = Browser(self.url)
        browser.submit(self.login_path())
        return browser


class _Form(HTMLParser):
    """The fields of a page's main form as a browser would send them untouched."""

    def __init__(self):
        super().__init__()
        self.fields = {}
        self._select = self._area = None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        name = given.get("name")
        if tag == "select":
            self._select = name
        elif given.get("type") in ("submit", "button"):
            pass  # a browser sends only the one that was pressed
        elif tag == "option" and self._select and "selected" in given:
            self.fields[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._area = name
            self.fields[name] = ""
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.fields[name] = given.get("value", "on" if given.get("type") == "checkbox" else "")

    def handle_endtag(self, tag):
        self._select = None if tag == "select" else self._select
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data):
        if self._area:
            self.fields[self._area] += data


def submit(browser, path, **changes):
    """Send the form of a page with some fields changed (None takes one away); the page must not complain."""
    form = _Form()
    form.feed(browser.get(path))
    fields = {name: value for name, value in {**form.fields, **changes}.items() if value is not None}
    answer = browser.submit(path, **fields)
    assert "errornote" not in answer, re.findall(r'(?s)<ul class="errorlist.*?</ul>', answer)
    return answer


def warnings_in(text):
    return re.findall(r".*\b\w+Warning: .*", text)


def left_behind(folder):
    """List the processes that still run with a folder in their arguments or their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if os.fsencode(folder) in words and int(process.name) != os.getpid():
                found.append((process.name, (process / "cmdline").read_bytes()))
    return found


def frame(info, source="QQ1STN-9", destination="APZSIM", path=("WIDE1-1",)):
    """Encode a packet by the simulator's own encoder."""
    content = info if isinstance(info, bytes) else info.encode()
    return encode_packet(Packet(source=source, destination=destination, path=path, info=content))


class Steady:
    """A station that beacons a number fifty times a second: whoever misses one has a gap."""

    def __init__(self, tnc, source="QQ1ONE"):
        self.tnc = tnc
        self.source = source
        self.sent = 0

    async def run(self):
        while True:
            if self.tnc.hear(frame(f">beat {self.sent}", source=self.source)):
                self.sent += 1
            await asyncio.sleep(BEAT)


class Workbench:
    """Simulated TNCs on a loop in a thread of its own, for stories that are told in order. A context manager."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workbench")
        self._tncs = []
        self._tasks = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.do(self._clear())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SOON)
        self._loop.close()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SOON)

    def plug(self, link, **more):
        """Plug a TNC in, for good."""
        tnc = SimulatedTnc(link, **more)
        self.do(tnc.start())
        self._tncs.append(tnc)
        return tnc

    def call(self, function, *arguments):
        """Call something of a TNC where it lives."""

        async def there():
            return function(*arguments)

        return self.do(there())

    def hear(self, tnc, info, **more):
        """Let a TNC hear one packet."""
        return self.call(tnc.hear, frame(info, **more))

    def steady(self, tnc, **more):
        """Let a TNC hear a steady station from now on."""
        station = Steady(tnc, **more)

        async def begin():
            self._tasks.append(asyncio.create_task(station.run()))

        self.do(begin())
        return station

    async def _clear(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for tnc in self._tncs:
            await tnc.close()


def gaps(texts):
    """Return the numbers that a steady station's listener missed, doubled or mixed up: pairs that do not follow."""
    numbers = [int(found[1]) for text in texts if (found := NUMBER.search(text))]
    assert numbers, "nothing was heard of the steady station"
    return [pair for pair in itertools.pairwise(numbers) if pair[1] != pair[0] + 1]
