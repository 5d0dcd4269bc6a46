"""The app of devices and routes."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Devices and routes."""

    name = "django_site.devices"
    verbose_name = "Devices"

    def ready(self) -> None:
        """Register the system checks, and tell the box of each change; both need the models to be loaded."""
        from django_site.devices import checks, signals  # noqa: F401, PLC0415
