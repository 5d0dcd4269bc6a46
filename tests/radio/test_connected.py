"""Connected mode over a real AFSK channel, with Direwolf's own data link on the other side.

pyham_pe calls us through its AGWPE port, as version 2.2 (SABME) first; Direwolf's appserver is called by us. Neither
shares code with ours.
"""

import asyncio
import queue
import re
import threading

import pe.app
import pe.connect
import pytest

from edge.consumers import AsyncWebsocketConsumer
from edge.desired import DeviceWish, RouteWish
from tests.radio.lab import PROGRAMS
from tests.scenarios.running import Process, eventually, until

pytestmark = pytest.mark.needs(*PROGRAMS, "appserver")

OVER_THE_AIR = 30.0  # seconds; a frame takes about one, and some go lost on a busy machine
US, TERMINAL, APPLICATION = "QQ1EDG-1", "QQ1PEH-3", "QQ1APP-2"


class Terminal(pe.connect.Connection):
    """What pyham_pe calls with: all that it hears is in ``said``."""

    def __init__(self, port, call_from, call_to, incoming=False):
        super().__init__(port, call_from, call_to, incoming)
        self.said = queue.Queue()
        self.up, self.over = threading.Event(), threading.Event()

    @classmethod
    def query_accept(cls, port, call_from, call_to):
        return False

    def connected(self):
        self.up.set()

    def disconnected(self):
        self.over.set()

    def data_received(self, pid, data):
        self.said.put(bytes(data))

    def hears(self, words):
        heard = b""
        while words not in heard:
            heard += self.said.get(timeout=OVER_THE_AIR)
        return heard


class Caller(AsyncWebsocketConsumer):
    """Asks a server for help, and says goodbye when it has it."""

    heard, ends = [], []

    async def connect(self, message):
        await self.accept()
        await self.send(text="help")

    async def receive(self, text, bytes=None):
        self.heard.append(text)
        if text.startswith("Help"):
            await self.send(text="thank you")
            await self.close()

    async def disconnect(self, code, reason):
        self.ends.append((code, reason))


def station(tnc, name="vhf"):
    options = {"callsign": US, "duty_percent": 100}
    return DeviceWish(name=name, kind="ax25", link=f"tcp://127.0.0.1:{tnc.port}", options=options, transmit=True)


async def test_a_packet_terminal_of_version_2_2_talks_to_the_consumer_of_the_browser(radio, devices):
    lab = radio("A-B")
    ours, theirs = lab.station("A"), lab.station("B")
    route = RouteWish(device="vhf", consumer="tests.edge.samples.ChatConsumer")
    await devices(station(ours), routes=(route,))

    def talk():
        app = pe.app.Application()
        app.start("127.0.0.1", theirs.agwpe)
        try:
            app.register_callsigns(TERMINAL)
            until(lambda: app.is_callsign_registered(TERMINAL), "the callsign is not registered")
            terminal = app.open_connection(0, TERMINAL, US)
            assert terminal.up.wait(OVER_THE_AIR)
            assert terminal.hears(b"\r") == b"[Welcome Anonymous!]\r"
            terminal.send_data(b"/name Mia\r")
            assert terminal.hears(b"\r") == b"[set your username to Mia]\r"
            terminal.send_data("it wörks\r".encode())
            assert terminal.hears(b"\r") == "Mia: it wörks\r".encode()
            terminal.close()
            assert terminal.over.wait(OVER_THE_AIR)
        finally:
            app.stop()

    await asyncio.to_thread(talk)
    assert "doesn't understand AX.25 v2.2.  Trying v2.0" in theirs.said
    assert "Connected to QQ1EDG-1.  (v2.0)" in theirs.said


async def test_a_consumer_calls_a_server(radio, devices):
    lab = radio("A-B")
    ours, theirs = lab.station("A"), lab.station("B")
    server = Process("appserver", "-p", str(theirs.agwpe), APPLICATION, folder=lab.folder, name="appserver")
    try:
        route = RouteWish(device="vhf", consumer=f"{__name__}.Caller", options={"call": APPLICATION})
        await devices(station(ours), routes=(route,))
        said = lambda: (Caller.heard, Caller.ends, server.words(), theirs.words())  # noqa: E731
        await eventually(lambda: Caller.ends, said, OVER_THE_AIR)
        assert Caller.heard[0].startswith("Welcome!")
        assert Caller.heard[1:] == ["Help not yet available."]
        await eventually(lambda: "thank you" in server.words(), said, OVER_THE_AIR)
        await eventually(lambda: f"{US}>{APPLICATION}:(DISC cmd, p=1)" in theirs.said, said, OVER_THE_AIR)
    finally:
        server.kill()


async def test_a_server_is_called_through_a_digipeater(radio, devices):
    lab = radio("A-B B-C")
    ours, theirs = lab.station("A"), lab.station("C")
    lab.station("B", "CDIGIPEAT 0 0")
    server = Process("appserver", "-p", str(theirs.agwpe), APPLICATION, folder=lab.folder, name="appserver")
    Caller.heard, Caller.ends = [], []
    try:
        options = {"call": f"{APPLICATION} via QQ1LAB-2"}
        route = RouteWish(device="vhf", consumer=f"{__name__}.Caller", options=options)
        await devices(station(ours), routes=(route,))
        said = lambda: (Caller.heard, Caller.ends, server.words(), theirs.words())  # noqa: E731
        await eventually(lambda: Caller.ends, said, 2 * OVER_THE_AIR)
        assert Caller.heard[1:] == ["Help not yet available."]
        assert re.search(rf"{US}>{APPLICATION},QQ1LAB-2\*:\(SABM cmd, p=1\)", theirs.said)
    finally:
        server.kill()
