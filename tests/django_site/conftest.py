"""The site's tests: Django, set up on the folder that all tests share, and a signed-in person."""

import sys
import types
from dataclasses import dataclass

import django
import pytest

from edge.consumers import AsyncAprsConsumer
from edge.options import option

django.setup()

from django.contrib.auth.models import User  # noqa: E402  (models can be imported once Django is set up)
from django.test import Client  # noqa: E402


@pytest.fixture
def operator(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_superuser("operator", password="correct horse battery")


@pytest.fixture
def browser(operator: User) -> Client:
    """A signed-in browser that answers as the real site does: with errors, not with exceptions."""
    client = Client(raise_request_exception=True)
    client.force_login(operator)
    return client


@dataclass(frozen=True, slots=True, kw_only=True)
class ShoutOptions:
    times: int = option(2, label="Times", help="How often.", minimum=1, maximum=9)
    loud: bool = option(True, label="Loud")
    key: str = option("", label="Key", secret=True, maximum=20)


class Shout(AsyncAprsConsumer):
    Options = ShoutOptions


@pytest.fixture
def shout(monkeypatch: pytest.MonkeyPatch) -> str:
    """The import path of a consumer with options of its own, as a person's own module would have one."""
    module = types.ModuleType("own_consumers")
    module.Shout = Shout
    monkeypatch.setitem(sys.modules, "own_consumers", module)
    return "own_consumers.Shout"
