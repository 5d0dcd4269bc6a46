"""A second copy of what waits, on other pages of the file: an index that holds whole rows.

It is written by the same commit. Where a page of the one is damaged, `django_site.rescue` finds its rows in the other.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MAKE = """CREATE INDEX outbox_waiting ON outbox_entry (id, device, key, event, put_at, expires_at, state)
    WHERE state = 'waiting'"""


def make(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "sqlite":  # others have their own ways, and bounds for the rows of an index
        editor.execute(MAKE)


def drop(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute("DROP INDEX outbox_waiting")


class Migration(migrations.Migration):
    dependencies = [("outbox", "0001_initial")]

    operations = [migrations.RunPython(make, drop)]
