"""Communicators: an app under test on one side, a test that plays its server and its peer on the other.

    chat = WebsocketCommunicator(ChatConsumer.as_asgi(), "/chat/")
    assert await chat.connect() == (True, None)
    await chat.send_to(text_data="hello")
    assert await chat.receive_from() == "Anonymous: hello"
    await chat.disconnect()

`ApplicationCommunicator`, `HttpCommunicator` and `WebsocketCommunicator` have the names and manners of Django Channels
4.3, and so has ``ChannelsLiveServerTestCase`` (`edge.live`). `ConversationCommunicator` is a peer on the radio or on a
broker, `FeedCommunicator` a device.

The app starts with the first event, in a task and an empty context of its own. What it raises is raised in the test by
the next call. **Every wait is bounded**: where the app does not do in ``timeout`` seconds what was waited for, it is
cancelled and the test gets a TimeoutError.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from typing import Any
from urllib.parse import unquote, urlsplit

from edge import spec
from edge.asgi import App, Event, Receive, Scope, Send
from edge.mailbox import Mailbox
from edge.registry import import_string
from edge.spec import SPEC_VERSION, CloseCode

__all__ = [
    "ApplicationCommunicator",
    "ConversationCommunicator",
    "FeedCommunicator",
    "HttpCommunicator",
    "WebsocketCommunicator",
]

CANCEL = 1.0  # seconds that a cancelled app has to end; one that does not is left behind
WHOLE_RESPONSE = 30.0  # seconds for all parts of an HTTP response; a stream without end is for ApplicationCommunicator

Headers = Iterable[tuple[bytes, bytes]]


def __getattr__(name: str) -> Any:  # Any: what stands behind a name that is imported when it is asked for
    """Find the live server test case, which needs Django and a server (`edge.live`)."""
    if name == "ChannelsLiveServerTestCase":
        return import_string("edge.live:ChannelsLiveServerTestCase")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class ApplicationCommunicator:
    """Runs an ASGI app on any scope: `send_input` is what its server tells it, `receive_output` what it sends.

    ``scope`` may be changed until the first event. ``future`` is the app's task.
    """

    _future: asyncio.Task[None] | None = None

    def __init__(self, application: App, scope: Scope) -> None:
        self.application = application
        self.scope = scope
        self.input_queue: asyncio.Queue[Event] = asyncio.Queue()
        self.output_queue: asyncio.Queue[Event] = asyncio.Queue()

    @property
    def future(self) -> asyncio.Task[None]:
        """The app's task; the first use starts it."""
        if self._future is None:
            call = _call(self.application, self.scope, self._receive(), self.output_queue.put)
            self._future = asyncio.get_running_loop().create_task(call, name="app under test", context=Context())
        return self._future

    async def send_input(self, message: Event) -> None:
        """Give the app an event; raises what the app has raised."""
        self._raise_what_it_raised()
        await self._put(message)

    async def receive_output(self, timeout: float = 1) -> Event:  # noqa: ASYNC109  (Channels' signature, here and below)
        """Return the next event that the app sends.

        Raises what the app raised instead. TimeoutError, and the app cancelled, where it sends nothing in time;
        TimeoutError at once where it has ended, for then nothing can come.
        """
        self._raise_what_it_raised()
        if not self.output_queue.empty():
            return self.output_queue.get_nowait()
        return await self._wait_for_output(timeout)

    async def receive_nothing(self, timeout: float = 0.1, interval: float = 0.01) -> bool:  # noqa: ASYNC109
        """Tell whether the app sends nothing for this long; looks every ``interval`` seconds."""
        self._raise_what_it_raised()
        end = time.monotonic() + timeout
        while self.output_queue.empty() and time.monotonic() < end:  # noqa: ASYNC110  (the interval is Channels')
            await asyncio.sleep(interval)
        return self.output_queue.empty()

    async def wait(self, timeout: float = 1) -> None:  # noqa: ASYNC109
        """Wait until the app has ended, and raise what it raised; TimeoutError, and it is cancelled, if it has not."""
        await asyncio.wait({self.future}, timeout=timeout)
        if not self.future.done():
            await self._cancel()
            raise TimeoutError(f"the app did not end within {timeout:g} s")
        self._raise_what_it_raised()

    def stop(self, exceptions: bool = True) -> None:  # noqa: FBT001, FBT002  (Channels' signature)
        """Cancel the app, or raise what it raised if it has ended; never waits."""
        if self._future is None:
            return
        if not self._future.done():
            self._future.cancel()
        elif exceptions:
            self._raise_what_it_raised()

    def __del__(self) -> None:
        try:
            self.stop(exceptions=False)
        except RuntimeError:
            return  # the loop was closed first, and the task with it

    def _receive(self) -> Receive:
        return self.input_queue.get

    async def _put(self, message: Event) -> None:
        await self.input_queue.put(message)

    def _raise_what_it_raised(self) -> None:
        if self.future.done() and not self.future.cancelled():
            self.future.result()

    async def _wait_for_output(self, timeout: float) -> Event:  # noqa: ASYNC109
        getting = asyncio.ensure_future(self.output_queue.get())
        try:
            await asyncio.wait({getting, self.future}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        if not self.output_queue.empty():  # sent at the very moment at which the app ended
            return self.output_queue.get_nowait()
        if self.future.done():
            self._raise_what_it_raised()
            raise TimeoutError("the app has ended, and sent nothing more")
        await self._cancel()
        raise TimeoutError(f"the app sent nothing within {timeout:g} s")

    async def _cancel(self) -> None:
        self.future.cancel()
        await asyncio.wait({self.future}, timeout=CANCEL)


class HttpCommunicator(ApplicationCommunicator):
    """One HTTP request to an app. ``path`` may have a query; ``body`` goes in one piece."""

    def __init__(
        self, application: App, method: str, path: str, body: bytes = b"", headers: Headers | None = None
    ) -> None:
        if not isinstance(body, bytes):
            raise TypeError(f"expected the body as bytes; got {type(body).__name__}")
        super().__init__(
            application,
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": method.upper(),
                "scheme": "http",
                **_address(path),
                "headers": list(headers or ()),
            },
        )
        self.body = body
        self.sent_request = False

    async def get_response(self, timeout: float = 1) -> dict[str, Any]:  # noqa: ASYNC109
        """Return the response as ``status``, ``headers`` and the whole ``body``; ``timeout`` is for each part of it."""
        if not self.sent_request:
            self.sent_request = True
            await self.send_input({"type": "http.request", "body": self.body})
        start = await self.receive_output(timeout)
        _expect(start, "http.response.start")
        body = b""
        async with asyncio.timeout(max(timeout, WHOLE_RESPONSE)):
            more = True
            while more:
                part = await self.receive_output(timeout)
                _expect(part, "http.response.body")
                body += part.get("body", b"")
                more = part.get("more_body", False)
        return {"headers": [], **{key: value for key, value in start.items() if key != "type"}, "body": body}


class _DialogueCommunicator(ApplicationCommunicator):
    """What a browser and a peer of a conversation have in common."""

    async def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Say something to the app: exactly one of the two; either may be empty."""
        assert (text_data is None) != (bytes_data is None), "You must supply exactly one of text_data or bytes_data"
        assert isinstance(text_data, str | None), "The text_data argument must be a str"
        assert isinstance(bytes_data, bytes | None), "The bytes_data argument must be bytes"
        await self.send_input({"type": f"{self.scope['type']}.receive", **self._said(text_data, bytes_data)})

    async def receive_from(self, timeout: float = 1) -> str | bytes:  # noqa: ASYNC109
        """Return what the app says next; AssertionError where it closes instead, or what a handler raised."""
        event = await self._said_next(timeout)
        _expect(event, f"{self.scope['type']}.send")
        text, data = event.get("text"), event.get("bytes")
        assert (text is None) != (data is None), f"expected exactly one of text and bytes; got {dict(event)!r}"
        if data is None:
            assert isinstance(text, str), f"expected the text as str; got {type(text).__name__}"
            return text
        assert isinstance(data, bytes), f"expected bytes; got {type(data).__name__}"
        return data

    async def send_json_to(self, data: Any) -> None:
        """Say something as JSON, in a text."""
        await self.send_to(text_data=json.dumps(data))

    async def receive_json_from(self, timeout: float = 1) -> Any:  # noqa: ASYNC109
        """Return what the app says next, decoded; AssertionError where it is no text."""
        payload = await self.receive_from(timeout)
        assert isinstance(payload, str), f"expected JSON in a text; got bytes: {payload!r}"
        return json.loads(payload)

    async def disconnect(self, code: int = CloseCode.NORMAL, timeout: float = 1) -> None:  # noqa: ASYNC109
        """Leave, and wait until the app has ended."""
        await self.send_input(self._goodbye(int(code)))
        await self.wait(timeout)

    async def _opened(self, timeout: float) -> tuple[bool, Event]:  # noqa: ASYNC109
        """Ask for the connection; return whether it was accepted, and the answer."""
        type_ = self.scope["type"]
        await self.send_input({"type": f"{type_}.connect"})
        answer = await self._said_next(timeout)
        _expect(answer, f"{type_}.accept", f"{type_}.close")
        return answer["type"] == f"{type_}.accept", answer

    async def _said_next(self, timeout: float) -> Event:  # noqa: ASYNC109
        """Return the next event; but where a handler failed raise its error, which the peer is told of before us."""
        event = await self.receive_output(timeout)
        if event["type"].endswith(".close") and event.get("code") == CloseCode.HANDLER_ERROR:
            await asyncio.wait({self.future}, timeout=timeout)
            self._raise_what_it_raised()
        return event

    def _said(self, text: str | None, data: bytes | None) -> dict[str, Any]:
        return {"text": text} if data is None else {"bytes": data}

    def _goodbye(self, code: int) -> Event:
        return {"type": f"{self.scope['type']}.disconnect", "code": code}


class WebsocketCommunicator(_DialogueCommunicator):
    """A browser's WebSocket to an app. ``path`` may have a query."""

    def __init__(
        self,
        application: App,
        path: str,
        headers: Headers | None = None,
        subprotocols: list[str] | None = None,
        spec_version: str | None = None,
    ) -> None:
        if not isinstance(path, str):
            raise TypeError(f"Expected str, got {type(path)}")
        scope: Scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": spec_version or "2.5"},
            "http_version": "1.1",
            "scheme": "ws",
            **_address(path),
            "headers": list(headers or ()),
            "subprotocols": subprotocols or [],
        }
        if spec_version:
            scope["spec_version"] = spec_version  # where Channels' tests look for it
        super().__init__(application, scope)
        self.response_headers: list[tuple[bytes, bytes]] | None = None  # of the accept

    async def connect(self, timeout: float = 1) -> tuple[bool, str | int | None]:  # noqa: ASYNC109
        """Ask for a connection: ``(True, subprotocol)`` where the app accepts, ``(False, close code)`` where not."""
        accepted, answer = await self._opened(timeout)
        if not accepted:
            return False, answer.get("code", int(CloseCode.NORMAL))
        self.response_headers = list(answer.get("headers") or ())
        return True, answer.get("subprotocol")


class _MailboxCommunicator(ApplicationCommunicator):
    """Gives events through a `Mailbox`, as our own transports do, so that consumers run here as they run there."""

    def __init__(self, application: App, scope: Scope) -> None:
        super().__init__(application, scope)
        self.mailbox = Mailbox()

    def _receive(self) -> Receive:
        return self.mailbox.receive

    async def _put(self, message: Event) -> None:
        if message["type"].endswith(".disconnect"):
            self.mailbox.close(message)
        elif not await self.mailbox.put(message):
            raise AssertionError(
                f"the app's mailbox took no {message['type']}: it is full, or the app was disconnected"
            )


class ConversationCommunicator(_MailboxCommunicator, _DialogueCommunicator):
    """A peer that talks to an app (`edge.spec.conversation`); more ``scope`` fields by name."""

    def __init__(
        self,
        application: App,
        peer: str = "QQ1ABC-7",
        *,
        over: str = "aprs",
        device: str = "test",
        **scope: Any,  # any field that a scope may have
    ) -> None:
        super().__init__(
            application,
            {
                "type": "conversation",
                "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
                "peer": peer,
                "over": over,
                "called": False,
                "device": device,
                "path": f"/{device}/{peer}",
                "state": {},
                **scope,
            },
        )

    async def connect(self, timeout: float = 1) -> tuple[bool, int | None]:  # noqa: ASYNC109
        """Begin to talk: ``(True, None)`` where the app accepts, ``(False, close code)`` where not."""
        accepted, answer = await self._opened(timeout)
        return accepted, None if accepted else int(answer.get("code", CloseCode.NORMAL))

    def _said(self, text: str | None, data: bytes | None) -> dict[str, Any]:
        return {"text": text, "bytes": data}

    def _goodbye(self, code: int) -> Event:
        return {**super()._goodbye(code), "reason": "the peer left"}


class FeedCommunicator(_MailboxCommunicator):
    """A device and its app: ``scope_type`` is "serial", "ax25", "aprs" or "mqtt"; more ``scope`` fields by name.

    igate = FeedCommunicator(IGate.as_asgi(), "aprs", callsign="QQ0BOX-10")
    await igate.connect()
    await igate.hear(source="QQ1ABC-7", format="status", packet={"text": "hello"})
    assert (await igate.sent())["type"] == "aprs.send"
    await igate.disconnect()
    """

    def __init__(self, application: App, scope_type: str, **scope: Any) -> None:  # Any: as a scope's values are
        if scope_type not in _FEEDS:
            raise ValueError(f"expected a feed: {', '.join(_FEEDS)}; got {scope_type!r}")
        extra, self._heard = _FEEDS[scope_type]
        super().__init__(
            application,
            {
                "type": scope_type,
                "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
                "device": "test",
                "link": "memory://test",
                "state": {},
                **extra,
                **scope,
            },
        )

    async def connect(self) -> None:
        """Tell the app that the link is up; a feed gives no answer to that."""
        await self.send_input({"type": f"{self.scope['type']}.connect"})

    async def hear(self, **fields: Any) -> None:
        """Let the app hear something: the fields of the ``receive`` event (`edge.spec`), with defaults for all of them.

        ``info``, ``payload`` and ``bytes`` may be given as text, which is sent as UTF-8. Nothing is worked out of
        anything else: ``raw`` is empty, and an ``aprs`` packet unparsed, unless the test says what they are.
        """
        type_ = f"{self.scope['type']}.receive"
        known = (spec.fields(type_) or frozenset()) - {"type"}
        if unknown := fields.keys() - known:
            raise TypeError(f"{type_} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        event = {"type": type_, **self._heard(fields), "time": time.time(), **fields}
        for name in ("info", "payload", "bytes"):
            if isinstance(event.get(name), str):
                event[name] = event[name].encode()
        await self.send_input(event)

    async def sent(self, timeout: float = 1) -> Event:  # noqa: ASYNC109
        """Return the next event that the app sends to the device, as `receive_output` does."""
        return await self.receive_output(timeout)

    async def disconnect(self, code: int = CloseCode.LINK_LOST, reason: str = "", timeout: float = 1) -> None:  # noqa: ASYNC109
        """Tell the app that the link is gone, and wait until it has ended."""
        await self.send_input({"type": f"{self.scope['type']}.disconnect", "code": int(code), "reason": reason})
        await self.wait(timeout)


Fields = dict[str, Any]


def _serial(fields: Fields) -> Fields:
    return {"bytes": fields.get("text") or b"", "text": None}


def _ax25(_fields: Fields) -> Fields:
    return {
        "port": 0,
        "source": "QQ1ABC-7",
        "destination": "APZEDG",
        "via": [],
        "control": 0x03,
        "frame": "UI",
        "command": True,
        "poll": False,
        "nr": None,
        "ns": None,
        "pid": 0xF0,
        "info": b"",
        "raw": b"",
    }


def _aprs(fields: Fields) -> Fields:
    parsed = "format" in fields
    said = {"format": "unparsed", "packet": {}, "reason": "" if parsed else "the test parsed nothing", "summary": ""}
    connected = ("frame", "command", "poll", "nr", "ns")  # what only ax25 tells of a frame
    heard = {name: value for name, value in _ax25(fields).items() if name not in connected}
    return {**heard, **said, "origins": {}}


def _mqtt(_fields: Fields) -> Fields:
    return {
        "topic": "test",
        "payload": b"",
        "qos": 0,
        "retain": False,
        "dup": False,
        "properties": {},
        "share": "",
        "topic_route": {"args": [], "kwargs": {}},
    }


# What each scope has beside device, link and state; and the defaults of what is heard.
_FEEDS: Mapping[str, tuple[Fields, Callable[[Fields], Fields]]] = {
    "serial": ({"framing": "bytes"}, _serial),
    "ax25": ({"callsign": "QQ0BOX", "air_baud": 1200, "confirms": False}, _ax25),
    "aprs": ({"callsign": "QQ0BOX", "confirms": False}, _aprs),
    "mqtt": ({"client_id": "test", "topic_filters": ["#"]}, _mqtt),
}


async def _call(application: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Make a coroutine of any app; holds no communicator, so that one that is forgotten can end its app."""
    await application(scope, receive, send)


def _address(path: str) -> Fields:
    parts = urlsplit(path)
    return {
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
    }


def _expect(event: Event, *types: str) -> None:
    assert event["type"] in types, f"expected {' or '.join(types)}; got {dict(event)!r}"
