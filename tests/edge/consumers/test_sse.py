"""`AsyncSseConsumer`: what a browser's EventSource reads, over the real server where it leaves."""

import asyncio
import contextlib
import json

import pytest

from edge.consumers import AsyncSseConsumer
from edge.testing import ApplicationCommunicator, HttpCommunicator
from transports.web import WebServer

SOON = 5.0  # seconds; no test waits so long unless it fails


class Prices(AsyncSseConsumer):
    groups = ("prices",)
    heartbeat = None

    async def price_changed(self, event):
        await self.send_event(event["price"], id=event["number"])


def communicator(app, headers=()):
    return ApplicationCommunicator(app, HttpCommunicator(app, "GET", "/", headers=headers).scope)


async def opened(app, headers=()):
    asked = communicator(app, headers)
    await asked.send_input({"type": "http.request"})
    return asked, await asked.receive_output(SOON)


async def text(asked):
    part = await asked.receive_output(SOON)
    assert part["more_body"]
    return part["body"].decode()


async def leave(asked):
    await asked.send_input({"type": "http.disconnect"})
    await asked.wait(SOON)


async def test_a_message_of_the_layer_becomes_an_event(layer):
    asked, start = await opened(Prices.as_asgi())
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"] == b"text/event-stream"
    assert await text(asked) == ":\n\n"
    await layer.group_send("prices", {"type": "price.changed", "price": {"eur": 7}, "number": 3})
    assert await text(asked) == 'id: 3\ndata: {"eur":7}\n\n'
    await leave(asked)
    assert layer.groups == {}


async def test_a_browser_that_comes_back_gets_what_it_missed_before_what_is_new(layer):
    class Resumed(Prices):
        retry = 2500

        async def connect(self):
            await layer.group_send("prices", {"type": "price.changed", "price": "new", "number": 9})
            for number in range(int(self.last_event_id or 0) + 1, 9):
                await self.send_event("missed", id=number)

    asked, _ = await opened(Resumed.as_asgi(), [(b"last-event-id", b"6")])
    assert [await text(asked) for _ in range(4)] == [
        "retry: 2500\n\n",
        "id: 7\ndata: missed\n\n",
        "id: 8\ndata: missed\n\n",
        "id: 9\ndata: new\n\n",
    ]
    await leave(asked)


async def test_who_has_seen_nothing_has_no_last_event_id():
    class Asked(AsyncSseConsumer):
        async def connect(self):
            await self.send_event(self.last_event_id)
            await self.close()

    asked, _ = await opened(Asked.as_asgi())
    assert [await text(asked), await text(asked)] == [":\n\n", "data: \n\n"]
    assert (await asked.receive_output())["more_body"] is False
    await asked.wait(SOON)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"data": "one\ntwo\r\nthree\rfour"}, "data: one\ndata: two\ndata: three\ndata: four\n\n"),
        ({"data": "a\u2028b\x0bc"}, "data: a\u2028b\x0bc\n\n"),
        ({"event": "ping"}, "event: ping\ndata: \n\n"),
        ({"data": [1, None], "id": "x", "retry": 5}, "id: x\nretry: 5\ndata: [1,null]\n\n"),
        ({"data": "", "id": ""}, "id: \ndata: \n\n"),
    ],
)
async def test_fields_are_written_as_the_standard_says(fields, sent):
    class Once(AsyncSseConsumer):
        async def connect(self):
            await self.send_event(**fields)

    asked, _ = await opened(Once.as_asgi())
    assert [await text(asked), await text(asked)] == [":\n\n", sent]
    await leave(asked)


@pytest.mark.parametrize("name", ["id", "event"])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
async def test_a_field_cannot_smuggle_in_another(name, value):
    class Smuggler(AsyncSseConsumer):
        async def connect(self):
            await self.send_event("data", **{name: value})

    asked = communicator(Smuggler.as_asgi())
    await asked.send_input({"type": "http.request"})
    with pytest.raises(ValueError, match=f"expected the {name} of an event in one line"):
        await asked.wait()


async def test_comments_keep_a_quiet_stream_open():
    class Quiet(AsyncSseConsumer):
        heartbeat = 0.01

    asked, _ = await opened(Quiet.as_asgi())
    assert [await text(asked) for _ in range(3)] == [":\n\n"] * 3
    await leave(asked)


async def test_a_comment_may_have_several_lines():
    class Commented(AsyncSseConsumer):
        async def connect(self):
            await self.send_comment("one\ntwo")

    asked, _ = await opened(Commented.as_asgi())
    assert [await text(asked), await text(asked)] == [":\n\n", ": one\n: two\n\n"]
    await leave(asked)


@pytest.mark.parametrize("headers", [{"x-more": "yes"}, [(b"x-more", b"yes")]])
async def test_it_sends_headers_of_ones_own_too(headers):
    own = headers

    class More(AsyncSseConsumer):
        headers = own

    asked, start = await opened(More.as_asgi())
    assert (b"x-more", b"yes") in start["headers"]
    await leave(asked)


async def test_who_is_refused_gets_another_response():
    class Private(AsyncSseConsumer):
        async def connect(self):
            await self.send_response(403, b"no")

    asked = HttpCommunicator(Private.as_asgi(), "GET", "/")
    assert (await asked.get_response())["status"] == 403
    await asked.wait()


def test_a_plain_connect_is_an_error_when_the_class_is_made():
    with pytest.raises(TypeError, match=r"connect\(\) is a plain function"):

        class Plain(AsyncSseConsumer):
            def connect(self):
                pass


async def test_over_the_real_server_events_arrive_and_a_browser_that_leaves_is_seen(layer):
    gone = asyncio.Event()

    class Watched(Prices):
        async def disconnect(self):
            gone.set()

    server = WebServer(Watched.as_asgi(), port=0)
    await asyncio.wait_for(server.start(), SOON)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b":\n\n"), SOON)
        for number in (1, 2):
            await layer.group_send("prices", {"type": "price.changed", "price": 5, "number": number})
            event = await asyncio.wait_for(reader.readuntil(b"\n\n"), SOON)
            assert b"id: %d\ndata: %s" % (number, json.dumps(5).encode()) in event
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await asyncio.wait_for(gone.wait(), SOON)
    finally:
        await asyncio.wait_for(server.stop(0.5), SOON)
    assert layer.groups == {}
