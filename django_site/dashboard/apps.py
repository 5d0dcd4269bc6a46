"""The app of the pages."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Live traffic, stations and chat."""

    name = "django_site.dashboard"
    verbose_name = "Dashboard"
