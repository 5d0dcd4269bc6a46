"""``edge demo --check``: prove each link of the chain from outside, and say what was seen and how long it took.

pty → packet → WebSocket, database, broker; and a chat that answers over WebSocket, over MQTT and over the radio, where
the simulated station acknowledges the answer as a real one would.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async

from django_site.commands import say
from django_site.commands.demo import CALLSIGN
from edge.registry import import_string

LIMIT = 45.0  # seconds for one link; a station on the simulated air takes its time to speak


@dataclass(slots=True)
class Watch:
    """What the live page was told, kept for the links that look at it (at most a few hundred messages in a check)."""

    packets: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, socket: Any) -> None:
        """Take what comes from the live page's socket, for ever."""
        async for message in import_string("transports.probes:messages")(socket):
            self.packets += message.get("packets", [message["packet"]] if "packet" in message else [])
            self.news.set()

    async def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a packet, seen already or to come."""
        while True:
            found = next((packet for packet in self.packets if wanted(packet)), None)
            if found is not None:
                return found
            self.news.clear()
            await self.news.wait()


async def check(url: str, link: str, broker_url: str, begin: float) -> bool:
    """Prove every link, in turn; return whether all of them held."""
    browser = import_string("transports.probes:Browser")(url)
    proof = _Proof(begin)
    if not await proof.link("the site signs in by link", _sign_in(browser, link)):
        return proof.end()
    watch = Watch()
    async with AsyncExitStack() as clients:
        socket = await proof.link("a WebSocket opens", clients.enter_async_context(browser.websocket("/ws/live/")))
        mqtt = await proof.link("the broker answers", _subscribed(clients, broker_url))
        if socket is None or mqtt is None:
            return proof.end()
        messages = asyncio.Queue[Any](maxsize=10_000)
        following = [asyncio.create_task(watch.follow(socket)), asyncio.create_task(_collect(mqtt, messages))]
        try:
            seen = await proof.link("pty → packet → WebSocket", watch.wait_for(_is_position))
            both = await proof.link("the same packet → broker", _on_broker(messages, watch))
            await proof.link("the same packet → database", _in_database(both or seen))
            await proof.link("chat over WebSocket", _chat_by_websocket(browser))
            await proof.link("chat over MQTT", _chat_by_mqtt(mqtt, messages))
            await proof.link("chat over the radio", _chat_by_radio(watch))
        finally:
            for task in following:
                task.cancel()
    return proof.end()


class _Proof:
    """Which links held."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.broken: list[str] = []

    async def link(self, name: str, proof: Awaitable[Any]) -> Any:
        """Prove one link; print what was seen, or what failed. Returns what the proof returned, or None."""
        started = time.monotonic()
        try:
            seen = await asyncio.wait_for(proof, LIMIT)
        except Exception as error:  # noqa: BLE001  (whatever went wrong is the answer)
            self.broken.append(name)
            why = (
                f"nothing within {LIMIT:g} s" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            )
            say(f"FAILED  {name}: {why}")
            return None
        say(f"ok {time.monotonic() - started:6.2f} s  {name}{_words(seen)}")
        return seen

    def end(self) -> bool:
        """Print the sum."""
        seconds = time.monotonic() - self.begin
        say(f"broken: {', '.join(self.broken)}" if self.broken else f"Every link holds; {seconds:.1f} s in all.")
        return not self.broken


def _words(seen: Any) -> str:
    if isinstance(seen, dict):
        return f": {seen['source']}: {seen['text']}"
    return f": {seen}" if isinstance(seen, str) else ""


def _is_position(packet: dict[str, Any]) -> bool:
    return packet["direction"] == "heard" and packet["format"] in ("position", "mic-e")


async def _sign_in(browser: Any, link: str) -> str:
    page = await asyncio.to_thread(browser.submit, link)
    if "Live" not in page:
        raise ValueError("the link did not lead to the live page")
    return "the live page is there"


async def _subscribed(clients: AsyncExitStack, broker_url: str) -> Any:
    mqtt = await clients.enter_async_context(import_string("transports.probes:broker")(broker_url))
    await mqtt.subscribe("aprs/#")
    await mqtt.subscribe("chat/check/out")
    return mqtt


async def _collect(mqtt: Any, messages: "asyncio.Queue[Any]") -> None:
    async for message in mqtt.messages:
        await messages.put(message)


async def _on_broker(messages: "asyncio.Queue[Any]", watch: Watch) -> dict[str, Any]:
    """Wait for a packet that the route forwarded, and for the same packet on the live page; return it."""
    while True:
        message = await messages.get()
        if str(message.topic).startswith("aprs/"):
            content = json.loads(message.payload)
            return await watch.wait_for(
                lambda packet: (packet["source"], packet["text"]) == (content["source"], content["summary"])  # noqa: B023  (awaited before the loop goes on)
            )


async def _in_database(packet: dict[str, Any] | None) -> str:
    """Wait for the packet's row: they are written in batches, every two seconds."""
    model = import_string("django_site.stations.models:Packet")
    if packet is None:
        raise ValueError("no packet was seen to look for")
    while True:
        rows = await sync_to_async(model.objects.filter(source=packet["source"], summary=packet["text"]).count)()
        if rows:
            total = await sync_to_async(model.objects.count)()
            return f"{packet['source']} is there, among {total} packets"
        await asyncio.sleep(0.1)


async def _chat_by_websocket(browser: Any) -> str:
    async with browser.websocket("/ws/chat/") as socket:
        welcome = await socket.recv()
        await socket.send("/name Check")
        await socket.recv()
        await socket.send("hello")
        answer = await socket.recv()
    _expect(answer, "Check: hello")
    return f"{welcome} … {answer}"


async def _chat_by_mqtt(mqtt: Any, messages: "asyncio.Queue[Any]") -> str:
    await mqtt.publish("chat/check/in", "hello", qos=1)
    while True:
        message = await messages.get()
        if str(message.topic) == "chat/check/out" and b"hello" in message.payload:
            _expect(message.payload.decode(), "Anonymous: hello")
            return f"{message.topic}: {message.payload.decode()}"


async def _chat_by_radio(watch: Watch) -> str:
    """Wait for a station's message, our answer to it, and the station's acknowledgement."""
    asked = await watch.wait_for(
        lambda packet: packet["direction"] == "heard" and packet["format"] == "message" and CALLSIGN in packet["text"]
    )
    peer = asked["source"]
    answer = await watch.wait_for(
        lambda packet: packet["direction"] == "sent" and packet["format"] == "message" and peer in packet["text"]
    )
    await watch.wait_for(
        lambda packet: packet["direction"] == "heard" and packet["format"] == "ack" and packet["source"] == peer
    )
    return f"{peer} said: {asked['text']}; we answered: {answer['text']}; {peer} acknowledged"


def _expect(came: object, expected: str) -> None:
    if came != expected:
        raise ValueError(f"expected {expected!r}, got {came!r}")
