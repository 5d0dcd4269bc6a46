"""The WebSockets of the site's own pages, for `edge.routing.URLRouter`. Each consumer here refuses strangers itself."""

from django.urls import path

from django_site.dashboard.consumers import LiveConsumer

websocket_urlpatterns = [
    path("ws/live/", LiveConsumer.as_asgi()),  # type: ignore[arg-type]  # Django types path() for views; any app is routed
]
