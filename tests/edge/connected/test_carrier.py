"""Connections as conversations: two stations of ours on one air, and what a caller is told."""

import asyncio

import pytest

from edge import conversations
from edge.carriers import CARRIERS
from edge.connected.carrier import BUSY_AT, ConnectedCarrier, parse_call
from edge.conversations import Conversations
from edge.errors import ConfigError, Refused
from edge.mailbox import Mailbox
from tests.edge.samples import ChatConsumer

LIMIT = 10  # seconds; no wait here is longer
US, PEER = "QQ1EDG-1", "QQ1MIA-7"
FAST = 1_000_000  # Bd; the air takes next to no time


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch):
    monkeypatch.setattr(conversations, "TICK", 0.01)


async def until(true):
    async with asyncio.timeout(LIMIT):
        while not true():
            await asyncio.sleep(0.002)


class Station:
    """A device with one route: what it sends is heard by the others of the list, digipeaters and all."""

    def __init__(self, air, app, callsign, **options):
        self.air, self.callsign = air, callsign
        self.sent, self.called = [], []
        self.refuses = ""
        self.mailbox = Mailbox()
        self.scope = {"type": "ax25", "device": "vhf", "callsign": callsign, "air_baud": FAST, "state": {}}
        parsed = ConnectedCarrier.Options(**options)
        self.app = Conversations(app, lambda scope: ConnectedCarrier(scope, parsed, ""))

    async def __aenter__(self):
        self.air.append(self)
        self.mailbox.offer({"type": "ax25.connect"})
        self.task = asyncio.create_task(self.app(self.scope, self.mailbox.receive, self.send))
        return self

    async def __aexit__(self, *_):
        await self.end(1006, "unplugged")

    async def end(self, code, reason):
        self.mailbox.close({"type": "ax25.disconnect", "code": code, "reason": reason})
        await asyncio.wait_for(self.task, LIMIT)

    async def send(self, event):
        if event["type"] == "ax25.called":
            self.called.append(event)
            return
        if self.refuses:
            raise Refused(self.refuses)
        self.sent.append(event)
        heard = {"nr": None, "ns": None, "pid": 0xF0, "control": 0, **event, "type": "ax25.receive"}
        heard["via"] = [f"{hop}*" for hop in event["via"]]
        for other in self.air:
            if other is not self:
                other.mailbox.offer(heard)

    def call(self, peer, **more):
        self.mailbox.offer({"type": "ax25.call", "peer": peer, **more})

    def frames(self):
        return [event["frame"] for event in self.sent]


class Recorder:
    """An app that accepts, says what it was told to say, and notes what it hears."""

    def __init__(self, *words):
        self.words = words
        self.scopes, self.heard, self.ends = [], [], []
        self.read = asyncio.Event()
        self.read.set()
        self.say = None

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        while True:
            await self.read.wait()
            event = await receive()
            if event["type"] == "conversation.connect":
                await send({"type": "conversation.accept"})
                self.say = send
                for word in self.words:
                    key = "text" if isinstance(word, str) else "bytes"
                    await send({"type": "conversation.send", key: word})
            elif event["type"] == "conversation.receive":
                self.heard.append(event["text"] if event["bytes"] is None else event["bytes"])
            else:
                self.ends.append((event["code"], event["reason"]))
                return


async def test_one_consumer_unchanged_serves_a_terminal():
    terminal, air = Recorder("hello", "/name Mia", "it\nworks"), []
    async with Station(air, ChatConsumer.as_asgi(), US), Station(air, terminal, PEER, call=US):
        await until(lambda: len(terminal.heard) == 5)
        assert terminal.heard == [
            "[Welcome Anonymous!]",
            "Anonymous: hello",
            "[set your username to Mia]",
            "Mia: it",
            "Mia: works",
        ]
        (scope,) = terminal.scopes
        assert (scope["over"], scope["called"], scope["peer"], scope["path"]) == ("ax25", True, US, f"/vhf/{US}")


async def test_the_way_back_is_the_way_there_reversed():
    caller, server, air = Recorder("hi"), Recorder("welcome"), []
    async with Station(air, server, US) as ours, Station(air, caller, PEER, call=f"{US} via QQ1DIG,QQ2DIG"):
        await until(lambda: caller.heard == ["welcome"])
        assert server.scopes[0]["called"] is False
        assert {tuple(event["via"]) for event in ours.sent} == {("QQ2DIG", "QQ1DIG")}


async def test_bytes_stay_bytes():
    caller, server, air = Recorder(b"\x00\xff\r\xfe\n"), Recorder(), []
    async with Station(air, server, US, framing="bytes"), Station(air, caller, PEER, call=US):
        await until(lambda: server.heard == [b"\x00\xff\r\xfe\n"])
    caller, server, air = Recorder(b"\xff\xfe\rtext\r"), Recorder(), []
    async with Station(air, server, US), Station(air, caller, PEER, call=US):
        await until(lambda: server.heard == [b"\xff\xfe", "text"])


async def test_a_long_text_is_cut_into_frames_and_comes_as_one():
    caller, server, air = Recorder("x" * 1000), Recorder(), []
    async with Station(air, server, US), Station(air, caller, PEER, call=US, piece=32) as theirs:
        await until(lambda: server.heard == ["x" * 1000])
        assert {len(event["info"]) for event in theirs.sent if event["frame"] == "I"} == {32, 1001 % 32}


async def test_a_goodbye_of_either_side_ends_both():
    caller, server, air = Recorder("last words"), Recorder(), []
    async with Station(air, server, US), Station(air, caller, PEER, call=US):
        await until(lambda: caller.say)
        await caller.say({"type": "conversation.send", "text": "and more"})
        await caller.say({"type": "conversation.close"})
        await until(lambda: server.ends and caller.ends)
        assert server.heard == ["last words", "and more"]
        assert server.ends == [(1000, "the peer said goodbye")]


async def test_a_device_that_is_gone_ends_each_connection_with_the_reason():
    caller, server, air = Recorder(), Recorder(), []
    async with Station(air, server, US) as ours, Station(air, caller, PEER, call=US) as theirs:
        await until(lambda: server.scopes and caller.say)
        await ours.end(1006, "unplugged")
        assert server.ends == [(1006, "unplugged")]
        await theirs.end(1012, "the box is stopping")
        assert theirs.frames()[-1] == "DISC", "who stops on purpose says goodbye"


async def test_a_consumer_that_does_not_read_lets_its_peer_wait_and_loses_nothing():
    lines = [f"line {number}" for number in range(2 * BUSY_AT)]
    caller, server, air = Recorder(*lines), Recorder(), []
    server.read.clear()
    async with Station(air, server, US) as ours, Station(air, caller, PEER, call=US):
        await until(lambda: "RNR" in ours.frames())
        server.read.set()
        await until(lambda: len(server.heard) == len(lines))
        assert server.heard == lines


async def test_callers_beyond_the_bound_hear_that_we_are_busy():
    server, first, second, air = Recorder(), Recorder(), Recorder(), []
    async with Station(air, server, US, max_links=1), Station(air, first, PEER, call=US):
        await until(lambda: server.scopes)
        async with Station(air, second, "QQ1LATE", call=US) as late:
            await until(lambda: late.called)
            assert late.called[0]["reason"] == "the peer refused the call: it is busy, or does not take calls"
            assert second.scopes == []
        assert first.ends == []


async def test_a_call_by_the_channel_is_told_what_came_of_it():
    server, caller, air = Recorder(), Recorder("hi"), []
    async with Station(air, server, US), Station(air, caller, PEER, answer=False) as theirs:
        theirs.call(US, reply_channel="me")
        await until(lambda: server.heard == ["hi"])
        theirs.call(US, reply_channel="me")
        theirs.call("not a call")
        theirs.call("QQ9NOT", callsign="QQ1ABC")  # another route's
        await until(lambda: len(theirs.called) == 3)
        told = [(event["connected"], event["reason"], event["reply_channel"]) for event in theirs.called]
        assert told == [
            (True, "", "me"),
            (False, f"there is a connection with {US} already", "me"),
            (False, "call: expected a station such as QQ1ABC-7; got 'NOT A CALL'", ""),
        ]


async def test_a_call_that_nobody_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("edge.connected.link.SHORTEST_T1", 0.01)
    monkeypatch.setattr("edge.connected.link.LONGEST_T1", 0.01)
    caller, air = Recorder(), []
    async with Station(air, caller, PEER, retries=2) as theirs:
        theirs.call(US)
        await until(lambda: theirs.called)
        assert theirs.called[0]["reason"] == "no answer after 3 tries"
        assert theirs.frames() == ["SABM"] * 3
        assert caller.scopes == []


async def test_a_call_that_the_gate_refuses_is_told_with_its_words():
    caller, server, air = Recorder(), Recorder(), []
    async with Station(air, server, US) as ours, Station(air, caller, PEER) as theirs:
        theirs.refuses = "transmitting is off for vhf"
        theirs.call(US)
        await until(lambda: theirs.called)
        assert theirs.called[0]["reason"] == "not transmitted: transmitting is off for vhf"
        theirs.refuses, ours.refuses = "", "151 s of air time in ten minutes; the limit is 25 %"
        theirs.call(US)
        await until(lambda: server.ends)
        assert server.ends[0][1].startswith("not transmitted: 151 s of air time")


async def test_what_is_not_for_us_is_not_answered():
    air = []
    async with Station(air, Recorder(), US) as ours:
        sabm = {"type": "ax25.receive", "port": 0, "source": PEER, "destination": US, "via": [], "frame": "SABM"}
        sabm |= {"command": True, "poll": True, "nr": None, "ns": None, "pid": None, "info": b"", "control": 0x3F}
        ours.mailbox.offer({**sabm, "destination": "QQ1EDG-2"})
        ours.mailbox.offer({**sabm, "via": ["QQ1DIG"]})  # not repeated yet
        ours.mailbox.offer({**sabm, "frame": "UI", "info": b"hello"})
        ours.mailbox.offer({**sabm, "frame": "RR", "nr": 0})  # of a link that is not there
        await until(lambda: ours.sent)
        assert [(event["frame"], event["destination"]) for event in ours.sent] == [("DM", PEER)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"callsign": "N0CALL"}, "callsign: N0CALL is a placeholder"),
        ({"callsign": "hello there"}, "callsign: expected a callsign such as"),
        ({"call": "nobody at all"}, "call: expected a station such as QQ1ABC-7, or QQ1ABC-7 via QQ1DIG; got"),
        ({"call": "QQ1ABC-16"}, "call: expected a station such as QQ1ABC-7; got 'QQ1ABC-16'"),
        ({"call": "QQ1ABC via " + ",".join(["QQ1DIG"] * 9)}, "call: expected at most 8 digipeaters; got 9"),
    ],
)
def test_options_that_cannot_work_are_told(options, words):
    carrier = CARRIERS["ax25"]
    with pytest.raises(ConfigError, match=words):
        carrier.check(carrier.Options(**options), "")


def test_a_station_to_call_is_read_as_people_write_it():
    assert parse_call(" qq1abc-7 via QQ1DIG , qq2dig-1 ") == ("QQ1ABC-7", ["QQ1DIG", "QQ2DIG-1"])
    assert parse_call("QQ1ABC") == ("QQ1ABC", [])
