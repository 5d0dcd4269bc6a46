"""Errors of handlers: whom they are told to, who may answer them, and what a worker's job may reach."""

import pytest

from edge.consumers import AsyncConsumer, AsyncWebsocketConsumer, SyncConsumer, WebsocketConsumer, base
from edge.exceptions import StopConsumer


@pytest.fixture
def hooks(monkeypatch):
    told = []
    monkeypatch.setattr(base, "error_hooks", [lambda consumer, error, event: told.append((error, event))])
    return told


def failing(parent, answer, seen):
    """Return a consumer whose receive fails on "bad", and whose on_error gives this answer."""

    class Async(AsyncWebsocketConsumer):
        async def receive(self, text):
            if text == "bad":
                raise KeyError("a bug")
            await self.send(text=text)

        async def on_error(self, error, event):
            seen.append((repr(error), event["type"]))
            return answer

    class Plain(WebsocketConsumer):
        def receive(self, text):
            if text == "bad":
                raise KeyError("a bug")
            self.send(text=text)

        def on_error(self, error, event):
            seen.append((repr(error), event["type"]))
            return answer

    return Plain if parent is WebsocketConsumer else Async


BOTH = pytest.mark.parametrize("parent", [AsyncWebsocketConsumer, WebsocketConsumer])


@BOTH
async def test_an_error_that_the_consumer_answers_does_not_end_the_connection(serve, hooks, parent):
    seen = []
    line = serve(failing(parent, answer=True, seen=seen).as_asgi())
    await line.answer()
    line.say("receive", text="bad")
    line.say("receive", text="good")
    assert await line.text() == "good"
    await line.hang_up()
    assert seen == [("KeyError('a bug')", "websocket.receive")]
    assert hooks == []


@BOTH
async def test_an_error_without_an_answer_is_told_to_every_hook_and_ends_the_connection(serve, hooks, parent):
    line = serve(failing(parent, answer=False, seen=[]).as_asgi())
    await line.answer()
    line.say("receive", text="bad")
    with pytest.raises(KeyError):
        await line.ended()
    [(error, event)] = hooks
    assert (str(error), event["text"]) == ("'a bug'", "bad")


async def test_a_hook_that_fails_hides_nothing(serve, monkeypatch, caplog):
    def fails(consumer, error, event):
        raise ZeroDivisionError

    monkeypatch.setattr(base, "error_hooks", [fails])
    line = serve(failing(WebsocketConsumer, answer=False, seen=[]).as_asgi())
    await line.answer()
    line.say("receive", text="bad")
    with pytest.raises(KeyError):
        await line.ended()
    assert "a hook for errors failed itself" in caplog.text


async def test_to_stop_is_no_error(serve, hooks):
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self):
            raise StopConsumer

        async def on_error(self, error, event):
            raise AssertionError

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="")
    await line.ended()
    assert hooks == []


@pytest.mark.parametrize("type_", ["send", "close", "dispatch", "as_asgi", "websocket.connect", "on.error", "nothing"])
@pytest.mark.parametrize("parent", [AsyncConsumer, SyncConsumer, WebsocketConsumer])
async def test_a_job_reaches_no_method_of_the_framework(serve, type_, parent):
    line = serve(type("Mine", (parent,), {}).as_asgi(), "channel", connect=False, channel="jobs")
    line.box.offer({"type": type_})
    with pytest.raises(ValueError, match=f"No handler for message type {type_}"):
        await line.ended()


async def test_a_job_may_be_called_as_it_likes(serve):
    done = []

    class Worker(AsyncConsumer):
        async def db_connect(self, message):
            done.append(message["type"])

        async def db_disconnect(self, message):
            done.append(message["type"])
            raise StopConsumer

    line = serve(Worker.as_asgi(), "channel", connect=False, channel="jobs")
    line.box.offer({"type": "db.connect"})
    line.box.offer({"type": "db.disconnect"})
    await line.ended()
    assert done == ["db.connect", "db.disconnect"]
