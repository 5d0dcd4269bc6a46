import sys
import types
from datetime import UTC, datetime, timedelta

import django
import pytest
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.core.exceptions import SuspiciousOperation

from edge.sessions import CookieMiddleware, InstanceSessionWrapper, SessionMiddleware, SessionMiddlewareStack
from edge.testing import FeedCommunicator, HttpCommunicator, WebsocketCommunicator

django.setup()


class Rows(SessionBase):
    """Sessions in a dictionary, which counts how often it is read."""

    rows: dict
    reads: int

    def load(self):
        type(self).reads += 1
        if self.session_key not in self.rows:
            self._session_key = None
            return {}
        return dict(self.rows[self.session_key])

    def exists(self, session_key):
        return session_key in self.rows

    def create(self):
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create=False):
        if self.session_key is None:
            return self.create()
        if not must_create and self.session_key not in self.rows:
            raise UpdateError
        self.rows[self.session_key] = dict(self._get_session(no_load=must_create))
        return None

    def delete(self, session_key=None):
        self.rows.pop(session_key or self.session_key, None)


@pytest.fixture
def store(settings, monkeypatch):
    module = types.ModuleType("session_rows")
    module.SessionStore = type("SessionStore", (Rows,), {"rows": {}, "reads": 0})
    monkeypatch.setitem(sys.modules, "session_rows", module)
    settings.SESSION_ENGINE = "session_rows"
    return module.SessionStore


KEY = "k" * 32


def answering(handle=lambda scope: None, status=200, headers=None):
    async def app(scope, receive, send):
        await receive()
        handle(scope)
        start = {"type": "http.response.start", "status": status}
        await send(start if headers is None else {**start, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return app


async def ask(app, *cookies):
    response = await HttpCommunicator(
        app, "GET", "/", headers=[(b"cookie", cookie) for cookie in cookies]
    ).get_response()
    return [value.decode() for name, value in response["headers"] if name == b"Set-Cookie"]


async def seen_by_the_app(middleware, headers):
    seen = []
    await ask_with(middleware(answering(seen.append)), headers)
    return seen[0]


async def ask_with(app, headers):
    return await HttpCommunicator(app, "GET", "/", headers=headers).get_response()


@pytest.mark.parametrize(
    ("headers", "cookies"),
    [
        ([], {}),
        ([(b"cookie", b"a=1; b=two")], {"a": "1", "b": "two"}),
        (
            [(b"cookie", b"a=1"), (b"host", b"x"), (b"cookie", b"b=two;"), (b"cookie", b"c=3")],
            {"a": "1", "b": "two", "c": "3"},
        ),
        ([(b"Cookie", b"a=1")], {"a": "1"}),
        ([(b"cookie", b"a=\xff")], {"a": "\xff"}),
        ([(b"cookie", b";;=; nonsense")], {"": "nonsense"}),
    ],
)
async def test_every_cookie_header_is_read(headers, cookies):
    assert (await seen_by_the_app(CookieMiddleware, headers))["cookies"] == cookies


async def test_a_scope_without_headers_has_no_cookies_to_read():
    with pytest.raises(ValueError, match="headers"):
        await CookieMiddleware(answering())({"type": "aprs"}, None, None)


def cookie(**attributes):
    message = {}
    CookieMiddleware.set_cookie(message, "name", "a value", **attributes)
    ((name, value),) = message["headers"]
    assert name == b"Set-Cookie"
    return value.decode()


def test_a_cookie_is_written_with_its_attributes():
    assert cookie() == 'name="a value"; Path=/; SameSite=lax'
    assert cookie(path="/a", domain="edge.example") == 'name="a value"; Domain=edge.example; Path=/a; SameSite=lax'
    assert cookie(secure=True, httponly=True, samesite=None) == 'name="a value"; HttpOnly; Path=/; Secure'
    assert "Max-Age=60" in cookie(max_age=60)
    assert "expires=Tue, 01-Jan-2030 00:00:00 GMT" in cookie(expires="Tue, 01-Jan-2030 00:00:00 GMT")


@pytest.mark.parametrize("zone", [None, UTC])
def test_the_age_of_a_cookie_is_calculated_from_a_datetime(zone):
    expires = (datetime.now(UTC) + timedelta(seconds=100)).replace(tzinfo=zone)
    age = int(cookie(expires=expires).partition("Max-Age=")[2].partition(";")[0])
    assert 95 <= age <= 101


def test_a_samesite_that_browsers_do_not_know_is_refused():
    with pytest.raises(ValueError, match="samesite"):
        cookie(samesite="often")


def test_cookies_are_added_to_the_headers_that_are_there():
    message = {"headers": ((b"a", b"b"),)}
    CookieMiddleware.set_cookie(message, "one", "1")
    CookieMiddleware.delete_cookie(message, "two")
    assert message["headers"] == [
        (b"a", b"b"),
        (b"Set-Cookie", b"one=1; Path=/; SameSite=lax"),
        (b"Set-Cookie", b'two=""; expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax'),
    ]


async def test_a_session_that_nobody_looks_at_is_not_read(store):
    await ask(SessionMiddlewareStack(answering()), b"sessionid=%s" % KEY.encode())
    assert store.reads == 0


async def test_a_session_is_read_once_when_it_is_looked_at(store):
    store.rows[KEY] = {"colour": "red"}
    seen = []

    def look(scope):
        seen.extend([scope["session"]["colour"], scope["session"].get("colour"), "colour" in scope["session"]])

    assert await ask(SessionMiddlewareStack(answering(look)), b"sessionid=%s" % KEY.encode()) == []
    assert seen == ["red", "red", True]
    assert store.reads == 1


def paint(scope):
    scope["session"]["colour"] = "red"


async def test_a_changed_session_is_saved_and_its_cookie_set(store, settings):
    settings.SESSION_COOKIE_AGE = 100
    (set_cookie,) = await ask(SessionMiddlewareStack(answering(paint)))
    ((key, row),) = store.rows.items()
    assert row == {"colour": "red"}
    assert set_cookie.startswith(f"sessionid={key}; expires=")
    for attribute in ("HttpOnly", "Max-Age=100", "Path=/", "SameSite=Lax"):
        assert attribute in set_cookie


async def test_a_session_until_the_browser_closes_has_a_cookie_without_an_age(store, settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    (set_cookie,) = await ask(SessionMiddlewareStack(answering(paint)))
    assert "Max-Age" not in set_cookie
    assert "expires" not in set_cookie


async def test_a_session_is_not_saved_with_an_internal_server_error(store):
    assert await ask(SessionMiddlewareStack(answering(paint, status=500))) == []
    assert store.rows == {}


async def test_every_answer_can_save(store, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    store.rows[KEY] = {"colour": "red"}
    (set_cookie,) = await ask(SessionMiddlewareStack(answering()), b"sessionid=%s" % KEY.encode())
    assert KEY in set_cookie
    assert store.rows == {KEY: {"colour": "red"}}


async def test_an_emptied_session_is_forgotten_by_the_browser_and_leaves_no_row(store):
    store.rows[KEY] = {"colour": "red"}
    app = SessionMiddlewareStack(answering(lambda scope: scope["session"].flush()))
    (set_cookie,) = await ask(app, b"sessionid=%s" % KEY.encode())
    assert set_cookie.startswith('sessionid=""; expires=Thu, 01-Jan-1970')
    assert store.rows == {}


async def test_a_session_that_was_deleted_meanwhile_is_suspicious(store):
    def lose(scope):
        scope["session"]["colour"] = "red"
        store.rows.clear()

    store.rows[KEY] = {"colour": "blue"}
    with pytest.raises(SuspiciousOperation, match="logged out"):
        await ask(SessionMiddlewareStack(answering(lose)), b"sessionid=%s" % KEY.encode())


async def test_nothing_is_saved_over_a_websocket_unless_a_subclass_says_when(store):
    async def app(scope, receive, send):
        await receive()
        paint(scope)
        await send({"type": "websocket.accept"})
        await receive()

    communicator = WebsocketCommunicator(SessionMiddlewareStack(app), "/")
    await communicator.connect()
    assert store.rows == {}
    assert communicator.response_headers == []
    await communicator.disconnect()

    class AtTheAccept(InstanceSessionWrapper):
        save_message_types = ("websocket.accept",)
        cookie_response_message_types = ("websocket.accept",)

    async def stack(scope, receive, send):
        wrapper = AtTheAccept({**scope, "cookies": {}}, send)
        await wrapper.resolve_session()
        await app(wrapper.scope, receive, wrapper.send)

    communicator = WebsocketCommunicator(stack, "/")
    await communicator.connect()
    assert list(store.rows.values()) == [{"colour": "red"}]
    assert communicator.response_headers[0][0] == b"Set-Cookie"
    await communicator.disconnect()


async def test_a_session_from_further_out_is_kept_and_saved_once(store):
    seen = []
    inner = SessionMiddleware(answering(lambda scope: (seen.append(scope["session"]), paint(scope))))

    async def between(scope, receive, send):
        seen.append(scope["session"])
        await inner(scope, receive, send)

    assert len(await ask(SessionMiddlewareStack(between))) == 1
    assert seen[0] is seen[1]


async def test_without_cookies_there_is_no_session():
    with pytest.raises(ValueError, match="CookieMiddleware"):
        await FeedCommunicator(SessionMiddleware(answering()), "aprs").wait()


async def test_a_session_that_is_not_resolved_yet_says_so(store):
    wrapper = InstanceSessionWrapper({"type": "http", "cookies": {}}, None)
    with pytest.raises(ValueError, match="before"):
        wrapper.scope["session"]["colour"]
