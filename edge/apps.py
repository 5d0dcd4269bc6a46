"""Edge as a Django app: put ``"edge"`` into ``INSTALLED_APPS``, and the core learns what it needs of the settings.

The core knows no Django; here is the place where it is told. Nothing else happens at startup: no query, no thread.
"""

import threading
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.db.backends.signals import connection_created

from edge import routing
from edge.consumers.plain import around_sync_handlers
from edge.layers import IN_MEMORY, channel_layers


class EdgeConfig(AppConfig):
    """Hands ``CHANNEL_LAYERS`` to `edge.layers`, and keeps stale connections out of the threads of sync consumers."""

    name = "edge"
    verbose_name = "Edge"

    def ready(self) -> None:
        """Tell the core; calling it twice changes nothing."""
        if (layers := getattr(settings, "CHANNEL_LAYERS", None)) is not None:
            channel_layers.configure(layers)
        routing.application_path = lambda: getattr(settings, "ASGI_APPLICATION", None)
        setting_changed.connect(follow_channel_layers, dispatch_uid="edge.apps.follow_channel_layers")
        connection_created.connect(remember_connection, dispatch_uid="edge.apps.remember_connection")
        if close_used_connections not in around_sync_handlers:
            around_sync_handlers.append(close_used_connections)


_threads = threading.local()  # has `connected` in a thread that has opened a connection


def remember_connection(**_signal: Any) -> None:
    """Note that this thread has opened a connection to a database."""
    _threads.connected = True


def close_used_connections() -> None:
    """Close the old connections of this thread, if it ever opened one; asking costs a quarter of a small handler."""
    if getattr(_threads, "connected", False):
        close_old_connections()


def follow_channel_layers(*, setting: str, value: Any, **_signal: Any) -> None:
    """Take what a test sets with ``override_settings(CHANNEL_LAYERS=…)``; the default again where nothing is set."""
    if setting == "CHANNEL_LAYERS":
        channel_layers.configure(IN_MEMORY if value is None else value)
