"""Django's users in a scope. Names and behaviour follow Django Channels 4.3.

    AuthMiddlewareStack(app)        scope["cookies"], scope["session"], scope["user"]

``scope["user"]`` is ready when the app is called: reading it asks no database, in async code either. Session and user
are read in one thread hop; a stranger without a session cookie costs none and is anonymous at once.

**Who logs out elsewhere stays** ``scope["user"]`` until the connection ends.
"""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
    user_logged_in,
    user_logged_out,
)
from django.utils.crypto import constant_time_compare
from django.utils.functional import LazyObject, empty

from edge.asgi import App, Receive, Scope, Send
from edge.db import database_sync_to_async
from edge.sessions import CookieMiddleware, SessionMiddleware

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.base import SessionBase

__all__ = ["AuthMiddleware", "AuthMiddlewareStack", "UserLazyObject", "get_user", "login", "logout"]


async def get_user(scope: Scope) -> "AbstractBaseUser | AnonymousUser":
    """Return the user of the scope's session, or an ``AnonymousUser``. ValueError where there is no session.

    A session whose user has changed the password since is flushed, as Django does. The session is read once per
    connection: what another request has changed in it meanwhile is not seen.
    """
    session = _session(scope)
    if _is_strangers(session):
        return _anonymous()
    return await database_sync_to_async(_read_user)(session) or _anonymous()


async def login(scope: Scope, user: "AbstractBaseUser | None", backend: str | None = None) -> None:
    """Write a user into the scope and its session; ``None`` is the scope's own user.

    The session gets a new key, or is emptied if it was another user's. It is saved with the next HTTP response; over a
    WebSocket save it yourself, and know that the browser cannot be told the new key. ``user_logged_in`` is sent with
    ``request=None``. ValueError where there is no session, no user, or no way to tell the backend.
    """
    _session(scope)
    if user is None:
        user = scope.get("user")
    if user is None:
        raise ValueError("login() needs a user: give one, or put one into scope['user']")
    await database_sync_to_async(_write_user)(scope, user, backend or _backend_of(user))


async def logout(scope: Scope) -> None:
    """Empty the scope's session and make its user anonymous. ValueError where there is no session.

    ``user_logged_out`` is sent first, with ``request=None``, if somebody was logged in.
    """
    session = _session(scope)
    user = scope.get("user")

    def forget() -> None:
        if getattr(user, "is_authenticated", False):
            user_logged_out.send(sender=user.__class__, request=None, user=user)
        session.flush()

    await database_sync_to_async(forget)()
    if "user" in scope:
        scope["user"] = _anonymous()


class UserLazyObject(LazyObject):  # type: ignore[type-arg]  # generic in the stubs only
    """What ``scope["user"]`` is: it stands for the user once `AuthMiddleware.resolve_scope` has run."""

    def _setup(self) -> None:
        raise ValueError("Accessing scope user before it is ready.")


class AuthMiddleware:
    """Puts ``user`` into the scope; needs a session there. A user that is there already is kept, and nothing is read.

    Override `resolve_scope` for another way to know somebody, such as a token.
    """

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a copy of the scope, with the user ready."""
        scope = dict(scope)
        self.populate_scope(scope)
        await self.resolve_scope(scope)
        await self.inner(scope, receive, send)

    def populate_scope(self, scope: Scope) -> None:
        """Put a place for the user into the scope; ValueError where there is no session."""
        _session(scope)
        scope.setdefault("user", UserLazyObject())

    async def resolve_scope(self, scope: Scope) -> None:
        """Find the user, where that has not been done."""
        user = scope["user"]
        # By type(), not isinstance(): the latter would ask another library's lazy user who it is, with a query.
        if issubclass(type(user), UserLazyObject) and user._wrapped is empty:  # noqa: SLF001  (Django's own way to set it)
            user._wrapped = await get_user(scope)  # noqa: SLF001


def AuthMiddlewareStack(inner: App) -> App:  # noqa: N802  (Channels' name)
    """Wrap an app in `CookieMiddleware`, `SessionMiddleware` and `AuthMiddleware`."""
    return CookieMiddleware(SessionMiddleware(AuthMiddleware(inner)))


def _session(scope: Scope) -> "SessionBase":
    if "session" not in scope:
        raise ValueError("there is no session in the scope: SessionMiddleware must be outside of what needs a user")
    session: SessionBase = scope["session"]
    return session


def _is_strangers(session: "SessionBase") -> bool:
    """Tell, without asking the database, that nobody is in this session: without a key there is no row to read."""
    return getattr(session, "session_key", "") is None and SESSION_KEY not in session


def _anonymous() -> "AnonymousUser":
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415  (models wait until Django is set up)

    return AnonymousUser()


def _user_id(session: "SessionBase") -> Any:
    # Any: a primary key is of the type that its model chose. Sessions keep it as text.
    return get_user_model()._meta.pk.to_python(session[SESSION_KEY])  # noqa: SLF001  (_meta is Django's documented name)


def _read_user(session: "SessionBase") -> "AbstractBaseUser | None":
    """Return the session's user if the session still proves who it is; in a thread."""
    backend_path = session.get(BACKEND_SESSION_KEY, "")
    if SESSION_KEY not in session or backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: AbstractBaseUser | None = load_backend(backend_path).get_user(_user_id(session))
    if user is not None and not _proves(session, user):
        session.flush()
        return None
    return user


def _proves(session: "SessionBase", user: "AbstractBaseUser") -> bool:
    """Tell whether the session was made with the user's present password.

    A hash by one of ``SECRET_KEY_FALLBACKS`` counts; Django's next HTTP request replaces it, which we could not: the
    new session key would have no way to the browser.
    """
    if not hasattr(user, "get_session_auth_hash"):
        return True
    have = session.get(HASH_SESSION_KEY) or ""
    if not have:
        return False
    fallbacks = user.get_session_auth_fallback_hash() if hasattr(user, "get_session_auth_fallback_hash") else ()
    return any(constant_time_compare(have, hash_) for hash_ in (user.get_session_auth_hash(), *fallbacks))


def _write_user(scope: Scope, user: "AbstractBaseUser", backend: str) -> None:
    session = _session(scope)
    hash_ = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    if SESSION_KEY not in session:
        session.cycle_key()  # what a stranger did stays, under a key that nobody else can know
    elif _user_id(session) != user.pk or (
        hash_ and not constant_time_compare(session.get(HASH_SESSION_KEY, ""), hash_)
    ):
        session.flush()  # nothing of another user's session passes to this one
    session[SESSION_KEY] = user._meta.pk.value_to_string(user)  # noqa: SLF001  (as above)
    session[BACKEND_SESSION_KEY] = backend
    session[HASH_SESSION_KEY] = hash_
    scope["user"] = user
    user_logged_in.send(sender=user.__class__, request=None, user=user)


def _backend_of(user: "AbstractBaseUser") -> str:
    if backend := getattr(user, "backend", None):
        return str(backend)
    if len(settings.AUTHENTICATION_BACKENDS) == 1:
        return str(settings.AUTHENTICATION_BACKENDS[0])
    raise ValueError(
        "there are several AUTHENTICATION_BACKENDS: give login() the backend, or a user that authenticate() returned; "
        f"they are {', '.join(settings.AUTHENTICATION_BACKENDS)}"
    )
