"""What a person deletes from the outbox is not sent."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from django_site import box
from django_site.outbox.models import Entry


@receiver(post_delete, sender=Entry, dispatch_uid="edge-outbox-deleted")
def tell_the_box(using: str, **_signal: Any) -> None:
    """Tell the box once the change can be read by others."""
    transaction.on_commit(box.rows_changed, using=using)
