"""The layers that the suite holds to one contract, and in which of its points a third party's is known to differ.

A layer joins by one `Kind` in `KINDS`. ``differs`` maps the name of a test to the reason why this layer fails it; a
reason that is no longer true fails the suite.
"""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from channels.layers import InMemoryChannelLayer as ChannelsInMemory

from edge.layers import InMemoryChannelLayer
from edge.layers.mqtt import MqttChannelLayer
from edge.registry import import_string

START = 15.0  # seconds
CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


@dataclass(frozen=True, kw_only=True)
class Kind:
    name: str
    make: Callable[..., Any]  # (server, **config); called once more, a layer that is shared gives another process's end
    program: str = ""  # of the server that it talks to
    shared: bool = False  # between processes
    presence: bool = False  # tells who is in a group
    differs: dict[str, str] = field(default_factory=dict)

    def __str__(self):
        return self.name


class PrivateRedis:
    """A Redis of our own on a free port of this machine; what is in it dies with it, unless ``keep``."""

    def __init__(self, folder: Path, *, keep: bool = False):
        self.folder = folder
        self.keep = keep
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        # redis-py 8 gives up a read after 5 s, in the middle of channels_redis' own wait of 5 s for a message.
        self.host = {"address": self.url, "socket_timeout": None}
        self.process = None

    def start(self):
        options = {"bind": "127.0.0.1", "port": self.port, "dir": self.folder, "save": "", "daemonize": "no"}
        options |= {"appendonly": "yes", "appendfsync": "always"} if self.keep else {"appendonly": "no"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self.folder / "redis.log").open("a") as log:
            self.process = subprocess.Popen([shutil.which("redis-server"), *words], stdout=log, stderr=log)
        deadline = time.monotonic() + START
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait(START)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class PrivateMosquitto:
    """A mosquitto of our own on a free port of this machine. ``lines`` go into its configuration."""

    def __init__(self, folder: Path, *lines: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.log = folder / "mosquitto.log"
        self.config = folder / "mosquitto.conf"
        common = [f"listener {self.port} 127.0.0.1", f"user {getpass.getuser()}"]
        self.config.write_text("\n".join([*common, *(lines or ["allow_anonymous true"]), ""]))
        self.process = None

    def start(self):
        with self.log.open("a") as log:
            command = [shutil.which("mosquitto"), "-c", self.config]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "mosquitto did not start"
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait(START)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


SERVERS = {"redis-server": PrivateRedis, "mosquitto": PrivateMosquitto}


def mqtt_layer(server, *, prefix="", **config):
    return MqttChannelLayer(server.url, prefix=prefix or uuid4().hex, **config)


def redis_layer(backend):
    def make(server, *, prefix="", **config):
        return import_string(backend)(hosts=[server.host], prefix=prefix or uuid4().hex, **config)

    return make


async def close(layer):
    """Let go of the connections of any layer."""
    for name in ("close_pools", "close", "flush"):
        if (method := getattr(layer, name, None)) is not None:
            await method()
            return


KINDS = (
    Kind(name="memory", make=lambda _server, prefix="", **config: InMemoryChannelLayer(**config), presence=True),
    Kind(
        name="channels-memory",
        make=lambda _server, prefix="", **config: ChannelsInMemory(**config),
        differs={
            "test_patterns_give_channels_capacities_of_their_own": "it does not compile its patterns",
            "test_what_is_no_ascii_name_is_refused": "its expressions take a newline at the end and any digit",
        },
    ),
    Kind(name="mqtt", make=mqtt_layer, program="mosquitto", shared=True),
    Kind(
        name="redis-core",
        make=redis_layer(CORE),
        program="redis-server",
        shared=True,
        differs={
            "test_six_hundred_sends_to_twenty_rooms_twenty_at_a_time_all_arrive": (
                "all channels of a process share one list in Redis, and its capacity"
            ),
            "test_a_member_may_change_its_message_and_nobody_sees_it": "members in one process get one object",
            "test_what_is_no_ascii_name_is_refused": "its names are judged by Channels",
        },
    ),
    Kind(
        name="redis-pubsub",
        make=redis_layer(PUBSUB),
        program="redis-server",
        shared=True,
        differs={
            "test_what_is_sent_waits_for_its_reader": "nobody has subscribed yet",
            "test_a_full_channel_is_an_error_for_the_sender": "its queues have no bound",
            "test_patterns_give_channels_capacities_of_their_own": "its queues have no bound",
            "test_a_message_that_nobody_fetched_in_time_is_forgotten": "its messages do not expire",
            "test_names_that_are_too_long_or_wrong_are_type_errors": "it does not look at names",
            "test_what_is_no_ascii_name_is_refused": "it does not look at names",
            "test_what_is_no_dictionary_is_refused": "it sends anything",
        },
    ),
)
