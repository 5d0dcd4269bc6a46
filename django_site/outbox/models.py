"""The outbox's table. Written by `store` in batches; a person may delete rows, or have them sent again."""

from datetime import UTC, datetime

from django.db import models


class Entry(models.Model):
    """One event that must not be lost, and what became of it.

    Times are seconds since the epoch, so that one statement moves them where the clock was set (`edge.outbox`).
    """

    class State(models.TextChoices):
        """`edge.outbox_store.Outcome`."""

        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"
        EXPIRED = "expired"

    device = models.CharField(max_length=40)
    key = models.TextField("for", blank=True)  # a topic, a peer; empty: the device alone
    event = models.TextField()  # JSON, as edge.outbox_events writes it
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    reason = models.TextField(blank=True)  # why it failed or expired
    put_at = models.FloatField()
    expires_at = models.FloatField()
    done_at = models.FloatField(null=True, blank=True)

    class Meta:
        """In the order in which they were put."""

        ordering = ("-pk",)
        verbose_name = "entry"
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.device} {self.key}".strip()

    @property
    def put(self) -> datetime:
        """When it was put."""
        return moment(self.put_at)


def moment(seconds: float) -> datetime:
    """Return a time of the table as one that pages can show; one that no calendar has is the epoch's."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
