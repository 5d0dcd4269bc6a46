import asyncio
import threading
import time

import pytest

from edge import fanout, status
from edge.consumers import AprsConsumer, AsyncAprsConsumer
from edge.errors import LinkLost, LocalProtocolError
from edge.fanout import FanOut, Leg, restart_wait
from edge.mailbox import TRANSPORT_CAPACITY, Mailbox
from edge.receipts import Acknowledged, Receipt

LIMIT = 10  # seconds; no wait here is longer


class App:
    """Notes what it is told; ``do`` is called with each event first."""

    def __init__(self, do=None):
        self.told = []
        self.do = do

    async def __call__(self, scope, receive, send):
        self.scope = scope
        event = {"type": ""}
        while not event["type"].endswith(".disconnect"):
            self.told.append(event := await receive())
            if self.do is not None:
                await self.do(event, send)

    @property
    def verbs(self):
        return [event["type"].removeprefix("aprs.") for event in self.told]

    @property
    def texts(self):
        return [event["summary"] for event in self.told if event["type"] == "aprs.receive"]


def leg(key, app, **more):
    return Leg(key=key, app=app, consumer=f"a.{key}", **more)


@pytest.fixture(autouse=True, params=[False, True], ids=["by the queue", "at once"])
def at_once(request, monkeypatch):
    """Both ways in: by ``receive``, and in the call that brings an event, as the runner has it."""
    monkeypatch.setattr(Connection, "at_once", request.param)


class Connection:
    """The transport's side of one connection."""

    at_once = False

    def __init__(self, *legs, fan=None):
        self.fan = fan or FanOut(legs)
        self.mailbox = Mailbox()
        self.mailbox.offer({"type": "aprs.connect"})
        self.sent = []
        self.fault = None

    async def __aenter__(self):
        receive = self.mailbox.receive if self.at_once else self.receive
        self.task = asyncio.create_task(self.fan({"type": "aprs", "device": "vhf"}, receive, self.send))
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_):
        await self.end()
        await self.fan.stop()

    async def receive(self):
        """Hide that it is a mailbox's."""
        return await self.mailbox.receive()

    async def send(self, event):
        if self.fault:
            raise self.fault
        self.sent.append(event)

    async def hear(self, *texts):
        for text in texts:
            await self.mailbox.put({"type": "aprs.receive", "summary": text})

    async def end(self, code=1006, reason="unplugged"):
        self.mailbox.close({"type": "aprs.disconnect", "code": code, "reason": reason})
        await asyncio.wait_for(self.task, LIMIT)

    async def until(self, true):
        async with asyncio.timeout(LIMIT):
            while not true():
                await asyncio.sleep(0.002)

    def text(self, index=0):
        return self.fan.status()[index].text


async def test_each_leg_has_each_event_and_its_own_connect_and_disconnect():
    one, two = App(), App()
    async with Connection(leg("one", one), leg("two", two)) as connection:
        await connection.hear("a", "b")
        await connection.until(lambda: two.texts == ["a", "b"])
        await connection.end(1006, "unplugged")
    for app in (one, two):
        assert app.verbs == ["connect", "receive", "receive", "disconnect"]
        assert app.told[-1] == {"type": "aprs.disconnect", "code": 1006, "reason": "unplugged"}
    assert one.told[1] is not two.told[1]


async def test_a_leg_has_only_what_it_wants():
    app = App()
    async with Connection(leg("one", app, wants=lambda event: event["summary"] == "b")) as connection:
        await connection.hear("a", "b", "c")
        await connection.end()
    assert app.texts == ["b"]


async def test_what_was_heard_before_the_link_went_is_read_before_the_goodbye():
    app = App()
    async with Connection(leg("one", app)) as connection:
        await connection.hear(*"abcdef")
        await connection.end()
    assert app.texts == list("abcdef")
    assert app.verbs[-1:] == ["disconnect"]


async def test_an_app_that_has_something_to_say_for_itself_is_shown_with_its_words():
    app = App()
    app.status_text = lambda: "2 of 4 clients"
    async with Connection(leg("port", app)) as connection:
        await connection.hear("a")
        assert connection.text() == "2 of 4 clients"
        app.status_text = lambda: ""
        assert connection.text() == "running"


async def test_a_leg_that_raises_is_started_again_and_its_unread_events_are_kept(caplog):
    broken, well = App(), App()

    async def do(event, send):
        if event.get("summary") == "b":
            raise ValueError("boom")

    broken.do = do
    async with Connection(leg("broken", broken), leg("well", well)) as connection:
        await connection.hear(*"abcd")
        await connection.until(lambda: broken.texts == list("abcd"))
        assert well.texts == list("abcd")
        assert broken.verbs == ["connect", "receive", "receive", "connect", "receive", "receive"]
        assert connection.text(0).startswith("raised ValueError: boom (at ")
        assert connection.text(0).endswith(", 1 in all); was started again")
        assert (connection.text(1), connection.fan.status()[0].errors) == ("running", 1)
        assert "vhf: a.broken raised" in caplog.text


async def test_a_failure_of_long_ago_is_a_number_only(monkeypatch):
    app = App()

    async def do(event, send):
        if event.get("summary") == "b":
            raise ValueError("boom")

    app.do = do
    async with Connection(leg("one", app)) as connection:
        await connection.hear("b", "c")
        await connection.until(lambda: app.texts == ["b", "c"])
        assert "boom" in connection.text()
        monkeypatch.setattr(status, "RECENT", 0.0)
        assert connection.text() == "running"
        assert connection.fan.status()[0].errors == 1


async def test_a_leg_that_raises_again_and_again_waits_longer_and_says_so(monkeypatch):
    monkeypatch.setattr(fanout, "FIRST_WAIT", 40.0)

    async def app(scope, receive, send):
        raise ValueError("boom")

    async with Connection(leg("one", app)) as connection:
        await connection.until(lambda: connection.fan.status()[0].errors == 2)
        await connection.until(lambda: connection.text().endswith("starts again in 40 s"))
        began = time.monotonic()
        await connection.end()
        assert time.monotonic() - began < 1  # it does not wait for a link that is gone


def test_the_waits_double_up_to_a_minute():
    assert [restart_wait(failures) for failures in range(1, 11)] == [0, 0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert restart_wait(10**6) == 60


async def test_a_consumer_that_ran_for_a_while_is_forgiven(monkeypatch):
    monkeypatch.setattr(fanout, "STEADY", 0.0)
    monkeypatch.setattr(fanout, "FIRST_WAIT", 60.0)
    app = App()

    async def do(event, send):
        if event["type"] == "aprs.receive":
            raise ValueError("boom")

    app.do = do
    async with Connection(leg("one", app)) as connection:
        await connection.hear(*"abcde")
        await connection.until(lambda: app.texts == list("abcde"))


@pytest.mark.parametrize("how", [SystemExit(1), RuntimeError("x")])
async def test_even_an_exit_stays_in_its_leg(how):
    async def app(scope, receive, send):
        raise how

    well = App()
    async with Connection(leg("broken", app), leg("well", well)) as connection:
        await connection.hear("a")
        await connection.until(lambda: well.texts == ["a"])
        assert type(how).__name__ in connection.text()


async def test_order_is_kept_where_a_leg_has_room_again_after_it_had_none():
    async def dawdle(event, _send):
        if event["type"] == "aprs.receive" and int(event["summary"]) % 100 == 0:
            await asyncio.sleep(0.001)

    slow, quick = App(dawdle), App()
    wanted = [str(number) for number in range(3 * TRANSPORT_CAPACITY)]
    async with Connection(leg("slow", slow), leg("quick", quick)) as connection:
        for start in range(0, len(wanted), 700):
            await connection.hear(*wanted[start : start + 700])
        await connection.until(lambda: len(slow.texts) == len(quick.texts) == len(wanted))
        assert slow.texts == quick.texts == wanted


async def test_what_a_route_was_given_at_once_it_has_before_the_call_returns():
    app = App()
    async with Connection(leg("one", app)) as connection:
        await connection.until(lambda: app.verbs == ["connect"])
        assert connection.mailbox.offer({"type": "aprs.receive", "summary": "a"})
        assert connection.fan.status()[0].waiting == connection.at_once
        await connection.until(lambda: app.texts == ["a"])
    assert not connection.mailbox.offer({"type": "aprs.receive", "summary": "b"}), "nobody is there any more"


@pytest.mark.parametrize("names", [(), ("one",), ("one", "two")])
async def test_each_event_that_was_heard_is_told_of_once_and_neither_connect_nor_disconnect(names):
    told = []
    fan = FanOut(tuple(leg(name, App()) for name in names), told.append)
    async with Connection(fan=fan) as connection:
        await connection.hear("a", "b")
        await connection.until(lambda: len(told) == 2)
        await connection.end()
    assert [event["summary"] for event in told] == ["a", "b"]


async def test_a_sleeping_async_leg_delays_nobody_and_its_memory_is_bounded(caplog):
    asleep, well = App(lambda *_: asyncio.sleep(60)), App()
    async with Connection(leg("asleep", asleep), leg("well", well)) as connection:
        for number in range(TRANSPORT_CAPACITY + 200):
            await connection.hear(f"{number}")
        await connection.until(lambda: len(well.texts) == TRANSPORT_CAPACITY + 200)
        asleep_status, well_status = connection.fan.status()
        assert asleep_status.waiting <= TRANSPORT_CAPACITY
        assert asleep_status.dropped >= 199
        assert asleep_status.text.startswith(f"too slow: {asleep_status.waiting} events wait, ")
        assert (well_status.dropped, well_status.text) == (0, "running")
        told = [line for line in caplog.messages if " dropped " in line]
        assert len(told) == 1, "said once an interval"
        assert told[0].startswith("vhf dropped 1 messages, the last for a.asleep: ")
        began = time.monotonic()
        await connection.end()
        await connection.fan.stop()
        assert time.monotonic() - began < 4
    assert connection.fan.status()[0].dropped >= TRANSPORT_CAPACITY


async def test_a_sleeping_sync_leg_delays_nobody_and_the_stop_is_bounded():
    alarm = threading.Event()

    class Asleep(AprsConsumer):
        def receive(self, message):
            alarm.wait(60)

    well = App()
    try:
        async with Connection(leg("asleep", Asleep.as_asgi()), leg("well", well)) as connection:
            await connection.hear("a", "b")
            await connection.until(lambda: well.texts == ["a", "b"])
            began = time.monotonic()
            await connection.end(1012, "the box is stopping")
            await connection.fan.stop()
            assert time.monotonic() - began < fanout.GOODBYE + fanout.CANCELLED + 1
    finally:
        alarm.set()


async def test_a_leg_that_closes_itself_leaves_the_others():
    async def do(event, send):
        if event["type"] == "aprs.receive":
            await send({"type": "aprs.close", "code": 4001, "reason": "enough"})
            await send({"type": "aprs.close", "code": 4002})

    closes, well = App(do), App()
    async with Connection(leg("closes", closes), leg("well", well)) as connection:
        await connection.hear("a")
        await connection.until(lambda: closes.verbs[-1:] == ["disconnect"])
        await connection.hear(*"bcd")
        await connection.until(lambda: well.texts == list("abcd"))
        assert closes.verbs == ["connect", "receive", "disconnect"]
        assert closes.told[-1] == {"type": "aprs.disconnect", "code": 4001, "reason": "enough"}
        assert connection.text() == "closed itself (4001, enough); begins again with the next link"
        assert connection.fan.status()[0].waiting == 0
        assert connection.sent == []


async def test_a_leg_that_ends_by_itself_piles_nothing_up():
    async def app(scope, receive, send):
        await receive()

    async with Connection(leg("one", app)) as connection:
        await connection.until(lambda: "ended by itself" in connection.text())
        await connection.hear(*"abc")
        await connection.until(lambda: not len(connection.mailbox))
        assert (connection.fan.status()[0].waiting, connection.fan.status()[0].dropped) == (0, 0)


async def test_a_leg_is_there_again_with_the_next_link():
    app = App()
    async with Connection(leg("one", app)) as first:
        assert first.text() == "running"
        await first.end()
        assert first.text() == "waits for the link"
    async with Connection(fan=first.fan) as second:
        await second.hear("a")
        await second.until(lambda: app.texts == ["a"])
    assert app.verbs == ["connect", "disconnect", "connect", "receive", "disconnect"]


async def test_a_leg_that_cannot_run_is_never_called_and_says_why():
    app, well = App(), App()
    async with Connection(leg("bad", app, problem="no such module"), leg("well", well)) as connection:
        await connection.hear("a")
        await connection.until(lambda: well.texts == ["a"])
        assert (app.told, connection.text()) == ([], "no such module")


async def test_two_equal_legs_are_one():
    app = App()
    async with Connection(leg("one", app), leg("one", app)) as connection:
        await connection.hear("a")
        await connection.end()
    assert app.verbs == ["connect", "receive", "disconnect"]


async def test_a_leg_says_its_first_and_its_last_words():
    app = App()
    words = {"first": ({"type": "mqtt.subscribe"},), "last": ({"type": "mqtt.unsubscribe"},)}
    async with Connection(leg("one", app, **words, scope=(("topic_filters", ["a/#"]),))) as connection:
        await connection.until(lambda: app.verbs == ["connect"])
        assert connection.sent == [{"type": "mqtt.subscribe"}]
        assert app.scope["topic_filters"] == ["a/#"]
        connection.fan.update(())
        await connection.until(lambda: len(connection.sent) == 2)
        assert connection.sent[1] == {"type": "mqtt.unsubscribe"}


async def test_a_link_that_goes_is_not_told_last_words():
    app = App()
    async with Connection(leg("one", app, last=({"type": "mqtt.unsubscribe"},))) as connection:
        await connection.end()
        assert connection.sent == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [(LocalProtocolError("the broker refused 'a/#'"), "cannot run: the broker refused 'a/#'"), (LinkLost("gone"), "")],
)
async def test_a_leg_whose_first_words_are_refused_is_not_called(fault, text):
    app = App()
    connection = Connection(leg("one", app, first=({"type": "mqtt.subscribe"},)))
    connection.fault = fault
    async with connection:
        await connection.until(lambda: next(iter(connection.fan._runs.values())).task.done())
        assert app.told == []
        assert connection.text() == (text or "running")


async def test_a_consumer_whose_send_met_the_end_of_the_link_has_made_no_error():
    async def do(event, send):
        if event["type"] == "aprs.receive":
            await send({"type": "aprs.send"})

    raw = App(do)

    class Polite(AsyncAprsConsumer):
        async def receive(self, message):
            await self.send(info=b"x")

    async with Connection(leg("raw", raw), leg("polite", Polite.as_asgi())) as connection:
        connection.fault = LinkLost("vhf: unplugged")
        await connection.hear("a")
        await connection.until(lambda: all("ended" in status.text for status in connection.fan.status()))
        assert [status.errors for status in connection.fan.status()] == [0, 0]


async def test_another_devices_lost_link_is_an_error_and_the_consumer_hears_on():
    lost, tries = [], []

    async def do(event, send):
        if event.get("summary") == "a":
            tries.append(event["dup"])
            if len(tries) < 3:
                raise LinkLost("mqtt: unplugged")

    app = App(do)
    async with Connection(leg("one", app)) as connection:
        receipt = Receipt(lambda: lost.append("acknowledged"))
        connection.mailbox.push(Acknowledged({"type": "aprs.receive", "summary": "a", "dup": False}, receipt))
        await connection.hear("b")
        await connection.until(lambda: app.texts[-1:] == ["b"])
        assert tries == [False, True, True]
        assert lost == ["acknowledged"]
        assert connection.text().endswith("was started again")
        assert connection.fan.status()[0].errors == 2


async def test_routes_change_while_the_link_is_up_and_only_what_differs_is_touched():
    stays, goes, comes = App(), App(), App()
    async with Connection(leg("stays", stays), leg("goes", goes)) as connection:
        await connection.hear("a")
        await connection.until(lambda: stays.texts == goes.texts == ["a"])
        task = connection.fan._runs["stays"].task
        connection.fan.update((leg("comes", comes), leg("stays", App())))
        await connection.hear("b")
        await connection.until(lambda: stays.texts == ["a", "b"] and comes.texts == ["b"])
        assert connection.fan._runs["stays"].task is task
        await connection.until(lambda: goes.verbs[-1:] == ["disconnect"])
        assert goes.told[-1] == {"type": "aprs.disconnect", "code": 1001, "reason": "the route was taken out"}
        assert comes.verbs == ["connect", "receive"]
        assert [status.consumer for status in connection.fan.status()] == ["a.comes", "a.stays"]
    assert stays.verbs == ["connect", "receive", "receive", "disconnect"]


async def test_routes_change_while_the_link_is_down():
    fan = FanOut((leg("old", App()),))
    app = App()
    fan.update((leg("new", app),))
    async with Connection(fan=fan) as connection:
        await connection.hear("a")
        await connection.until(lambda: app.texts == ["a"])


async def test_a_cancelled_connection_says_the_farewell_it_was_given():
    app = App()
    async with Connection(leg("one", app)) as connection:
        await connection.until(lambda: app.verbs == ["connect"])
        connection.fan.farewell = (1001, "the device was taken out")
        await connection.end(1012, "the box is stopping")
    assert app.told[-1] == {"type": "aprs.disconnect", "code": 1001, "reason": "the device was taken out"}


async def test_cancelling_the_app_itself_ends_each_leg_once():
    app = App()
    async with Connection(leg("one", app)) as connection:
        await connection.until(lambda: app.verbs == ["connect"])
        connection.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connection.task
        connection.task = asyncio.create_task(asyncio.sleep(0))
    assert app.verbs == ["connect", "disconnect"]
    assert app.told[-1]["code"] == 1012


async def test_consumers_that_stay_busy_with_links_that_are_gone_are_bounded(monkeypatch):
    monkeypatch.setattr(fanout, "DRAIN", 0.0)
    busy = []

    async def app(scope, receive, send):
        busy.append(1)
        try:
            await asyncio.sleep(60)
        finally:
            busy.pop()

    fan = FanOut((leg("busy", app),))
    for _ in range(fanout.MAX_LINGERING + 5):
        connection = Connection(fan=fan)
        await connection.__aenter__()
        await connection.until(lambda: busy)
        await connection.end()
    await connection.until(lambda: len(busy) <= fanout.MAX_LINGERING)
    await fan.stop()
    await connection.until(lambda: not busy)


async def test_faults_of_dialogues_within_a_leg_are_shown():
    class Within(App):
        faults = status.Faults()

    app = Within()
    app.faults.add(ValueError("in a dialogue"))
    async with Connection(leg("one", app)) as connection:
        assert "in a dialogue" in connection.text()
        assert connection.fan.status()[0].errors == 1


async def test_what_is_counted_of_a_leg_goes_with_it():
    app = App()

    async def do(event, send):
        if event["type"] == "aprs.receive":
            raise ValueError("boom")

    app.do = do
    async with Connection(leg("one", app)) as connection:
        await connection.hear("a")
        await connection.until(lambda: connection.fan.status()[0].errors == 1)
        connection.fan.update(())
        assert connection.fan._records == {}
