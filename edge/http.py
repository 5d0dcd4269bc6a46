"""Django's views as one more ASGI app, for a route's target.

    application = ProtocolTypeRouter({
        "http": URLRouter([path("events/", Events.as_asgi()), re_path("", AsgiHandler())]),
        "websocket": …,
    })

Views see the whole path of the request, whatever routers are in front, and resolve it by ``ROOT_URLCONF``. What else
was put into the scope is at ``request.scope``.
"""

import django
from django.core.handlers.asgi import ASGIHandler

__all__ = ["AsgiHandler"]


class AsgiHandler(ASGIHandler):
    """Django's request handling, middleware and views. An instance is the app; making one sets Django up.

    For ``http`` only: any other scope is a ValueError.
    """

    def __init__(self) -> None:
        django.setup(set_prefix=False)
        super().__init__()
