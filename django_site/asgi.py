"""The whole box as one ASGI application: pages, WebSockets, and by its lifespan the devices.

``edge serve`` runs it with everything a box needs; ``uvicorn django_site.asgi:application`` runs the same application.
"""

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")

from django.core.asgi import get_asgi_application

# Django must be set up before anything that has a model is imported.
pages = get_asgi_application()

from django.urls import path  # noqa: E402  (as above)

from django_site.box import lifespan  # noqa: E402  (as above)
from django_site.dashboard.routing import websocket_urlpatterns  # noqa: E402  (as above)
from django_site.tls.cookies import guard_cookies  # noqa: E402  (as above)
from edge.asgi import App, Receive, Scope, Send  # noqa: E402  (as above)
from edge.auth import AuthMiddlewareStack  # noqa: E402  (as above)
from edge.contrib.chat import ChatConsumer  # noqa: E402  (as above)
from edge.routing import ProtocolTypeRouter, URLRouter, refuse  # noqa: E402  (as above)
from edge.security import AllowedHostsOriginValidator  # noqa: E402  (as above)


def signed_in(app: App) -> App:
    """Let only users who are signed in reach a WebSocket app; others are refused before it begins."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["user"].is_authenticated:
            await app(scope, receive, send)
        else:
            await refuse(scope, receive, send)

    return guarded


chat = path("ws/chat/", signed_in(ChatConsumer.as_asgi()))  # type: ignore[arg-type]  # Django types path() for views
websockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, chat])))

application = guard_cookies(
    ProtocolTypeRouter({"http": cast("App", pages), "websocket": websockets, "lifespan": lifespan})
)
