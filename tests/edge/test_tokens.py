"""`TokenAuthMiddleware`: where a token is found, whose it is, and what becomes of a bad one."""

import asyncio
import logging

import django
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge.consumers import AsyncWebsocketConsumer
from edge.testing import ApplicationCommunicator, HttpCommunicator, WebsocketCommunicator
from edge.tokens import TokenAuthMiddleware
from transports.web import WebServer

django.setup()

from django.contrib.auth.models import AnonymousUser  # noqa: E402  (models wait until Django is set up)

SOON = 5.0  # seconds; no test waits so long unless it fails
GOOD = [(b"Authorization", b"Bearer good")]
BAD = [(b"authorization", b"bearer bad")]


async def lookup(token):
    return {"good": "ann", "better": "bob"}.get(token)


class Seen:
    """An app that keeps its scope, and answers."""

    def __init__(self):
        self.scope = None

    async def __call__(self, scope, receive, send):
        self.scope = scope
        await receive()
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.accept"})


@pytest.fixture
def seen():
    return Seen()


async def get(app, path="/", headers=(), **scope):
    asked = HttpCommunicator(app, "GET", path, headers=headers)
    asked.scope |= scope
    return await asked.get_response()


async def test_a_header_says_who_it_is(seen):
    assert (await get(TokenAuthMiddleware(seen, lookup), headers=GOOD))["status"] == 200
    assert seen.scope["user"] == "ann"


async def test_a_token_wins_over_a_session(seen):
    await get(TokenAuthMiddleware(seen, lookup), headers=GOOD, user="carl")
    assert seen.scope["user"] == "ann"


async def test_without_a_token_the_session_says_who_it_is(seen):
    await get(TokenAuthMiddleware(seen, lookup), user="carl")
    assert seen.scope["user"] == "carl"


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Basic Z29vZA==")], [(b"authorization", b"")]])
async def test_without_a_token_and_a_session_it_is_anonymous(seen, headers):
    await get(TokenAuthMiddleware(seen, lookup), headers=headers)
    assert seen.scope["user"] == AnonymousUser()


@pytest.mark.parametrize(
    "headers", [BAD, [(b"authorization", b"Bearer")], [(b"authorization", b"Bearer good good")], [*GOOD, *GOOD]]
)
async def test_a_bad_token_is_refused_with_401(seen, headers):
    response = await get(TokenAuthMiddleware(seen, lookup), headers=headers, user="carl")
    assert response["status"] == 401
    assert (b"www-authenticate", b'Bearer error="invalid_token"') in response["headers"]
    assert seen.scope is None


async def test_a_bad_token_may_be_anonymous_but_never_the_sessions_user(seen):
    await get(TokenAuthMiddleware(seen, lookup, refuse=False), headers=BAD, user="carl")
    assert seen.scope["user"] == AnonymousUser()


async def test_a_lookup_that_fails_is_not_taken_for_a_bad_token(seen):
    async def broken(token):
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        await get(TokenAuthMiddleware(seen, broken), headers=GOOD)


async def test_the_query_is_looked_at_only_where_that_was_asked_for(seen):
    await get(TokenAuthMiddleware(seen, lookup), "/?token=good")
    assert seen.scope["user"] == AnonymousUser()
    await get(TokenAuthMiddleware(seen, lookup, query="token"), "/?a=1&token=good&b=%C3%A4+2&a=")
    assert seen.scope["user"] == "ann"
    assert seen.scope["query_string"] == b"a=1&b=%C3%A4+2&a="


async def test_two_tokens_in_a_query_are_a_bad_one(seen):
    response = await get(TokenAuthMiddleware(seen, lookup, query="token"), "/?token=good&token=better")
    assert response["status"] == 401


async def test_a_header_is_believed_before_the_query(seen):
    await get(TokenAuthMiddleware(seen, lookup, query="token"), "/?token=better", headers=GOOD)
    assert seen.scope["user"] == "ann"
    assert seen.scope["query_string"] == b""


@pytest.mark.parametrize(
    ("offered", "left"),
    [(["bearer", "good"], []), (["bearer", "good", "chat"], ["chat"]), (["chat", "bearer", "good"], ["chat"])],
)
async def test_a_browsers_subprotocols_say_who_it_is_and_the_marker_is_agreed_on(seen, offered, left):
    asked = WebsocketCommunicator(TokenAuthMiddleware(seen, lookup), "/", subprotocols=offered)
    assert await asked.connect() == (True, "bearer")
    assert seen.scope["user"] == "ann"
    assert seen.scope["subprotocols"] == left


async def test_a_subprotocol_that_the_app_chooses_stays():
    class Chat(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept(self.scope["subprotocols"][0])

    asked = WebsocketCommunicator(
        TokenAuthMiddleware(Chat.as_asgi(), lookup), "/", subprotocols=["bearer", "good", "chat"]
    )
    assert await asked.connect() == (True, "chat")
    await asked.disconnect()


async def test_without_a_token_no_subprotocol_is_agreed_on(seen):
    asked = WebsocketCommunicator(TokenAuthMiddleware(seen, lookup), "/", headers=GOOD)
    assert await asked.connect() == (True, None)
    assert seen.scope["user"] == "ann"


async def test_subprotocols_are_left_alone_where_that_was_asked_for(seen):
    app = TokenAuthMiddleware(seen, lookup, subprotocol=None)
    asked = WebsocketCommunicator(app, "/", subprotocols=["bearer", "good"])
    assert await asked.connect() == (True, None)
    assert (seen.scope["user"], seen.scope["subprotocols"]) == (AnonymousUser(), ["bearer", "good"])


@pytest.mark.parametrize("offered", [["bearer", "bad"], ["bearer"], ["bearer", ""]])
async def test_a_websocket_with_a_bad_token_is_closed(seen, offered):
    asked = WebsocketCommunicator(TokenAuthMiddleware(seen, lookup), "/", subprotocols=offered)
    assert await asked.connect() == (False, 4401)
    assert seen.scope is None


async def test_other_scopes_pass_as_they_are(seen):
    scope = {"type": "lifespan"}
    asked = ApplicationCommunicator(TokenAuthMiddleware(seen, lookup), scope)
    await asked.send_input({"type": "lifespan.startup"})
    await asked.wait()
    assert seen.scope is scope


class Who(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send(text=str(self.scope["user"]))


async def test_over_the_real_server_a_browser_gets_in_with_a_good_token_and_401_with_a_bad_one(caplog):
    caplog.set_level(logging.DEBUG, logger="edge")
    server = WebServer(TokenAuthMiddleware(Who.as_asgi(), lookup), port=0)
    await asyncio.wait_for(server.start(), SOON)
    url = server.url.replace("http", "ws") + "/"
    try:
        async with connect(url, subprotocols=["bearer", "good"]) as browser:
            assert browser.subprotocol == "bearer"
            assert await asyncio.wait_for(browser.recv(), SOON) == "ann"
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers={"Authorization": "Bearer s3cr3t"})
        assert refused.value.response.status_code == 401
    finally:
        await asyncio.wait_for(server.stop(0.5), SOON)
    assert "s3cr3t" not in caplog.text
