"""System checks: every wish that cannot come true, as a Django check message.

They read rows, so Django runs them only where a database is named: ``check --database default``, ``edge check``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DatabaseError

from django_site.devices.models import Device, Route
from edge import registry
from edge.desired import Problem, device_problems, route_problems

TAG = "edge"
NUMBERS = {
    "name": 1,
    "kind": 2,
    "link": 3,
    "options": 4,
    "device": 5,
    "match": 6,
    "consumer": 7,
}
ROUTE_OPTIONS = 8
DATA = 9
DATA_HINT = "docs/profiles.md says what such a file may hold."
HINT = "Change {what} in the admin under Devices, or turn it off there."


@checks.register(TAG, checks.Tags.database)
def check_wishes(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001  (Django's signature; all rows are checked together)
    databases: Sequence[str] | None = None,
    **_more: Any,
) -> list[checks.CheckMessage]:
    """List what cannot work: an error where it is enabled, else a warning."""
    if "default" not in (databases or ()):
        return []
    try:
        return [*_device_messages(), *_route_messages()]
    except DatabaseError:
        return []  # the tables are not there yet; ``migrate`` makes them, and runs the checks before it does


@checks.register(TAG)
def check_data(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001  (Django's signature)
    **_more: Any,
) -> list[checks.CheckMessage]:
    """List what is wrong with the data that kinds read, such as the profiles of TNCs."""
    return [checks.Error(problem, hint=DATA_HINT, id=f"edge.E{DATA:03}") for problem in registry.data_problems()]


def _device_messages() -> Iterator[checks.CheckMessage]:
    wishes = [row.wish() for row in Device.objects.all()]
    for wish in wishes:
        found = device_problems(wish, [other for other in wishes if other is not wish])
        yield from _messages(found, what=f"device {wish.name}", enabled=wish.enabled)


def _route_messages() -> Iterator[checks.CheckMessage]:
    devices = [row.wish() for row in Device.objects.all()]
    for row in Route.objects.select_related("device"):
        found = route_problems(row.wish(), devices)
        yield from _messages(found, what=f"this route of {row.device.name}", enabled=row.enabled, options=ROUTE_OPTIONS)


def _messages(
    found: Iterable[Problem], *, what: str, enabled: bool, options: int = NUMBERS["options"]
) -> Iterator[checks.CheckMessage]:
    make, letter = (checks.Error, "E") if enabled else (checks.Warning, "W")
    for problem in found:
        number = options if problem.field == "options" else NUMBERS[problem.field]
        yield make(f"{problem.where}: {problem.message}", hint=HINT.format(what=what), id=f"edge.{letter}{number:03}")
