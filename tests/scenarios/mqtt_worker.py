"""A small box in a process of its own: one broker, one route, no site. ``python -m tests.scenarios.mqtt_worker``.

What it handles it writes to a file, a line each, when it has handled it; what it is told besides too, with a ``!``.
Settings come by the environment: PORT, NOTES (the file), MATCH, NAME (of the device), PAUSE (seconds a message takes),
OPTIONS (of the device, as JSON), ROUTE_OPTIONS.
"""

import asyncio
import json
import os
import signal

from edge.consumers import AsyncMqttConsumer
from edge.desired import Desired, DeviceWish, RouteWish
from edge.supervisor import Supervisor

NOTES = os.open(os.environ.get("NOTES", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
PAUSE = float(os.environ.get("PAUSE", "0"))


def note(text):
    os.write(NOTES, text.encode() + b"\n")


class Notes(AsyncMqttConsumer):
    async def connect(self):
        note("!connect")

    async def receive(self, payload, dup):
        text = payload.decode()
        if text.startswith("bad"):
            note(f"!raises on {text}")
            raise ValueError(text)
        await asyncio.sleep(PAUSE)
        note(text)

    async def disconnect(self, code):
        note(f"!disconnect {code}")


async def main():
    supervisor = Supervisor(layer=None)
    device = DeviceWish(
        name=os.environ.get("NAME", "attic"),
        kind="mqtt",
        link=f"mqtt://127.0.0.1:{os.environ['PORT']}",
        options=json.loads(os.environ.get("OPTIONS", "{}")),
    )
    route = RouteWish(
        device=device.name,
        consumer="tests.scenarios.mqtt_worker.Notes",
        match=os.environ["MATCH"],
        options=json.loads(os.environ.get("ROUTE_OPTIONS", "{}")),
    )
    await supervisor.apply(Desired(devices=(device,), routes=(route,)))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(main())
