"""One-time login links: made on the box, used once in a browser. No default password exists to be forgotten.

A link is 256 random bits in a path. The database keeps its hash: whoever reads the database, or a backup, cannot sign
in. Looking at a link does nothing, because mail programs and chats open links to make previews; pressing the button of
its page uses it up.
"""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from django_site.access.models import LoginLink
from edge.errors import ConfigError

TOKEN_BYTES = 32


def issue_login_link(username: str = "operator", minutes: int = 15) -> str:
    """Make a link that signs ``username`` in once, within ``minutes``, and return its path.

    A user who does not exist is made: a superuser without a password. The user's earlier links stop working. Raises
    ConfigError where the user was deactivated.
    """
    user = _find_or_make(username)
    if not user.is_active:
        raise ConfigError(f"user {username!r} is deactivated; activate it in the admin, or name another user")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    LoginLink.objects.filter(user=user).delete()
    LoginLink.objects.create(user=user, digest=digest_of(token), expires=timezone.now() + timedelta(minutes=minutes))
    return reverse("login-link", args=[token])


def look_at_link(token: str) -> User | None:
    """Return whom a link would sign in, or None where it no longer works. Uses nothing up."""
    link = _working(token).select_related("user").first()
    return link.user if link else None


def use_link(token: str) -> User | None:
    """Use a link up, and return whom it signs in; None where it no longer works, or another request was faster."""
    user = look_at_link(token)
    deleted, _ = _working(token).delete()
    return user if deleted else None


def who_waits() -> str:
    """Name whom to give a link so that somebody can get in; empty where somebody can already.

    Whoever has a password, or has signed in before, can. Whoever was only given a link may have missed it.
    """
    active = list(get_user_model().objects.filter(is_active=True).order_by("pk"))
    if any(user.last_login is not None or user.has_usable_password() for user in active):
        return ""
    return next((user.get_username() for user in active if user.is_superuser), "operator")


def digest_of(token: str) -> str:
    """Hash a token. A plain hash will do: 256 random bits cannot be guessed, unlike a password."""
    return hashlib.sha256(token.encode()).hexdigest()


def _working(token: str) -> QuerySet[LoginLink]:
    return LoginLink.objects.filter(digest=digest_of(token), expires__gt=timezone.now(), user__is_active=True)


def _find_or_make(username: str) -> User:
    users = get_user_model()
    try:
        return users.objects.get_by_natural_key(username)
    except users.DoesNotExist:
        return users.objects.create_superuser(username)  # without a password: none is usable
