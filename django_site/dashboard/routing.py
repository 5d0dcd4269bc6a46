"""The WebSockets of the site's own pages, for `edge.routing.URLRouter`."""

from django.urls import path

from django_site.dashboard.consumers import LiveConsumer
from edge.contrib.chat import ChatConsumer

# Django types path() for views; it routes any callable, and these are ASGI apps.
websocket_urlpatterns = [
    path("ws/live/", LiveConsumer.as_asgi()),  # type: ignore[arg-type]
    path("ws/chat/", ChatConsumer.as_asgi()),  # type: ignore[arg-type]
]
