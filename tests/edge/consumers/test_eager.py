"""Handlers that begin in the call that brings their event: what is saved, and what must not be otherwise for it."""

import asyncio
import contextvars

import pytest

from edge.consumers import AsyncAx25Consumer, AsyncWebsocketConsumer, base
from edge.mailbox import BURST, Mailbox
from edge.receipts import Acknowledged, Receipt

SOON = 5.0  # seconds; no test waits longer for one thing
WHERE = contextvars.ContextVar("where", default="nowhere")


class Line:
    """A consumer under one of our transports, fed from callbacks of the loop, where no task runs."""

    def __init__(self, app, scope_type="websocket"):
        self.mailbox = Mailbox()
        self.sent = []
        self.scope_type = scope_type
        self.task = asyncio.create_task(app({"type": scope_type}, self.mailbox.receive, self._send))
        self.mailbox.offer({"type": f"{scope_type}.connect"})

    async def _send(self, event):
        self.sent.append(event)

    @property
    def texts(self):
        return [event["text"] for event in self.sent if "text" in event]

    async def rests(self):
        """Wait until the consumer waits for its next event."""
        async with asyncio.timeout(SOON):
            while self.mailbox._waiter is None or self.mailbox._waiter.done():
                await asyncio.sleep(0)

    async def hears(self, *events, look=lambda: None):
        """Offer events in one callback of the loop; return what ``look`` saw at its end, before the loop turned."""
        seen = asyncio.get_running_loop().create_future()

        def callback():
            for event in events:
                assert self.mailbox.offer(event)
            seen.set_result(look())

        asyncio.get_running_loop().call_soon(callback)
        return await asyncio.wait_for(seen, SOON)

    async def end(self):
        self.mailbox.close({"type": f"{self.scope_type}.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, SOON)


def said(text):
    return {"type": "websocket.receive", "text": text}


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text):
        await self.send(text=text)


async def test_a_handler_that_waits_for_nothing_is_through_before_the_loop_turns():
    line = Line(Echo.as_asgi())
    await line.rests()
    assert await line.hears(said("a"), said("b"), look=lambda: list(line.texts)) == ["a", "b"]
    await line.end()


async def test_a_burst_is_answered_in_order_and_the_loop_turns_in_between():
    line = Line(Echo.as_asgi())
    await line.rests()
    wanted = [str(number) for number in range(5 * BURST)]
    at_once = await line.hears(*map(said, wanted), look=lambda: list(line.texts))
    assert at_once == wanted[:BURST]
    await line.rests()
    assert line.texts == wanted
    await line.end()


async def test_a_handler_that_waits_goes_on_in_the_consumer_s_task_and_nothing_overtakes_it():
    gate = asyncio.Event()

    class Waits(AsyncWebsocketConsumer):
        async def receive(self, text):
            await self.send(text=f"begin {text}")
            if text == "a":
                await gate.wait()
                await asyncio.sleep(0)
            await self.send(text=f"end {text}")

    line = Line(Waits.as_asgi())
    await line.rests()
    assert await line.hears(said("a"), said("b"), look=lambda: list(line.texts)) == ["begin a"]
    for _ in range(5):
        await asyncio.sleep(0)
    assert line.texts == ["begin a"]
    gate.set()
    await line.rests()
    assert line.texts == ["begin a", "end a", "begin b", "end b"]
    await line.end()


async def test_it_runs_as_the_consumer_s_task_in_its_context():
    tasks = []

    class Sets(AsyncWebsocketConsumer):
        async def connect(self):
            WHERE.set("here")
            await self.accept()

        async def receive(self, text):
            tasks.append(asyncio.current_task())
            before = WHERE.get()
            WHERE.set(text)
            if text == "slow":
                await asyncio.sleep(0)
                tasks.append(asyncio.current_task())
            await self.send(text=f"{before} {WHERE.get()}")

    line = Line(Sets.as_asgi())
    await line.rests()
    for text in ("a", "slow", "c"):
        await line.hears(said(text))
        await line.rests()
    assert line.texts == ["here a", "a slow", "slow c"]
    assert set(tasks) == {line.task}
    assert WHERE.get() == "nowhere"
    assert asyncio.current_task() is not line.task
    await line.end()


async def test_a_time_limit_of_the_handler_s_own_holds():
    class Limited(AsyncWebsocketConsumer):
        async def receive(self, text):
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                await self.send(text=f"{text} took too long")
            async with asyncio.TaskGroup() as group:
                group.create_task(self.send(text="from a task"))

    line = Line(Limited.as_asgi())
    await line.rests()
    await line.hears(said("it"))
    async with asyncio.timeout(SOON):
        while len(line.texts) < 2:
            await asyncio.sleep(0.01)
    assert line.texts == ["it took too long", "from a task"]
    await line.end()


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_ends_the_connection_and_is_told_with_its_event(waits, monkeypatch):
    told = []
    monkeypatch.setattr(base, "error_hooks", [lambda consumer, error, event: told.append((str(error), event))])

    class Fails(AsyncWebsocketConsumer):
        async def receive(self, text):
            if waits:
                await asyncio.sleep(0)
            raise ValueError(text)

    line = Line(Fails.as_asgi())
    await line.rests()
    await line.hears(said("oh"))
    with pytest.raises(ValueError, match="oh"):
        await asyncio.wait_for(line.task, SOON)
    assert told == [("oh", said("oh"))]
    assert line.sent[-1]["code"] == 1011


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_that_is_answered_is_the_end_of_nothing(waits):
    class Answers(AsyncWebsocketConsumer):
        async def receive(self, text):
            if waits:
                await asyncio.sleep(0)
            if text == "bad":
                raise ValueError(text)
            await self.send(text=text)

        async def on_error(self, error, event):
            await self.send(text=f"no {event['text']}: {error}")
            return True

    line = Line(Answers.as_asgi())
    await line.rests()
    await line.hears(said("bad"), said("good"))
    await line.rests()
    assert line.texts == ["no bad: bad", "good"]
    await line.end()


@pytest.mark.parametrize("turns", [0, 1, 3])
async def test_a_cancellation_reaches_the_handler_wherever_it_waits(turns):
    lived = []

    class Cancelled(AsyncWebsocketConsumer):
        async def receive(self, text):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lived.append("cancelled")
                await asyncio.sleep(0)
                lived.append("tidied up")
                raise

        async def disconnect(self, code):
            lived.append(code)

    line = Line(Cancelled.as_asgi())
    await line.rests()
    if turns:
        await line.hears(said("a"))
        for _ in range(turns):
            await asyncio.sleep(0)
        line.task.cancel()
    else:
        await line.hears(said("a"), look=line.task.cancel)  # before the task knows that it has something to go on with
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(line.task, SOON)
    assert lived == ["cancelled", "tidied up", 1012]


async def test_a_handler_that_cancels_its_own_task_is_cancelled_at_its_next_wait():
    class Ends(AsyncWebsocketConsumer):
        async def receive(self, text):
            asyncio.current_task().cancel()
            await asyncio.sleep(0)
            await self.send(text="never")

    line = Line(Ends.as_asgi())
    await line.rests()
    await line.hears(said("a"))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(line.task, SOON)
    assert line.texts == []


async def test_what_another_task_brings_waits_for_its_turn():
    line = Line(Echo.as_asgi())
    await line.rests()
    line.mailbox.offer(said("a"))  # by this test's task, in the middle of whose work nothing else is to happen
    assert line.texts == []
    await line.rests()
    assert line.texts == ["a"]
    await line.end()


async def test_an_event_within_a_handler_of_the_same_consumer_comes_after_it():
    class Rings(AsyncWebsocketConsumer):
        async def receive(self, text):
            if text == "a":
                assert line.mailbox.offer(said("b"))  # as a line that answers within the write does
            await self.send(text=text)

    line = Line(Rings.as_asgi())
    await line.rests()
    await line.hears(said("a"))
    await line.rests()
    assert line.texts == ["a", "b"]
    await line.end()


async def test_nothing_is_handled_after_the_consumer_has_closed():
    class Closes(AsyncWebsocketConsumer):
        async def receive(self, text):
            await self.send(text=text)
            await self.close()

    line = Line(Closes.as_asgi())
    await line.rests()
    await line.hears(said("a"), said("b"))
    await line.rests()
    assert line.texts == ["a"]
    await line.end()


async def test_an_event_whose_sender_waits_goes_the_long_way_and_is_settled_once():
    settled = []
    line = Line(Echo.as_asgi())
    await line.rests()
    event = Acknowledged(said("a"), Receipt(lambda: settled.append("a")))
    assert await line.hears(event, look=lambda: (list(line.texts), list(settled))) == ([], [])
    await line.rests()
    assert (line.texts, settled) == (["a"], ["a"])
    await line.end()


async def test_a_consumer_with_a_dispatch_of_its_own_still_sees_each_event():
    seen = []

    class Watched(Echo):
        async def dispatch(self, message):
            seen.append(message["type"])
            await super().dispatch(message)

    line = Line(Watched.as_asgi())
    await line.rests()
    await line.hears(said("a"))
    await line.rests()
    assert seen == ["websocket.connect", "websocket.receive"]
    assert line.texts == ["a"]
    await line.end()


async def test_frames_of_a_radio_are_handled_as_soon():
    heard = []

    class Frames(AsyncAx25Consumer):
        async def receive(self, source):
            heard.append(source)

    line = Line(Frames.as_asgi(), "ax25")
    await line.rests()
    assert await line.hears({"type": "ax25.receive", "source": "QQ1ABC"}, look=lambda: list(heard)) == ["QQ1ABC"]
    await line.end()


async def test_a_closed_consumer_leaves_its_mailbox_to_the_next():
    line = Line(Echo.as_asgi())
    await line.rests()
    assert line.mailbox.hand_on is not None
    await line.end()
    assert line.mailbox.hand_on is None
