"""The outbox in the admin: what waits, what was sent, and what was not, with the reason."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import ngettext

from django_site import box
from django_site.outbox.models import Entry, moment

if TYPE_CHECKING:
    EntryModelAdmin = admin.ModelAdmin[Entry]
else:  # Django's admin takes no type argument when the site runs
    EntryModelAdmin = admin.ModelAdmin

SHOWN = 4000  # characters of an event on its page


@admin.register(Entry)
class EntryAdmin(EntryModelAdmin):
    """Look, have it sent again, delete."""

    list_display = ("pk", "state", "key", "device", "reason", "put_when", "until")
    list_filter = ("state", "device")
    search_fields = ("key", "event", "reason")
    actions: Sequence[Any] = ("send_again",)  # Any: Django takes names and functions
    fields = readonly_fields = ("device", "key", "state", "reason", "put_when", "until", "done_when", "content")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's signature)
        """Entries come from who sends."""
        return False

    @admin.display(description="Put (UTC)", ordering="put_at")
    def put_when(self, entry: Entry) -> str:
        """Show the second."""
        return _shown(entry.put_at)

    @admin.display(description="Expires (UTC)", ordering="expires_at")
    def until(self, entry: Entry) -> str:
        """Show the second."""
        return _shown(entry.expires_at)

    @admin.display(description="Done (UTC)", ordering="done_at")
    def done_when(self, entry: Entry) -> str:
        """Show the second."""
        return _shown(entry.done_at) if entry.done_at is not None else ""

    @admin.display(description="Event")
    def content(self, entry: Entry) -> str:
        """Show the event, the beginning of a long one."""
        return entry.event if len(entry.event) <= SHOWN else f"{entry.event[:SHOWN]}…"

    @admin.action(description="Send again, with a whole life", permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Let entries that failed, expired or were sent wait again."""
        now = time.time()
        done = queryset.exclude(state=Entry.State.WAITING)
        life = F("expires_at") - F("put_at")
        count = done.update(state=Entry.State.WAITING, reason="", done_at=None, expires_at=now + life, put_at=now)
        transaction.on_commit(box.rows_changed)
        words = ngettext("%d entry is sent again.", "%d entries are sent again.", count) % count
        messages.info(request, words)


def _shown(seconds: float) -> str:
    return f"{moment(seconds):%Y-%m-%d %H:%M:%S}"
