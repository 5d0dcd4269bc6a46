"""Concurrency by choice: strictly serial without it, bounded with it, owned and ended with the connection."""

import asyncio

import pytest

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer, concurrent

SOON = 5.0


class Story:
    """Handlers that meet: each waits until it is let go."""

    def __init__(self):
        self.running, self.most, self.cancelled, self.events = [], 0, [], []
        self.gates = {}

    async def handle(self, name):
        self.running.append(name)
        self.most = max(self.most, len(self.running))
        try:
            await self.gates.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.running.remove(name)
        if name == "bad":
            raise KeyError("a bug")

    async def until(self, *names):
        async with asyncio.timeout(SOON):
            while self.running != list(names):
                await asyncio.sleep(0)

    def consumer(self, **attributes):
        story, mark = self, attributes.pop("mark", lambda handler: handler)

        class Consumer(AsyncWebsocketConsumer):
            @mark
            async def receive(self, text):
                await story.handle(text)
                await self.send(text=text)

            async def disconnect(self, code):
                story.events.append((code, list(story.running)))

        return type("Mine", (Consumer,), attributes)


@pytest.mark.parametrize("how", [{"concurrency": 2}, {"mark": concurrent}])
async def test_handlers_overlap_where_the_class_or_the_handler_says_so(serve, how):
    story = Story()
    line = serve(story.consumer(**how).as_asgi())
    await line.answer()
    line.say("receive", text="slow")
    line.say("receive", text="quick")
    await story.until("slow", "quick")
    story.gates["quick"].set()
    assert await line.text() == "quick"
    story.gates["slow"].set()
    assert await line.text() == "slow"
    await line.hang_up()


async def test_without_it_one_follows_the_other(serve):
    story = Story()
    line = serve(story.consumer().as_asgi())
    await line.answer()
    for name in "ab":
        line.say("receive", text=name)
    await story.until("a")
    for _ in range(10):
        await asyncio.sleep(0)
    assert story.running == ["a"]
    for name in "ab":
        story.gates.setdefault(name, asyncio.Event()).set()
    assert [await line.text() for _ in range(2)] == ["a", "b"]
    await line.hang_up()
    assert story.most == 1


async def test_at_the_limit_the_next_one_waits(serve):
    story = Story()
    line = serve(story.consumer(concurrency=2).as_asgi())
    await line.answer()
    for name in "abcd":
        line.say("receive", text=name)
    await story.until("a", "b")
    story.gates["a"].set()
    await story.until("b", "c")
    for name in "bcd":
        story.gates.setdefault(name, asyncio.Event()).set()
    assert sorted([await line.text() for _ in range(4)]) == list("abcd")
    await line.hang_up()
    assert story.most == 2


async def test_what_still_runs_at_the_end_is_cancelled_before_the_goodbye(serve):
    story = Story()
    line = serve(story.consumer(concurrency=3).as_asgi())
    await line.answer()
    for name in "ab":
        line.say("receive", text=name)
    await story.until("a", "b")
    await line.hang_up(1001)
    assert sorted(story.cancelled) == ["a", "b"]
    assert story.events == [(1001, [])]


async def test_one_that_fails_ends_the_connection_as_every_handler_does(serve):
    story = Story()
    line = serve(story.consumer(concurrency=3).as_asgi())
    await line.answer()
    for name in ("other", "bad"):
        line.say("receive", text=name)
    await story.until("other", "bad")
    story.gates["bad"].set()
    with pytest.raises(KeyError, match="a bug"):
        await line.ended()
    assert line.sent[-1]["code"] == 1011
    assert story.events == [(1011, [])]
    assert story.cancelled == ["other"]


async def test_one_that_fails_may_be_answered(serve):
    story = Story()

    async def on_error(self, error, event):
        await self.send(text=f"sorry for {event['text']}")
        return True

    line = serve(story.consumer(concurrency=3, on_error=on_error).as_asgi())
    await line.answer()
    line.say("receive", text="bad")
    await story.until("bad")
    story.gates["bad"].set()
    assert await line.text() == "sorry for bad"
    await line.hang_up()


async def test_a_connection_that_is_cancelled_leaves_none_behind(serve):
    story = Story()
    line = serve(story.consumer(concurrency=3).as_asgi())
    await line.answer()
    line.say("receive", text="a")
    await story.until("a")
    await line.cancel()
    assert story.cancelled == ["a"]
    assert story.events == [(1012, [])]


def test_what_cannot_overlap_is_an_error_when_the_class_is_made():
    with pytest.raises(TypeError, match="for async handlers"):
        type("Mine", (WebsocketConsumer,), {"concurrency": 2})
    with pytest.raises(TypeError, match="1 at least"):
        type("Mine", (AsyncWebsocketConsumer,), {"concurrency": 0})

    async def connect(self):
        pass

    def receive(self):
        pass

    with pytest.raises(TypeError, match="neither connect"):
        type("Mine", (AsyncWebsocketConsumer,), {"connect": concurrent(connect)})
    with pytest.raises(TypeError, match="marked concurrent"):
        type("Mine", (WebsocketConsumer,), {"receive": concurrent(receive)})
