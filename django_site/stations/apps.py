"""The app of what was heard."""

from django.apps import AppConfig


class StationsConfig(AppConfig):
    """Packets and stations, in the database ``history``."""

    name = "django_site.stations"
    verbose_name = "History"
