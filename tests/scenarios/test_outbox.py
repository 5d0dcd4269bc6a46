"""What was accepted is delivered: a real box and a real broker, an outage under load, kill -9, a full disk, a bad page.

Small here. At full size: EDGE_OUTBOX_OUTAGE=60 (seconds) and EDGE_OUTBOX_KILLS=100.
"""

import asyncio
import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from contextlib import closing

import pytest

from django_site import control
from tests.scenarios.running import SOON, Box, Process, environment, free_port, make_rows, short_folder, until
from transports.simulator.broker import PrivateBroker

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_sub")

OUTAGE = float(os.environ.get("EDGE_OUTBOX_OUTAGE", "4"))  # seconds
KILLS = int(os.environ.get("EDGE_OUTBOX_KILLS", "4"))
TOPICS = 5
LOOK = 0.05


class Relay:
    """The way from the box to the broker, which a test can cut: who listens at the broker stays there."""

    def __init__(self, port):
        self.target = port
        self.port = free_port()
        self.server = None
        self.writers = set()
        self.tasks = set()

    async def mend(self):
        self.server = await asyncio.start_server(self.carry, "127.0.0.1", self.port)

    async def cut(self):
        if self.server is not None:
            self.server.close()
            for writer in self.writers:
                writer.transport.abort()
            await asyncio.wait(self.tasks or {asyncio.create_task(asyncio.sleep(0))}, timeout=SOON)
            self.server = None

    async def carry(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.writers.add(writer)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers.add(far_writer)
        with contextlib.suppress(OSError):
            await asyncio.gather(self.pump(reader, far_writer), self.pump(far_reader, writer))

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


class House:
    """A broker with a listener from another project, a way there, and the folder of a box."""

    def __init__(self, folder, broker, relay, loop):
        self.folder, self.broker, self.relay, self.loop = folder, broker, relay, loop
        self.data = folder / "data"
        self.data.mkdir()
        words = ("-h", "127.0.0.1", "-p", broker.port, "-t", "load/#", "-q", "0", "-V", "5", "-F", "%t %P %p")
        self.listener = Process("mosquitto_sub", *words, folder=folder, name="listener")
        self.accepted = defaultdict(list)  # by topic: what the box said that it keeps, in order
        self.stop = threading.Event()
        make_rows(self.data, {"name": "broker", "kind": "mqtt", "link": f"mqtt://127.0.0.1:{relay.port}"})

    def mend(self):
        asyncio.run_coroutine_threadsafe(self.relay.mend(), self.loop).result(SOON)

    def cut(self):
        asyncio.run_coroutine_threadsafe(self.relay.cut(), self.loop).result(SOON)

    def put(self, topic, payload, **more):
        """Ask the box to keep something; return what it said, or None where it does not live."""
        event = {"type": "mqtt.send", "topic": topic, "payload": payload, "durable": True, **more}
        content = {"device": "broker", "event": event}
        try:
            return control.request(control.socket_path(self.data), "POST", "/send", content)
        except (OSError, ValueError, http.client.HTTPException):  # killed before, or amid its answer
            return None

    def produce(self, number):
        """Put one number after the other on a topic, and note those that were accepted."""
        topic, count = f"load/{number}", 0
        while not self.stop.is_set():
            count += 1
            said = self.put(topic, f"{count}")
            if said is None:
                time.sleep(LOOK)
            elif said[0] == 200:
                self.accepted[topic].append(count)

    @contextlib.contextmanager
    def load(self):
        """Put as fast as it goes, from one thread for each topic."""
        self.stop.clear()
        threads = [threading.Thread(target=self.produce, args=(number,)) for number in range(TOPICS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(SOON)

    def came(self):
        """Return what the listener was told: by topic the numbers, and how many came twice."""
        found, ids, twice = defaultdict(list), set(), 0
        for topic, name, payload in re.findall(r"(?m)^(load/\d+) edge-id:(\S+) (\d+)$", self.listener.said):
            if name in ids:
                twice += 1
            else:
                ids.add(name)
                found[topic].append(int(payload))
        return found, twice

    def all_came(self, limit=SOON):
        """Wait until all that was accepted came; the first time that each came, in order."""
        wanted = {topic: set(numbers) for topic, numbers in self.accepted.items()}

        def missing():
            found, _ = self.came()
            return {
                topic: numbers - set(found[topic]) for topic, numbers in wanted.items() if numbers - set(found[topic])
            }

        until(lambda: not missing(), lambda: f"lost: {missing()}"[:2000], limit)
        found, twice = self.came()
        for numbers in found.values():
            assert numbers == sorted(numbers)
        return sum(map(len, wanted.values())), twice


@pytest.fixture
async def house():
    with short_folder() as folder:
        async with PrivateBroker(folder / "broker", kind="mosquitto") as broker:
            relay = Relay(broker.port)
            house = await asyncio.to_thread(House, folder, broker, relay, asyncio.get_running_loop())
            try:
                yield house
            finally:
                house.stop.set()
                await relay.cut()
                await asyncio.to_thread(house.listener.kill)


def tell(words):
    """Tell the figures to who asks for them by pytest -s."""
    sys.stdout.write(f"\n{words}\n")


def ready(house):
    """Wait until the listener listens: a word to itself comes back."""
    words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(house.broker.port), "-t", "load/x", "-m", "ready"]

    def look():
        subprocess.run(words, check=True, timeout=SOON)
        return "load/x" in house.listener.said

    until(look, "the listener listens")


def waiting(box):
    return box.device("broker").get("outbox", {}).get("waiting", -1)


def outage(house):
    ready(house)
    house.mend()
    with Box(house.data) as box:
        box.turns("broker", "up")
        with house.load():
            until(lambda: house.came()[0], "the first came")
            house.cut()
            box.turns("broker", "waiting")
            time.sleep(OUTAGE)  # the fault itself
            assert waiting(box) > 0
            house.mend()
            box.turns("broker", "up", limit=60)
        count, twice = house.all_came(60)
        until(lambda: waiting(box) == 0, "nothing waits any more")
        counts = box.device("broker")["outbox"]
        shown = box.edge("status")
    assert counts["sent"] == count
    assert counts["failed"] == counts["expired"] == 0
    assert f"outbox: 0 waiting, {count} sent" in shown.stdout
    assert twice <= TOPICS  # those on their way when the line was cut
    tell(f"away for {OUTAGE:g} s: {count} accepted, all came, {twice} twice")


async def test_a_broker_that_is_away_under_load_is_told_all_that_was_accepted_in_order(house):
    await asyncio.to_thread(outage, house)


def killed(house):
    ready(house)
    chance = random.Random(5)
    boxes = 0
    with house.load():
        for number in range(KILLS):
            box = Box(house.data)
            boxes += 1
            with box:
                if number % 2:
                    house.mend()
                accepted = sum(map(len, house.accepted.values()))
                until(lambda before=accepted: sum(map(len, house.accepted.values())) > before + 20, "it accepts")
                time.sleep(chance.uniform(0.0, 1.0))  # somewhere
                box.kill()
            if number % 2:
                house.cut()
    house.mend()
    with Box(house.data) as box:
        count, twice = house.all_came(60)
        until(lambda: waiting(box) == 0, "nothing waits any more")
        assert box.edge("status").returncode == 0
    tell(f"{KILLS} kills: {count} accepted, all came, {twice} twice")


async def test_a_box_that_is_killed_with_a_full_outbox_loses_nothing_that_it_accepted(house):
    await asyncio.to_thread(killed, house)


class SmallBox(Box):
    """A box whose data folder is a disk of four megabytes, in a mount namespace of its own."""

    def __init__(self, data):
        self.outside = data
        mount = f"mount -t tmpfs -o size=4m tmpfs {data} && cp -a {data}.full/. {data}/"
        words = f"{mount} && exec {sys.executable} -m edge.cli serve --port 0 --data {data}"
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", words]
        Process.__init__(self, *command, folder=data.parent, env=environment(), name="box")

    def __enter__(self):
        super().__enter__()
        self.data = type(self.outside)(f"/proc/{self.process.pid}/root{self.outside}")
        return self


def page_answers(box):
    with urllib.request.urlopen(f"{box.url}/login/", timeout=SOON) as page:
        return page.status == 200


def may_mount(folder):
    words = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", folder]
    return subprocess.run(words, check=False).returncode == 0


def disk_full(house):
    ready(house)
    shutil.copytree(house.data, f"{house.data}.full")
    with SmallBox(house.data) as box:
        house.data = box.data
        ballast = box.data / "ballast"
        ballast.write_bytes(bytes(2_000_000))
        count = 0
        while (said := house.put("load/1", str(count + 1), properties={"content_type": "x" * 10_000}))[0] == 200:
            count += 1
            house.accepted["load/1"].append(count)
            assert count < 500
        assert "the disk is full" in said[1]["error"]
        assert count > 10
        status = box.status()
        assert any("the disk is full" in problem for problem in status["box"]["problems"])
        assert status["devices"]["broker"]["outbox"]["waiting"] == count
        assert page_answers(box)
        ballast.unlink()
        assert house.put("load/1", str(count + 1))[0] == 200
        house.accepted["load/1"].append(count + 1)
        assert not [problem for problem in box.status()["box"]["problems"] if "disk" in problem]
        house.mend()
        house.all_came(60)
        until(lambda: box.device("broker")["outbox"]["waiting"] == 0, "nothing waits any more")


@pytest.mark.needs("unshare")
async def test_a_full_disk_refuses_what_is_new_in_plain_words_and_loses_nothing(house):
    if not await asyncio.to_thread(may_mount, house.folder):
        pytest.skip("this machine lets nobody mount a small disk (user namespaces)")
    await asyncio.to_thread(disk_full, house)


def leaf_in_the_middle(path):
    """Return the offset of a page of the outbox's table: one that holds what was put in the middle."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    wanted = re.compile(rb'"payload":"60"')
    pages = [at for at in range(0, len(data), 4096) if data[at] == 13 and wanted.search(data, at, at + 4096)]
    assert pages
    return pages[0]


def bad_page(house):
    ready(house)
    with Box(house.data) as box:
        for number in range(1, 121):
            assert house.put("load/1", str(number))[0] == 200
            house.accepted["load/1"].append(number)
        box.process.send_signal(signal.SIGKILL)
        box.process.wait(SOON)
    path = house.data / "edge.sqlite3"
    at = leaf_in_the_middle(path)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(random.Random(3).randbytes(4096))
    with Box(house.data) as box:
        (said,) = box.status()["box"]["problems"]
        assert "edge.sqlite3 was damaged" in said
        assert "120 entries wait in the outbox, none was lost" in said
        assert said in box.edge("status").stdout
        house.mend()
        box.turns("broker", "up", limit=60)
        assert house.all_came(60) == (120, 0)
    (aside,) = [each for each in house.data.glob("*.damaged-*") if each.name[-1].isdigit()]
    assert aside.name in said
    with Box(house.data) as box:
        assert box.status()["box"]["problems"] == []


async def test_a_bad_page_of_the_outbox_is_told_and_loses_nothing(house):
    await asyncio.to_thread(bad_page, house)
