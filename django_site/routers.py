"""Which database a model lives in: what was heard goes to ``history``, everything else to ``default``."""

from typing import Any

from django.db.models import Model

HISTORY_APPS = frozenset({"stations"})


def database_of(app_label: str) -> str:
    """Name the database of an app's models."""
    return "history" if app_label in HISTORY_APPS else "default"


def _home(model: type[Model] | Model) -> str:
    return database_of(model._meta.app_label)  # noqa: SLF001  (documented: "Model _meta API")


class HistoryRouter:
    """Django's interface to `database_of` (topic "Multiple databases", "Using routers"). Hints are not needed here."""

    def db_for_read(self, model: type[Model], **_hints: Any) -> str:
        """Read a model where it lives."""
        return _home(model)

    def db_for_write(self, model: type[Model], **_hints: Any) -> str:
        """Write a model where it lives."""
        return _home(model)

    def allow_relation(self, one: Model, other: Model, **_hints: Any) -> bool:
        """Allow relations within one file; SQLite keeps no foreign key across two."""
        return _home(one) == _home(other)

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool:
        """Make a table only in the file that its model lives in."""
        return database_of(app_label) == db
