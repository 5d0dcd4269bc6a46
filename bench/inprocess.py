"""One echo consumer without a server, as a process of its own: ``python -m bench.inprocess NAME LAYER EVENTS``.

The driver is the least that can be called a server: ``send`` asks the loop to bring the next event in its next turn,
as a socket would; ``receive`` waits for it. ``LAYER`` is ``none`` (no layer configured), ``idle`` (one configured,
not used) or ``group`` (each event goes through a group of the layer before it is echoed).
"""

import asyncio
import sys
import time
from typing import Any

from bench import servers
from bench.measure import answer
from edge.asgi import App

WARM = 200  # events before the clock starts

SCOPE = {
    "type": "websocket",
    "path": "/",
    "headers": [],
    "query_string": b"",
    "subprotocols": [],
    "asgi": {"version": "3.0"},
}


class Driver:
    """A server of one connection and one echo at a time."""

    def __init__(self, events: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.left = WARM + events
        self.counted = events
        self.began = self.spent = 0.0

    async def receive(self) -> dict[str, Any]:
        return await self.inbox.get()

    async def send(self, event: dict[str, Any]) -> None:
        del event
        self.loop.call_soon(self._next)

    def _next(self) -> None:
        if self.left == self.counted:
            self.began = time.process_time()
        if self.left == 0:
            self.spent = time.process_time() - self.began
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
            return
        self.left -= 1
        self.inbox.put_nowait({"type": "websocket.receive", "text": "an echo of some forty bytes, as people type"})


def group_echo(side: str) -> App:
    """Return an echo by way of a group, which each member of a chat pays for."""
    if side == "edge-async":
        from edge.consumers import AsyncWebsocketConsumer as Base

        class Ours(Base):
            groups = ("echo",)

            async def receive(self, text: str) -> None:
                await self.channel_layer.group_send("echo", {"type": "came", "text": text})

            async def came(self, message: dict[str, str]) -> None:
                await self.send(text=message["text"])

        return Ours.as_asgi()
    from channels.generic.websocket import AsyncWebsocketConsumer as TheirBase

    class Theirs(TheirBase):
        groups = ("echo",)

        async def receive(self, text_data: str) -> None:
            await self.channel_layer.group_send("echo", {"type": "came", "text": text_data})

        async def came(self, message: dict[str, str]) -> None:
            await self.send(text_data=message["text"])

    return Theirs.as_asgi()


async def main(name: str, layer: str, events: int) -> None:
    """Run one connection to its end."""
    servers.configure_django(layer=layer != "none")
    app = group_echo(name) if layer == "group" else servers.ECHOES[name]()
    driver = Driver(events)
    async with asyncio.timeout(60):
        await app(dict(SCOPE), driver.receive, driver.send)
    answer(micros=1e6 * driver.spent / events)


if __name__ == "__main__":
    servers.web.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
