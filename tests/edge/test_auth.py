import asyncio

import django
import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections

import edge.db
from edge.auth import AuthMiddleware, AuthMiddlewareStack, UserLazyObject, get_user, login, logout
from edge.consumers import WebsocketConsumer
from edge.consumers.websocket import AsyncWebsocketConsumer
from edge.db import database_sync_to_async
from edge.testing import FeedCommunicator, HttpCommunicator, WebsocketCommunicator

django.setup()

in_threads = pytest.mark.django_db(transaction=True)
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def hops(monkeypatch):
    """How often a thread was gone to: each time old connections are closed there before and after."""
    closings = []
    monkeypatch.setattr(edge.db, "close_old_connections", lambda: closings.append(1))
    return lambda: len(closings) // 2


@pytest.fixture
async def ann(transactional_db, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real ones are slow on purpose
    yield await make_user("ann")
    await database_sync_to_async(connections.close_all)()


@database_sync_to_async
def make_user(name):
    from django.contrib.auth.models import User

    return User.objects.create_user(name, password=f"the password of {name}")


@database_sync_to_async
def signed_in(user, **changes):
    """The key of a session, as Django's login view leaves it."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = MODEL_BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.update(changes)
    session.save()
    return session.session_key


def session_of(key=None):
    return {"type": "websocket", "session": SessionStore(key)}


@database_sync_to_async
def rows():
    from django.contrib.sessions.models import Session

    return {row.session_key: row.get_decoded() for row in Session.objects.all()}


class WhoAmI(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        user = self.scope["user"]
        await self.send(text=f"{user.username or 'nobody'} {user.is_authenticated}")


class WhoAmISync(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.send(text=f"{self.scope['user'].username} {self.scope['session'][BACKEND_SESSION_KEY]}")


async def said_to(app, key=None):
    headers = [(b"cookie", b"sessionid=%s" % key.encode())] if key else []
    communicator = WebsocketCommunicator(app, "/", headers=headers)
    assert await communicator.connect() == (True, None)
    said = await communicator.receive_from()
    await communicator.disconnect()
    return said


async def test_a_stranger_is_anonymous_without_a_thread_and_without_a_database(hops):
    assert await said_to(AuthMiddlewareStack(WhoAmI.as_asgi())) == "nobody False"
    assert hops() == 0


async def test_session_and_user_are_read_in_one_hop(ann, hops):
    key = await signed_in(ann)
    before = hops()
    assert await said_to(AuthMiddlewareStack(WhoAmI.as_asgi()), key) == "ann True"
    assert hops() - before == 1


async def test_a_sync_consumer_has_user_and_session_too(ann):
    key = await signed_in(ann)
    assert await said_to(AuthMiddlewareStack(WhoAmISync.as_asgi()), key) == f"ann {MODEL_BACKEND}"


async def test_user_and_session_are_used_in_async_code_without_a_query(ann):
    key = await signed_in(ann, colour="red")

    class Reader(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.send(text=f"{self.scope['user'].pk} {self.scope['session']['colour']}")  # Django would refuse

    assert await said_to(AuthMiddlewareStack(Reader.as_asgi()), key) == f"{ann.pk} red"


@in_threads
async def test_a_cookie_of_no_session_is_a_stranger():
    assert await said_to(AuthMiddlewareStack(WhoAmI.as_asgi()), "x" * 32) == "nobody False"


async def test_a_session_from_before_a_change_of_password_is_flushed(ann):
    key = await signed_in(ann)
    ann.set_password("another")
    await ann.asave()
    assert await said_to(AuthMiddlewareStack(WhoAmI.as_asgi()), key) == "nobody False"
    assert key not in await rows()


@pytest.mark.parametrize("hash_", ["", "forged"])
async def test_a_session_without_its_proof_is_nobodys(ann, hash_):
    key = await signed_in(ann, **{HASH_SESSION_KEY: hash_})
    assert not (await get_user(session_of(key))).is_authenticated


async def test_a_session_by_a_former_secret_key_counts_and_keeps_its_own_key(ann, settings):
    key = await signed_in(ann)
    settings.SECRET_KEY_FALLBACKS = [django_settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"
    # The session itself is signed, so it is given here as the database would have it after Django has read it.
    session = SessionStore(key)
    session._session_cache = {
        SESSION_KEY: str(ann.pk),
        BACKEND_SESSION_KEY: MODEL_BACKEND,
        HASH_SESSION_KEY: next(iter(ann.get_session_auth_fallback_hash())),
    }
    assert await get_user({"session": session}) == ann
    assert session.session_key == key


async def test_a_backend_that_was_removed_knows_nobody(ann, settings):
    key = await signed_in(ann)
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    assert not (await get_user(session_of(key))).is_authenticated


async def test_a_user_who_was_deleted_is_nobody(ann):
    key = await signed_in(ann)
    await ann.adelete()
    assert not (await get_user(session_of(key))).is_authenticated


async def test_an_inactive_user_is_nobody(ann):
    key = await signed_in(ann)
    ann.is_active = False
    await ann.asave()
    assert not (await get_user(session_of(key))).is_authenticated


async def test_a_session_without_a_key_but_with_a_user_counts(ann):
    """As tests make them."""
    session = SessionBase()
    session.update({SESSION_KEY: str(ann.pk), BACKEND_SESSION_KEY: MODEL_BACKEND})
    session[HASH_SESSION_KEY] = ann.get_session_auth_hash()
    assert await get_user({"session": session}) == ann


@pytest.mark.parametrize("function", [get_user, logout, lambda scope: login(scope, None)])
async def test_without_a_session_there_is_an_error_that_says_what_is_missing(function):
    with pytest.raises(ValueError, match="SessionMiddleware"):
        await function({})


async def test_auth_without_a_session_says_what_is_missing():
    async def never(scope, receive, send):
        raise AssertionError

    with pytest.raises(ValueError, match="SessionMiddleware"):
        await FeedCommunicator(AuthMiddleware(never), "aprs").wait()


async def test_a_user_who_is_in_the_scope_already_is_kept_and_nothing_is_read(hops):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["user"])

    somebody = object()
    scope = {"type": "websocket", "session": SessionStore("x" * 32), "user": somebody}
    await AuthMiddleware(app)(scope, None, None)
    assert seen == [somebody]
    assert hops() == 0


async def test_a_middleware_inside_another_asks_nothing_again(ann, hops):
    key = await signed_in(ann)
    before = hops()
    assert await said_to(AuthMiddlewareStack(AuthMiddleware(WhoAmI.as_asgi())), key) == "ann True"
    assert hops() - before == 1


async def test_a_subclass_knows_people_in_its_own_way(ann):
    class ByToken(AuthMiddleware):
        async def resolve_scope(self, scope):
            scope["user"]._wrapped = ann

    assert await said_to(AuthMiddlewareStack(WhoAmI.as_asgi())) == "nobody False"
    scope_of_its_own = {"type": "websocket", "session": SessionStore()}
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["user"].username)

    await ByToken(app)(scope_of_its_own, None, None)
    assert seen == ["ann"]
    assert "user" not in scope_of_its_own


def test_a_user_who_is_not_resolved_yet_says_so():
    with pytest.raises(ValueError, match="before it is ready"):
        UserLazyObject().username  # noqa: B018


@pytest.fixture
def signals():
    seen = []

    def note(signal, sender, request, user, **_):
        seen.append(("in" if signal is user_logged_in else "out", request, user.username))

    user_logged_in.connect(note)
    user_logged_out.connect(note)
    yield seen
    user_logged_in.disconnect(note)
    user_logged_out.disconnect(note)


async def test_a_login_over_http_is_known_to_the_websocket_after_it(ann, signals):
    async def log_in(scope, receive, send):
        await receive()
        await login(scope, ann)
        assert scope["user"] is ann
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    response = await HttpCommunicator(AuthMiddlewareStack(log_in), "POST", "/").get_response()
    ((_, cookie),) = response["headers"]
    key = cookie.decode().partition("=")[2].partition(";")[0]
    assert await said_to(AuthMiddlewareStack(WhoAmI.as_asgi()), key) == "ann True"
    assert signals == [("in", None, "ann")]


async def test_a_login_keeps_what_the_stranger_did_under_another_key(ann):
    scope = session_of(await save({"basket": [1]}))
    before = scope["session"].session_key
    await login(scope, ann)
    assert scope["session"]["basket"] == [1]
    assert scope["session"].session_key != before
    assert before not in await rows()


@database_sync_to_async
def save(data):
    session = SessionStore()
    session.update(data)
    session.save()
    return session.session_key


async def test_a_login_of_another_user_passes_nothing_on(ann):
    scope = session_of(await signed_in(ann, basket=[1]))
    await login(scope, await make_user("ben"))
    assert "basket" not in scope["session"]
    assert scope["session"][SESSION_KEY] == str(scope["user"].pk)


async def test_a_second_login_of_the_same_user_keeps_the_session(ann):
    key = await signed_in(ann, basket=[1])
    scope = session_of(key)
    await login(scope, ann)
    assert scope["session"].session_key == key
    assert scope["session"]["basket"] == [1]


async def test_the_user_of_the_scope_can_be_logged_in(ann):
    scope = {**session_of(), "user": ann}
    await login(scope, None)
    assert scope["session"][SESSION_KEY] == str(ann.pk)


async def test_a_login_needs_a_user():
    with pytest.raises(ValueError, match="needs a user"):
        await login(session_of(), None)


async def test_among_several_backends_one_must_be_named(ann, settings):
    settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND, "django.contrib.auth.backends.RemoteUserBackend"]
    with pytest.raises(ValueError, match="RemoteUserBackend"):
        await login(session_of(), ann)
    scope = session_of()
    await login(scope, ann, backend=MODEL_BACKEND)
    assert scope["session"][BACKEND_SESSION_KEY] == MODEL_BACKEND
    ann.backend = "django.contrib.auth.backends.RemoteUserBackend"
    await login(scope, ann)
    assert scope["session"][BACKEND_SESSION_KEY] == ann.backend


async def test_a_logout_empties_the_session_and_tells(ann, signals):
    key = await signed_in(ann, basket=[1])
    scope = {**session_of(key), "user": ann}
    await logout(scope)
    assert not scope["user"].is_authenticated
    assert "basket" not in scope["session"]
    assert await rows() == {}
    assert signals == [("out", None, "ann")]


async def test_the_logout_of_a_stranger_tells_nobody(ann, signals):
    scope = session_of()
    await logout(scope)
    assert "user" not in scope
    assert signals == []


async def test_many_connections_at_once_are_each_their_own(ann):
    ben = await make_user("ben")
    keys = [await signed_in(ann), await signed_in(ben)] * 10
    async with asyncio.timeout(30):
        said = await asyncio.gather(*(said_to(AuthMiddlewareStack(WhoAmI.as_asgi()), key) for key in keys))
    assert said == ["ann True", "ben True"] * 10
