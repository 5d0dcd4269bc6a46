"""A house for stories about bridges: devices in this process, mosquitto, and strangers who speak MQTT 5 to it."""

import asyncio
import contextlib
import json

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.desired import Desired, DeviceWish, RouteWish
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.status import BOX
from edge.supervisor import Supervisor
from tests.scenarios.running import SOON, eventually
from transports.links import MemoryPort
from transports.simulator.broker import PrivateBroker


class House:
    """A broker, and a supervisor whose tap and status go to the channel layer as the box's do."""

    def __init__(self, folder):
        self.broker = PrivateBroker(folder / "broker", kind="mosquitto")
        self.ports = {}
        self.layer = InMemoryChannelLayer()
        self.supervisor = Supervisor(layer=self.layer, observe=self._observe)
        self.seen = []
        self._tasks = set()

    def _observe(self, device, direction, event, reason):
        self.seen.append((device, direction, event, reason))
        if "tap" in self.layer.groups:
            told = {"type": "tap.event", "device": device, "direction": direction, "event": event, "reason": reason}
            task = asyncio.create_task(self.layer.group_send("tap", told))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def tell_status(self, box=BOX):
        devices = [device.as_dict() for device in self.supervisor.status()]
        await self.layer.group_send("status", {"type": "status.changed", "box": box, "devices": devices})

    def radio(self, name, kind="aprs", **wish):
        """Wish for a radio or a line with a port in memory."""
        self.ports[name] = MemoryPort(name)
        options = {"callsign": "QQ1EDG", "frames_per_minute": 600} if kind in ("aprs", "ax25") else {}
        return DeviceWish(
            name=name,
            kind=kind,
            link=f"memory://{name}",
            transmit=wish.pop("transmit", True),
            options={**options, **wish},
        )

    async def run(self, *devices, routes=(), **options):
        """Run these devices beside the broker, with routes of ``(device, consumer, match, options)``."""
        attic = DeviceWish(name="broker", kind="mqtt", link=self.broker.url, options=options)
        wishes = [RouteWish(device=d, consumer=f"edge.contrib.{c}", match=m, options=o) for d, c, m, o in routes]
        self.desired = Desired(devices=(*devices, attic), routes=tuple(wishes))
        await self.supervisor.apply(self.desired)
        for device in self.desired.devices:
            await self.until_up(device.name)

    async def until_up(self, name):
        def look():
            found = self.status(name)
            return found.state.value == "up" and all(route.text == "running" for route in found.routes)

        await eventually(look, lambda: f"{name} up: {self.supervisor.status()}")

    def status(self, name):
        return next(status for status in self.supervisor.status() if status.name == name)

    async def hears(self, name, data):
        """Let a port hear bytes."""
        self.ports[name].feed(data)

    async def written(self, name, part):
        port = self.ports[name]
        await eventually(lambda: part in port.written, lambda: f"{part!r} in {bytes(port.written)!r}")
        return bytes(port.written)

    @contextlib.asynccontextmanager
    async def stranger(self, *topics, **more):
        """Connect somebody else to the broker, who subscribes first."""
        client = aiomqtt.Client("127.0.0.1", self.broker.port, protocol=aiomqtt.ProtocolVersion.V5, **more)
        async with asyncio.timeout(4 * SOON), client:
            for topic in topics:
                await client.subscribe(topic, qos=1)
            yield Stranger(client)

    async def __aenter__(self):
        self._before = channel_layers.set("default", self.layer)
        await self.broker.__aenter__()
        return self

    async def __aexit__(self, *words):
        await self.supervisor.stop()
        await self.broker.__aexit__(*words)
        for port in self.ports.values():
            port.remove()
        channel_layers.backends.pop("default", None)
        if self._before is not None:
            channel_layers.set("default", self._before)


class Stranger:
    """Another client of the broker."""

    def __init__(self, client):
        self.client = client
        self.coming = aiter(client.messages)

    async def publish(self, topic, payload, *, retain=False, **properties):
        about = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(about, name, value)
        data = json.dumps(payload) if isinstance(payload, dict) else payload
        await self.client.publish(topic, data, qos=1, retain=retain, properties=about)

    async def next(self, limit=SOON):
        async with asyncio.timeout(limit):
            return await anext(self.coming)

    async def next_json(self, limit=SOON):
        message = await self.next(limit)
        return str(message.topic), json.loads(message.payload)

    async def silence(self, seconds=0.3):
        """Tell that nothing comes for a while."""
        try:
            message = await self.next(seconds)
        except TimeoutError:
            return True
        raise AssertionError(f"{message.topic}: {message.payload!r}")
