"""What subscribes in bench.mqtt, each a process of its own: ``python -m bench.mqtt_sides SIDE PORT QOS``.

Each counts what comes on ``flood``, and answers each message on ``ping`` with the same on ``pong``. Asked for a report
it answers how many it has counted.
"""

import asyncio
import importlib
import socket
import sys
import threading

from bench.measure import answer, commands
from edge.consumers import AsyncMqttConsumer
from edge.desired import Desired, DeviceWish, RouteWish
from edge.status import State
from edge.supervisor import Supervisor

counted = [0]
quality = [0]  # QoS of what is answered


class Side(AsyncMqttConsumer):
    """Ours, in the whole chain: supervisor, tap, fan-out, route, consumer."""

    async def receive(self, topic: str, payload: bytes) -> None:
        if topic == "ping":
            await self.send(topic="pong", payload=payload, qos=quality[0])
        else:
            counted[0] += 1


async def edge(port: int, qos: int) -> None:
    module = importlib.import_module("bench.mqtt_sides")  # the route's, not this one, which runs as __main__
    module.quality[0] = qos
    supervisor = Supervisor(layer=None)
    device = DeviceWish(name="bench", kind="mqtt", link=f"mqtt://127.0.0.1:{port}", options={"session_expiry": 0})
    routes = tuple(
        RouteWish(device="bench", consumer="bench.mqtt_sides.Side", match=match, options={"subscribe_qos": qos})
        for match in ("flood", "ping")
    )
    await supervisor.apply(Desired(devices=(device,), routes=routes))
    async with asyncio.timeout(10):
        while supervisor.status()[0].state is not State.UP:  # noqa: ASYNC110  (status is asked, not told)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # the SUBACKs
    answer(up=True)
    await asyncio.to_thread(_report, module.counted)
    await supervisor.stop()


async def bare(port: int, qos: int, *, nodelay: bool = False) -> None:
    """The loop of aiomqtt's own documentation."""
    import aiomqtt

    async with aiomqtt.Client("127.0.0.1", port) as client:
        if nodelay:
            client._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # noqa: SLF001  (no other door)
        await client.subscribe("flood", qos=qos)
        await client.subscribe("ping", qos=qos)
        answer(up=True)
        reporting = asyncio.ensure_future(asyncio.to_thread(_report, counted))
        loop = asyncio.ensure_future(_loop(client, qos))
        await asyncio.wait({reporting, loop}, return_when=asyncio.FIRST_COMPLETED)
        loop.cancel()


async def _loop(client, qos: int) -> None:
    async for message in client.messages:
        if message.topic.value == "ping":
            await client.publish("pong", message.payload, qos=qos)
        else:
            counted[0] += 1


def peer(port: int, qos: int) -> None:
    """mqttasgi and a consumer on Channels, as its documentation has it."""
    from bench.servers import configure_django

    configure_django(layer=False)
    from mqttasgi.consumers import MqttConsumer
    from mqttasgi.server import Server

    class Theirs(MqttConsumer):
        async def connect(self) -> None:
            await self.subscribe("flood", qos)
            await self.subscribe("ping", qos)
            threading.Thread(target=_report, args=(counted,), daemon=True).start()
            answer(up=True)

        async def receive(self, mqtt_message) -> None:
            if mqtt_message["topic"] == "ping":
                await self.publish("pong", mqtt_message["payload"], qos)
            else:
                counted[0] += 1

        async def disconnect(self) -> None:
            pass

    Server(Theirs.as_asgi(), "127.0.0.1", port, client_id="bench-peer").run()


def _report(counts: list[int]) -> None:
    for _ in commands():
        answer(count=counts[0])


if __name__ == "__main__":
    name, port_, qos_ = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if name == "mqttasgi":
        peer(port_, qos_)
    else:
        asyncio.run(edge(port_, qos_) if name == "edge" else bare(port_, qos_, nodelay=name == "nodelay"))
