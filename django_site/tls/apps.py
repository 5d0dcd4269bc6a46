"""The app of HTTPS."""

from django.apps import AppConfig


class TlsConfig(AppConfig):
    """The box's certificate, its page, and the check of a person's own."""

    name = "django_site.tls"
    verbose_name = "HTTPS"

    def ready(self) -> None:
        """Register the check."""
        from django_site.tls import checks  # noqa: F401, PLC0415  (registers itself, once apps are ready)
