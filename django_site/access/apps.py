"""The app of signing in."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """One-time login links."""

    name = "django_site.access"
    verbose_name = "Access"
