"""A server of its own process, so that its memory can be looked at: ``python consumers_served.py``.

It prints its port. ``/status`` answers each message with what the process has taken, and obeys "release".
"""

import asyncio
import json
import resource
import sys
import threading

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer
from edge.routing import URLRouter
from transports import web

CHUNK = 65_536  # bytes

counts = {"sent": 0, "heard": 0}
released = threading.Event()


class Deluge(AsyncWebsocketConsumer):
    async def receive(self, text):
        for _ in range(int(text)):
            await self.send(bytes=bytes(CHUNK))
            counts["sent"] += 1


class PlainDeluge(WebsocketConsumer):
    def receive(self, text):
        for _ in range(int(text)):
            self.send(bytes=bytes(CHUNK))
            counts["sent"] += 1


class Slow(AsyncWebsocketConsumer):
    async def receive(self, bytes):
        while not released.is_set():
            await asyncio.sleep(0.01)
        counts["heard"] += 1


class SlowMember(Slow):
    groups = ("room",)


class PlainSlow(WebsocketConsumer):
    def receive(self, bytes):
        released.wait(60)
        counts["heard"] += 1


class Status(AsyncWebsocketConsumer):
    async def receive(self, text):
        if text == "release":
            released.set()
        await self.send(text=json.dumps(counts | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


async def main():
    from django.urls import path

    apps = {"deluge": Deluge, "plain-deluge": PlainDeluge, "slow": Slow, "slow-member": SlowMember}
    apps |= {"plain-slow": PlainSlow, "status": Status}
    server = web.WebServer(URLRouter([path(name, app.as_asgi()) for name, app in apps.items()]), port=0)
    await server.start()
    print(server.url.rpartition(":")[2], flush=True)  # noqa: T201  (its one answer)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0.2)


if __name__ == "__main__":
    web.run(main())
