import asyncio
import logging

import pytest

from edge import conversations
from edge.carriers import AprsCarrier, MqttCarrier
from edge.conversations import MAX_DIALOGUES, MAX_SAID, MAX_TASKS, Conversations
from edge.errors import LinkLost, LocalProtocolError
from edge.mailbox import Mailbox
from edge.receipts import Acknowledged, Receipt
from tests.edge.samples import ChatConsumer

LIMIT = 5  # seconds; no wait here is longer
US, PEER = "QQ1EDG-10", "QQ1MIA-7"


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch):
    monkeypatch.setattr(conversations, "TICK", 0.01)


class Feed:
    """The transport's side of a feed: what it hears goes in, what the middleware sends is in ``sent``."""

    type = "aprs"
    match = ""

    def __init__(self, app, **options):
        self.now = 0.0
        self.mailbox = Mailbox()
        self.sent = []
        self.fault = None
        self.scope = {"type": self.type, "device": "vhf", "callsign": US, "state": {}}
        carrier = {"aprs": AprsCarrier, "mqtt": MqttCarrier}[self.type]
        make = lambda scope: carrier(scope, carrier.Options(**options), self.match)  # noqa: E731
        self.app = Conversations(app, make, clock=lambda: self.now)

    async def __aenter__(self):
        self.mailbox.offer({"type": f"{self.type}.connect"})
        self.task = asyncio.create_task(self.app(self.scope, self.mailbox.receive, self.send))
        return self

    async def __aexit__(self, *_):
        await self.end()

    async def end(self, code=1006, reason="unplugged"):
        self.mailbox.close({"type": f"{self.type}.disconnect", "code": code, "reason": reason})
        await asyncio.wait_for(self.task, LIMIT)

    async def send(self, event):
        if self.fault:
            raise self.fault
        self.sent.append(event)

    async def until(self, true):
        async with asyncio.timeout(LIMIT):
            while not true():
                await asyncio.sleep(0.002)


class AprsFeed(Feed):
    number = 0

    def hear(self, text, source=PEER, id=None):
        self.number += 1
        fields = {"addressee": US, "text": text, "id": str(self.number) if id is None else id}
        self.mailbox.offer({"type": "aprs.receive", "source": source, "format": "message", "packet": fields})

    def ack(self, id, source=PEER):
        fields = {"addressee": US, "id": id}
        self.mailbox.offer({"type": "aprs.receive", "source": source, "format": "ack", "packet": fields})

    def messages(self):
        packets = [event["packet"] for event in self.sent]
        return [packet for packet in packets if packet["format"] == "message"]

    async def answers(self, count):
        """Acknowledge as a peer does, until so many messages came; return their texts."""
        done = 0
        while done < count:
            await self.until(lambda: len(self.messages()) > done)
            packet = self.messages()[done]
            self.ack(packet["id"], packet["addressee"])
            done += 1
        return [packet["text"] for packet in self.messages()]


class MqttFeed(Feed):
    type = "mqtt"
    match = "chat/+peer/in"

    def hear(self, text, source="anna"):
        data = text if isinstance(text, bytes) else text.encode()
        self.mailbox.offer({"type": "mqtt.receive", "topic": f"chat/{source}/in", "payload": data, "retain": False})

    async def answers(self, count):
        await self.until(lambda: len(self.sent) >= count)
        assert {event["topic"] for event in self.sent} == {"chat/anna/out"}
        return [event["payload"] for event in self.sent]


class Attempts:
    """An app whose dialogues raise on what begins with "bad", the first ``times``."""

    def __init__(self, times, error):
        self.times, self.error = times, error
        self.heard = []

    async def __call__(self, scope, receive, send):
        await receive()
        await send({"type": "conversation.accept"})
        while (event := await receive())["type"] == "conversation.receive":
            self.heard.append(event["text"])
            if event["text"] == "bad" and self.heard.count("bad") <= self.times:
                raise self.error


@pytest.mark.parametrize(("times", "tries", "error"), [(1, 2, ValueError("boom")), (9, 3, LinkLost("another device"))])
async def test_what_a_broker_waits_to_hear_about_is_given_again_to_a_dialogue_that_raised(times, tries, error):
    app, acknowledged = Attempts(times, error), []
    async with MqttFeed(app) as feed:
        for text in ("bad", "good"):
            event = {"type": "mqtt.receive", "topic": "chat/anna/in", "payload": text.encode(), "retain": False}
            receipt = Receipt(lambda text=text: acknowledged.append((text, app.heard.count(text))))
            feed.mailbox.push(Acknowledged(event, receipt))
        await feed.until(lambda: len(acknowledged) == 2)
        assert acknowledged == [("bad", tries), ("good", 1)]
        assert app.heard == ["bad"] * tries + ["good"]
        assert feed.app.faults.count == min(times, 3)


async def test_a_dialogue_whose_only_message_was_given_up_ends():
    app, acknowledged = Attempts(9, ValueError("boom")), []
    async with MqttFeed(app) as feed:
        event = {"type": "mqtt.receive", "topic": "chat/anna/in", "payload": b"bad", "retain": False}
        feed.mailbox.push(Acknowledged(event, Receipt(lambda: acknowledged.append(1))))
        feed.hear("")  # the reader of the feed itself comes back
        await feed.until(lambda: acknowledged)
        assert app.heard == ["bad"] * 3
        feed.hear("good")
        await feed.until(lambda: app.heard[-1:] == ["good"])


class Recorder:
    """An app that accepts, and notes what each of its dialogues is told."""

    def __init__(self):
        self.told = {}
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        events = self.told.setdefault(scope["peer"], [])
        event = {"type": ""}
        while event["type"] != "conversation.disconnect":
            events.append(event := await receive())
            await self.handle(scope, event, send)

    async def handle(self, scope, event, send):
        if event["type"] == "conversation.connect":
            await send({"type": "conversation.accept"})

    def verbs(self, peer=PEER):
        return [event["type"].removeprefix("conversation.") for event in self.told.get(peer, ())]

    def last(self, peer=PEER):
        return self.told[peer][-1]


@pytest.mark.parametrize("make", [AprsFeed, MqttFeed])
async def test_the_chat_consumer_talks_as_it_is_written(make):
    async with make(ChatConsumer.as_asgi()) as feed:
        for text in ("hello", "/name Mia", "it works"):
            feed.hear(text)
        assert await feed.answers(4) == [
            "[Welcome Anonymous!]",
            "Anonymous: hello",
            "[set your username to Mia]",
            "Mia: it works",
        ]
        assert feed.app.faults.count == 0


async def test_each_peer_has_its_own_instance():
    async with AprsFeed(ChatConsumer.as_asgi()) as feed:
        feed.hear("/name Mia")
        feed.hear("hello", source="QQ2XYZ")
        texts = await feed.answers(4)
        assert sorted(texts) == sorted(
            ["[Welcome Anonymous!]", "[Welcome Anonymous!]", "[set your username to Mia]", "Anonymous: hello"]
        )


async def test_each_message_is_acknowledged_before_it_is_answered():
    async with AprsFeed(ChatConsumer.as_asgi()) as feed:
        feed.hear("hello", id="77")
        await feed.until(lambda: len(feed.sent) >= 2)
        assert feed.sent[0] == {"type": "aprs.send", "packet": {"format": "ack", "addressee": PEER, "id": "77"}}


async def test_the_scope_says_who_it_is_and_over_what():
    app = Recorder()
    async with AprsFeed(app) as feed:
        feed.hear("hi")
        await feed.until(lambda: app.verbs() == ["connect", "receive"])
    (scope,) = app.scopes
    assert {name: scope[name] for name in ("type", "peer", "over", "device", "path")} == {
        "type": "conversation",
        "peer": PEER,
        "over": "aprs",
        "device": "vhf",
        "path": f"/vhf/{PEER}",
    }
    assert scope["state"] is feed.scope["state"]
    assert app.told[PEER][1] == {"type": "conversation.receive", "text": "hi", "bytes": None}


async def test_a_feed_that_ends_ends_each_dialogue_once():
    app = Recorder()
    async with AprsFeed(app) as feed:
        feed.hear("hi")
        feed.hear("hi", source="QQ2XYZ")
        await feed.until(lambda: len(app.told) == 2)
        await feed.end(1006, "unplugged")
    for peer in (PEER, "QQ2XYZ"):
        assert app.verbs(peer).count("disconnect") == 1
        assert app.last(peer) == {"type": "conversation.disconnect", "code": 1006, "reason": "unplugged"}


async def test_a_feed_that_is_cancelled_ends_each_dialogue_once():
    app = Recorder()
    async with AprsFeed(app) as feed:
        feed.hear("hi")
        await feed.until(lambda: app.verbs() == ["connect", "receive"])
        feed.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feed.task
        assert app.last()["code"] == 1012
        feed.task = asyncio.create_task(asyncio.sleep(0))


async def test_a_peer_that_does_not_acknowledge_ends_its_dialogue_with_a_reason():
    app = Recorder()

    async def answer(scope, event, send):
        if event["type"] == "conversation.connect":
            await send({"type": "conversation.accept"})
            await send({"type": "conversation.send", "text": "anybody?"})

    app.handle = answer
    async with AprsFeed(app) as feed:
        feed.hear("hi")
        await feed.until(lambda: len(feed.messages()) == 1)
        for now, count in ((30, 2), (90, 3), (210, 4), (450, 5)):
            feed.now = now
            await feed.until(lambda count=count: len(feed.messages()) == count)
        feed.now = 510
        await feed.until(lambda: app.verbs()[-1] == "disconnect")
        assert app.last()["reason"] == "no acknowledgement after 5 tries"
        assert {packet["id"] for packet in feed.messages()} == {feed.messages()[0]["id"]}
        feed.hear("hi again")
        await feed.until(lambda: app.verbs().count("connect") == 2)


async def test_a_peer_that_is_silent_for_too_long_is_let_go():
    app = Recorder()
    async with AprsFeed(app, idle_minutes=10) as feed:
        feed.hear("hi")
        await feed.until(lambda: app.verbs() == ["connect", "receive"])
        feed.now = 599
        feed.hear("still here")
        await feed.until(lambda: app.verbs()[-1] == "receive" and len(app.verbs()) == 3)
        feed.now = 1199
        feed.now += 1
        await feed.until(lambda: app.verbs()[-1] == "disconnect")
        assert app.last() == {"type": "conversation.disconnect", "code": 1001, "reason": "silent for too long"}


async def test_beyond_the_bound_the_longest_silent_dialogue_ends():
    app = Recorder()
    async with MqttFeed(app) as feed:
        for number in range(MAX_DIALOGUES + 1):
            feed.now = number
            feed.hear("hi", source=f"p{number}")
            await feed.until(lambda number=number: app.verbs(f"p{number}") == ["connect", "receive"])
        await feed.until(lambda: app.verbs("p0")[-1] == "disconnect")
        assert app.last("p0")["reason"] == "too many conversations at once"
        assert app.verbs("p1")[-1] == "receive"


async def test_a_flood_of_peers_whose_dialogues_do_not_end_is_bounded(caplog):
    release = asyncio.Event()
    running = []

    async def stuck(scope, receive, send):
        running.append(scope["peer"])
        try:
            await release.wait()
        finally:
            running.remove(scope["peer"])

    async with MqttFeed(stuck) as feed:
        for number in range(MAX_TASKS + 20):
            feed.hear("hi", source=f"p{number}")
        await feed.until(lambda: not len(feed.mailbox))
        await feed.until(lambda: "too many conversations have yet to end" in caplog.text)
        assert len(running) <= MAX_TASKS
        release.set()


async def test_a_dialogue_that_raises_harms_no_other_and_is_counted():
    app = Recorder()

    async def handle(scope, event, send):
        if event["type"] == "conversation.receive" and scope["peer"] == PEER:
            raise ValueError("boom")

    app.handle = handle
    async with AprsFeed(app) as feed:
        feed.hear("hi")
        feed.hear("hi", source="QQ2XYZ")
        await feed.until(lambda: feed.app.faults.count == 1 and app.verbs("QQ2XYZ") == ["connect", "receive"])
        assert "raised ValueError: boom" in feed.app.faults.recent()
        app.handle = Recorder().handle
        feed.hear("once more")
        await feed.until(lambda: app.verbs()[-2:] == ["connect", "receive"])


async def test_a_dialogue_that_sleeps_delays_no_other():
    app = Recorder()

    async def handle(scope, event, send):
        if scope["peer"] == PEER:
            await asyncio.sleep(60)

    app.handle = handle
    async with AprsFeed(app) as feed:
        for number in range(300):
            feed.hear(f"{number}")
        feed.hear("hi", source="QQ2XYZ")
        await feed.until(lambda: app.verbs("QQ2XYZ") == ["connect", "receive"])
        feed.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(feed.task, 2 * conversations.GOODBYE)
        feed.task = asyncio.create_task(asyncio.sleep(0))


async def test_the_consumer_may_end_the_dialogue_and_the_next_word_begins_another():
    app = Recorder()

    async def handle(scope, event, send):
        if event["type"] == "conversation.receive":
            await send({"type": "conversation.close", "code": 4000, "reason": "bye"})
            with pytest.raises(LocalProtocolError, match="not accepted yet"):
                await send({"type": "conversation.send", "text": "more"})

    app.handle = handle
    async with AprsFeed(app) as feed:
        for number in (1, 2):
            feed.hear(f"{number}")
            await feed.until(lambda number=number: app.verbs().count("disconnect") == number)
        assert app.verbs() == ["connect", "receive", "disconnect"] * 2
        assert app.last() == {"type": "conversation.disconnect", "code": 4000, "reason": "bye"}


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "conversation.send"}, "text or bytes, exactly one"),
        ({"type": "conversation.send", "text": "a", "bytes": b"a"}, "text or bytes, exactly one"),
        ({"type": "conversation.send", "bytes": b"a"}, "APRS messages carry text, not bytes"),
        (
            {"type": "aprs.send", "text": "a"},
            "a conversation takes conversation.accept, .send and .close; got 'aprs.send'",
        ),
    ],
)
async def test_what_a_consumer_does_wrong_is_raised_out_of_send(event, words):
    app, raised = Recorder(), []

    async def handle(scope, received, send):
        if received["type"] == "conversation.receive":
            await send({"type": "conversation.accept"})
            try:
                await send(event)
            except LocalProtocolError as error:
                raised.append(str(error))

    app.handle = handle
    async with AprsFeed(app) as feed:
        feed.hear("hi")
        await feed.until(lambda: raised)
    assert words in raised[0]


async def test_what_is_said_is_bounded_both_ways():
    app = Recorder()

    async def handle(scope, event, send):
        if event["type"] == "conversation.receive":
            await send({"type": "conversation.accept"})
            await send({"type": "conversation.send", "text": event["text"] * 2})

    app.handle = handle
    async with MqttFeed(app) as feed:
        feed.hear("x" * (MAX_SAID + 1))
        await feed.until(lambda: feed.sent)
        assert len(app.told["anna"][1]["text"]) == MAX_SAID
        assert len(feed.sent[0]["payload"]) == MAX_SAID


async def test_nothing_said_is_nothing_heard():
    app = Recorder()
    async with AprsFeed(app) as feed:
        feed.hear("", id="5")
        feed.hear("hi")
        await feed.until(lambda: app.verbs() == ["connect", "receive"])
        assert app.told[PEER][1]["text"] == "hi"
        assert feed.sent[0]["packet"]["id"] == "5"


@pytest.mark.parametrize("fault", [LinkLost("gone"), LocalProtocolError("cannot be sent")])
async def test_an_acknowledgement_that_cannot_be_sent_ends_nothing(fault, caplog):
    app = Recorder()
    async with AprsFeed(app) as feed:
        feed.fault = fault
        feed.hear("hi")
        await feed.until(lambda: app.verbs() == ["connect", "receive"])
        feed.fault = None
        feed.hear("and again")
        await feed.until(lambda: app.verbs() == ["connect", "receive", "receive"])
        assert not feed.task.done()


async def test_the_clock_goes_on_after_an_error_in_it(monkeypatch, caplog):
    app = Recorder()
    async with AprsFeed(app, idle_minutes=1) as feed:
        carrier_tick = AprsCarrier.tick
        monkeypatch.setattr(AprsCarrier, "tick", lambda *_: 1 / 0)
        await feed.until(lambda: "an error in the conversations' clock" in caplog.text)
        monkeypatch.setattr(AprsCarrier, "tick", carrier_tick)
        feed.hear("hi")
        await feed.until(lambda: app.verbs() == ["connect", "receive"])
        feed.now = 100
        await feed.until(lambda: app.verbs()[-1] == "disconnect")


async def test_retries_of_one_peer_do_not_stop_while_another_acknowledges():
    """The outcomes of one look at the clock are made before any of them is awaited."""
    app = Recorder()

    async def handle(scope, event, send):
        if event["type"] == "conversation.receive":
            await send({"type": "conversation.accept"})
            await send({"type": "conversation.send", "text": "hello"})

    app.handle = handle
    async with AprsFeed(app) as feed:
        for peer in ("QQ1A", "QQ1B", "QQ1C"):
            feed.hear("hi", source=peer)
        await feed.until(lambda: len(feed.messages()) == 3)
        plain_send = feed.send
        ids = {packet["addressee"]: packet["id"] for packet in feed.messages()}

        async def slow_send(event):
            feed.ack(ids["QQ1B"], "QQ1B")  # settled while the tick is being performed
            await asyncio.sleep(0.01)
            await plain_send(event)

        feed.send = slow_send
        feed.now = 30
        await feed.until(lambda: len(feed.messages()) >= 5)
        feed.now = 90
        await feed.until(lambda: [p["addressee"] for p in feed.messages()].count("QQ1C") >= 3)


async def test_a_sync_consumer_that_raises_is_told_in_the_log(caplog):
    class Fails(ChatConsumer):
        def receive(self, text):
            raise KeyError("no such table")

    with caplog.at_level(logging.ERROR, "edge.conversations"):
        async with AprsFeed(Fails.as_asgi()) as feed:
            feed.hear("hi")
            await feed.until(lambda: feed.app.faults.count == 1)
    assert f"vhf: the conversation with {PEER} failed" in caplog.text
