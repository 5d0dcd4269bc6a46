"""The app of the outbox."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """What must not be lost, in the database ``default``."""

    name = "django_site.outbox"
    label = "outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        """Tell the box of what a person deletes; that needs the model to be loaded."""
        from django_site.outbox import signals  # noqa: F401, PLC0415
