"""Clients of a running box, independent of it: what ``edge demo --check`` and the tests look at it with.

They know the outside only: HTTP with a cookie jar, a WebSocket, an MQTT client. Every wait is bounded by its caller.
"""

import json
import re
import ssl
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar
from typing import Any

import aiomqtt
from websockets.asyncio.client import ClientConnection, connect

TIMEOUT = 10.0  # seconds for a page


class Browser:
    """As much of a browser as it takes to sign in: pages, forms and cookies. Blocking; call it from a thread."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self.url = url.rstrip("/")
        self.cookies = CookieJar()
        self._tls = tls
        cookies, secure = urllib.request.HTTPCookieProcessor(self.cookies), urllib.request.HTTPSHandler(context=tls)
        self._opener = urllib.request.build_opener(cookies, secure)

    def get(self, path: str) -> str:
        """Return a page; raises urllib.error.HTTPError for one that is refused."""
        with self._opener.open(self.url + path, timeout=TIMEOUT) as page:
            text: str = page.read().decode()
            return text

    def submit(self, path: str, **fields: str) -> str:
        """Fill in and send the form of a page, with the token that the page holds."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        if token is None:
            raise ValueError(f"{self.url}{path} has no form")
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        request = urllib.request.Request(self.url + path, body, {"Referer": self.url + path})  # noqa: S310  (our own http URL)
        with self._opener.open(request, timeout=TIMEOUT) as page:
            text: str = page.read().decode()
            return text

    def websocket(self, path: str) -> connect:
        """Open a WebSocket as a page of this site would: with its cookies and its origin."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)
        address = self.url.replace("http", "ws", 1) + path
        more: dict[str, Any] = {"ssl": self._tls} if self._tls else {}  # Any: each its own
        return connect(address, additional_headers={"Cookie": cookies}, origin=self.url, **more)  # type: ignore[arg-type]  # any text


async def messages(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON messages of a WebSocket, until it closes."""
    async for text in socket:
        yield json.loads(text)


@asynccontextmanager
async def broker(url: str) -> AsyncIterator[aiomqtt.Client]:
    """Connect to a broker by its URL, with an identity of its own."""
    parts = urllib.parse.urlsplit(url)
    client = aiomqtt.Client(
        parts.hostname or "localhost",
        parts.port or 1883,
        username=parts.username,
        password=parts.password,
    )
    async with client:
        yield client
