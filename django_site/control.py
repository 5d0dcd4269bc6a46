"""How the command line talks to the running box: HTTP over a Unix socket in the data folder.

Who may open the socket is who may read the data folder, which is the owner alone. The far end is one more small ASGI
app, served by the same web server as the pages.

    GET /status          {"box": {…}, "devices": […]}
    GET /tap?device=vhf  one JSON object a line, for as long as the client stays
    POST /send           {"device": "vhf", "event": {…}} → {"refused": ""} or the reason
    POST /reload         read devices and routes again

What the pages of another process ask beside is in `django_site.answers`.
"""

import asyncio
import contextlib
import functools
import hashlib
import http.client
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from edge.asgi import Event, Receive, Scope, Send
from edge.errors import ConfigError, LinkLost, LocalProtocolError
from edge.mailbox import Mailbox
from edge.registry import import_string

if TYPE_CHECKING:
    from django_site.box import Box

LONGEST_PATH = 100  # bytes; a Unix socket's path has at most 107 (unix(7))
MAX_BODY = 65_536  # bytes of a request
TIMEOUT = 10.0  # seconds for an answer


def socket_path(data: Path) -> Path:
    """Return where the socket of a data folder is; a path that is too long for a socket gets a short one of its own."""
    path = data / "control.sock"
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"edge-{os.getuid()}-{digest}" / "control.sock"


class ControlServer:
    """Serves the socket, for as long as the box runs."""

    def __init__(self, box: "Box") -> None:
        self.box = box
        self._server: Any = None  # transports.web.WebServer, by import string

    async def start(self) -> None:
        """Listen."""
        path = socket_path(self.box.data)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.parent.stat().st_uid != os.getuid():
            raise ConfigError(f"{path.parent} belongs to somebody else; the control socket cannot be there")
        self._server = import_string("transports.web:WebServer")(self, uds=str(path))
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening, and take the socket away."""
        if self._server is not None:
            await self._server.stop(timeout=1.0)
            path = socket_path(self.box.data)
            path.unlink(missing_ok=True)
            if path.parent != self.box.data:
                with contextlib.suppress(OSError):  # a new box of the same data folder may be at home there already
                    path.parent.rmdir()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: an ASGI app."""
        if scope["type"] != "http":
            return
        answers = {
            ("GET", "/status"): self._status,
            ("POST", "/send"): self._send,
            ("POST", "/reload"): self._reload,
        }
        if (scope["method"], scope["path"]) == ("GET", "/tap"):
            await self._tap(scope, receive, send)
            return
        answer = answers.get((scope["method"], scope["path"]))
        if answer is not None:
            status, content = await answer(receive)
        else:
            pages = import_string("django_site.answers:answer")
            status, content = await pages(self.box, scope["method"], scope["path"], functools.partial(_body, receive))
        body = json.dumps(plain(content)).encode()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": body})

    async def _status(self, receive: Receive) -> tuple[int, dict[str, Any]]:
        del receive
        return 200, {"box": self.box.about(), "devices": [device.as_dict() for device in self.box.status()]}

    async def _reload(self, receive: Receive) -> tuple[int, dict[str, Any]]:
        del receive
        self.box.reload()
        return 200, {}

    async def _send(self, receive: Receive) -> tuple[int, dict[str, Any]]:
        try:
            wish = json.loads(await _body(receive))
            refused = await self.box.supervisor.transmit(wish["device"], from_plain(wish["event"]))
        except (ConfigError, LinkLost, LocalProtocolError) as error:
            return 409, {"error": str(error)}
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"expected device and event; {error}"}
        return 200, {"refused": refused}

    async def _tap(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream what passes, until the client leaves."""
        wanted = parse_qs(scope["query_string"].decode()).get("device", [""])[0]
        mailbox = Mailbox()
        self.box.taps.add(mailbox)
        leaving = _close_when_gone(receive, mailbox)
        try:
            headers = [(b"content-type", b"application/x-ndjson")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            while True:
                message = await mailbox.receive()
                if message["type"] == "http.disconnect":
                    return
                if wanted in ("", message["device"]):
                    line = json.dumps(plain({key: value for key, value in message.items() if key != "type"}))
                    await send({"type": "http.response.body", "body": line.encode() + b"\n", "more_body": True})
        finally:
            leaving.cancel()
            self.box.taps.discard(mailbox)


def _close_when_gone(receive: Receive, mailbox: Mailbox) -> asyncio.Task[None]:
    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        mailbox.close({"type": "http.disconnect"}, drain=0)

    return asyncio.create_task(watch(), name="edge-control-tap")


async def _body(receive: Receive) -> bytes:
    body = b""
    while len(body) <= MAX_BODY:
        event: Event = await receive()
        body += bytes(event.get("body", b""))
        if not event.get("more_body", False) and len(body) <= MAX_BODY:
            return body
    raise ValueError(f"a request has at most {MAX_BODY} bytes")


def plain(value: Any) -> Any:
    """Return what JSON can hold of what ASGI permits: bytes become ``{"hex": "…"}``."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return {"hex": bytes(value).hex()} if isinstance(value, bytes | bytearray) else value


def from_plain(value: Any) -> Any:
    """Undo `plain`."""
    if isinstance(value, dict):
        return (
            bytes.fromhex(value["hex"])
            if value.keys() == {"hex"}
            else {key: from_plain(item) for key, item in value.items()}
        )
    return [from_plain(item) for item in value] if isinstance(value, list) else value


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def request(
    path: Path, method: str, url: str, content: object = None, *, timeout: float = TIMEOUT
) -> tuple[int, dict[str, Any]]:
    """Ask the running box, and wait so many seconds for it; raises OSError where none runs."""
    connection = _UnixConnection(path, timeout)
    try:
        body = None if content is None else json.dumps(plain(content))
        connection.request(method, url, body)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read() or b"{}")
    except http.client.HTTPException as error:  # it ended in the middle of its answer
        raise ConnectionError(f"no whole answer: {type(error).__name__}") from error
    else:
        return response.status, answer
    finally:
        connection.close()


def follow(path: Path, url: str) -> Iterator[dict[str, Any]]:
    """Yield each line of a stream of the running box, until it ends; raises OSError where none runs."""
    connection = _UnixConnection(path, None)
    try:
        connection.request("GET", url)
        response = connection.getresponse()
        while line := response.readline():
            yield json.loads(line)
    finally:
        connection.close()
