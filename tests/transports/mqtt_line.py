"""What the tests of MQTT share: an app that notes, a serve that ends, and stand-ins for brokers that misbehave."""

import asyncio
import contextlib
import subprocess

import pytest

from edge.registry import Device
from tests.mosquitto import SOON
from transports import mqtt
from transports.options import MqttOptions

ACCEPTED = b"\x20\x03\x00\x00\x00"  # CONNACK of MQTT 5: success, no properties
VERSIONS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


class App:
    """Notes what it is told until the end, and lends its ``send``."""

    def __init__(self, *, deaf=False):
        self.events = asyncio.Queue()
        self.deaf = deaf  # does not even read
        self.calls = 0

    async def __call__(self, scope, receive, send):
        self.calls += 1
        self.scope, self.receive, self.send = scope, receive, send
        while True:
            event = await receive()
            self.events.put_nowait(event)
            if self.deaf:
                await asyncio.Event().wait()
            if event["type"] == "mqtt.disconnect":
                return

    async def next(self):
        return await asyncio.wait_for(self.events.get(), SOON)

    async def subscribe(self, topic, qos=0):
        await asyncio.wait_for(self.send({"type": "mqtt.subscribe", "topic": topic, "qos": qos}), SOON)

    async def publish(self, topic, payload, **fields):
        event = {"type": "mqtt.send", "topic": topic, "payload": payload, **fields}
        await asyncio.wait_for(self.send(event), SOON)


def make(link, name="attic", **options):
    return mqtt.build(Device(name=name, link=link, options=MqttOptions(**options), state={"kept": 1}))


@contextlib.asynccontextmanager
async def serving(server, app):
    """Serve until the block is left; yields the task of ``serve`` once the app has had its first event."""
    up = asyncio.Event()
    task = asyncio.create_task(server.serve(app, up.set))
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait({task, waiting}, timeout=SOON, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    try:
        assert await app.next() == {"type": "mqtt.connect"}
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=2 * SOON)
        assert task.done()
        if not task.cancelled():
            task.exception()


def link(broker):
    return f"mqtt://127.0.0.1:{broker.port}"


@contextlib.contextmanager
def subscriber(broker, topic):
    """Run mosquitto_sub for one message; yields a function that returns it as (topic, payload, qos, retain)."""
    base = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", topic, "-q", "2", "-C", "1"]
    before = broker.log.read_text().count("Sending SUBACK")
    process = subprocess.Popen([*base, "-F", "%t|%p|%q|%r"], stdout=subprocess.PIPE, text=True)
    assert broker.says("Sending SUBACK", more_than=before)

    async def message():
        told, _ = await asyncio.to_thread(process.communicate, timeout=SOON)
        return told.rstrip("\n").split("|")

    try:
        yield message
    finally:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def stand_in(answer, *, then_close=False):
    """Listen, and answer the first packet of each connection with these bytes; yields the port and the streams."""
    streams = []

    async def talk(reader, writer):
        streams.extend((reader, writer))
        await reader.read(2000)
        writer.write(answer)
        if then_close:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], streams
    finally:
        server.close()
        for writer in streams[1::2]:
            writer.close()
            with contextlib.suppress(OSError):
                await asyncio.wait_for(writer.wait_closed(), SOON)


async def attempt(server):
    await asyncio.wait_for(server.serve(App(), lambda: None), SOON)
