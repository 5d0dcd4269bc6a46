"""A changed row takes effect as soon as its transaction is committed."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from django_site import box
from django_site.devices.models import Device, Route


@receiver([post_save, post_delete], sender=Device, dispatch_uid="edge-device-changed")
@receiver([post_save, post_delete], sender=Route, dispatch_uid="edge-route-changed")
def tell_the_box(using: str, **_signal: Any) -> None:
    """Tell the box once the change can be read by others; one that is rolled back never happened."""
    transaction.on_commit(box.rows_changed, using=using)
