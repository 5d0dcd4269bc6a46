"""What users of MQTT gateways were hurt by, each as a story with a real mosquitto.

EDGE_KILLS and EDGE_MESSAGES make the story of kill -9 longer: 100 and 10000 are what the issue asks for.
"""

import json
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto
from tests.scenarios.running import START, until

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("EDGE_KILLS", "6"))
MESSAGES = int(os.environ.get("EDGE_MESSAGES", "600"))
LIMIT = 30.0 + MESSAGES / 50  # seconds for all that is left to be handled, once nobody kills any more
pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub")


@pytest.fixture
def broker(tmp_path):
    # The queues of a client that is away are bounded by default: mosquitto's bound, not ours.
    running = Mosquitto(tmp_path, ["max_queued_messages 0"]).start()
    yield running
    running.kill()


class Worker:
    """`tests.scenarios.mqtt_worker`, and what it wrote."""

    def __init__(self, broker, notes, match, **settings):
        self.notes = notes
        env = {name.upper(): value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        self.env = {**os.environ, "PORT": str(broker.port), "NOTES": str(notes), "MATCH": match, **env}
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "tests.scenarios.mqtt_worker"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stderr=subprocess.PIPE, text=True)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def lines(self):
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def told(self):
        return [line for line in self.lines() if line.startswith("!")]

    def handled(self):
        return [line for line in self.lines() if not line.startswith("!")]

    def wrote(self, line, times=1):
        until(lambda: self.lines().count(line) >= times, lambda: f"{line!r} in {self.lines()[-20:]}", START)

    def is_subscribed(self, broker, times=1):
        until(lambda: broker.log.read_text().count("Sending SUBACK") >= times, broker.log.read_text, START)


def lines_publisher(broker, topic):
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", "1", "-t", topic, "-l"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)


def test_killed_again_and_again_while_it_handles_nothing_is_lost(broker, tmp_path):
    chance = random.Random(5)
    numbers = [str(number) for number in range(MESSAGES)]
    worker = Worker(broker, tmp_path / "notes", "work/#", pause="0.0005").start()
    try:
        worker.is_subscribed(broker)
        share = -(-MESSAGES // KILLS)
        for life in range(KILLS):
            batch = numbers[life * share : (life + 1) * share]
            before = len(worker.handled())
            # One publisher a batch: mosquitto_pub -l may keep lines that it has read until more come.
            lines_publisher(broker, "work/a").communicate("".join(f"{n}\n" for n in batch), timeout=START)
            wanted = before + chance.randrange(1, share)
            until(lambda: len(worker.handled()) >= wanted, lambda: f"{wanted} of {worker.handled()[-3:]}", LIMIT)
            worker.kill()
            worker.start()
        until(lambda: set(numbers) <= set(worker.handled()), lambda: len(set(worker.handled())), LIMIT)
    finally:
        worker.kill()
    handled = worker.handled()
    twice = len(handled) - len(set(handled))
    logging.getLogger(__name__).info("%d kills, %d messages, %d handled twice", KILLS, MESSAGES, twice)
    assert set(handled) == set(numbers)


def test_what_was_kept_while_we_were_away_is_handled_whole_though_it_is_more_than_may_be_in_flight(broker, tmp_path):
    with Worker(broker, tmp_path / "notes", "work/#", options={"in_flight": 10}) as worker:
        worker.is_subscribed(broker)
        worker.kill()
        numbers = [str(number) for number in range(300)]
        lines_publisher(broker, "work/a").communicate("".join(f"{number}\n" for number in numbers), timeout=START)
        worker.start()
        worker.wrote(numbers[-1])
        assert worker.handled() == numbers


def test_a_consumer_that_raises_is_started_again_and_its_message_given_up_after_three_times(broker, tmp_path):
    with Worker(broker, tmp_path / "notes", "work/#") as worker:
        worker.is_subscribed(broker)
        for payload in ("one", "bad", "two"):
            broker.publish("work/a", payload, "-q", 1)
        worker.wrote("two")
        broker.publish("work/a", "three", "-q", 1)
        worker.wrote("three")
        assert worker.told().count("!raises on bad") == 3
        assert worker.handled() == ["one", "two", "three"]
        worker.process.send_signal(signal.SIGTERM)
        _, errors = worker.process.communicate(timeout=START)
        assert worker.process.returncode == 0, errors
        assert "ValueError: bad" in errors
        assert worker.told()[-1] == "!disconnect 1012"
    # It was acknowledged: nothing comes again.
    with Worker(broker, tmp_path / "notes", "work/#") as worker:
        broker.publish("work/a", "four", "-q", 1)
        worker.wrote("four")
        assert worker.handled() == ["one", "two", "three", "four"]


def test_a_broker_that_is_restarted_is_subscribed_to_again_and_told_of_once(tmp_path):
    broker = Mosquitto(tmp_path).start()
    try:
        with Worker(broker, tmp_path / "notes", "work/#") as worker:
            worker.is_subscribed(broker)
            broker.publish("work/a", "before", "-q", 1)
            worker.wrote("before")
            broker.kill()
            worker.wrote("!disconnect 1006")
            broker.start()
            worker.is_subscribed(broker)
            broker.publish("work/a", "after", "-q", 1)
            worker.wrote("after")
            assert worker.lines() == ["!connect", "before", "!disconnect 1006", "!connect", "after"]
    finally:
        broker.kill()


def test_others_hear_that_the_box_was_killed_and_that_it_is_back(broker, tmp_path):
    said = {"will_topic": "box/state", "birth_topic": "box/state"}
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "box/state", "-q", "1", "-C", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            until(lambda: "Sending SUBACK" in broker.log.read_text(), broker.log.read_text, START)
            with Worker(broker, tmp_path / "notes", "work/#", options=said) as worker:
                worker.is_subscribed(broker, times=2)
                worker.kill()  # no goodbye: SIGKILL
                worker.start()
                assert watcher.communicate(timeout=START)[0].split() == ["online", "offline", "online"]
        finally:
            watcher.kill()


def test_two_processes_share_the_work(broker, tmp_path):
    match = "$share/workers/jobs/#"
    with (
        Worker(broker, tmp_path / "one", match, name="one") as one,
        Worker(broker, tmp_path / "two", match, name="two") as two,
    ):
        one.is_subscribed(broker, times=2)
        numbers = [str(number) for number in range(200)]
        publisher = lines_publisher(broker, "jobs/a")
        publisher.communicate("".join(f"{number}\n" for number in numbers), timeout=START)
        until(lambda: len(one.handled()) + len(two.handled()) >= 200, lambda: (one.handled(), two.handled()), START)
        assert sorted(one.handled() + two.handled()) == sorted(numbers)
        assert min(len(one.handled()), len(two.handled())) > 0
        # What one has not acknowledged when it dies is not lost: it comes to the other, or to itself again.
        one.kill()
        publisher = lines_publisher(broker, "jobs/a")
        publisher.communicate("".join(f"late {number}\n" for number in range(20)), timeout=START)
        one.start()
        late = {f"late {number}" for number in range(20)}
        until(lambda: late <= {*one.handled(), *two.handled()}, lambda: (one.handled(), two.handled()), START)
