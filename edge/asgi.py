"""The names of ASGI on one page: what every app, router, consumer and transport here is made of.

An app is called once per connection as ``await app(scope, receive, send)``. The dictionaries that travel are described
in `edge.spec`, one module per scope type, and in the ASGI standard for ``http``, ``websocket`` and ``lifespan``
(https://asgi.readthedocs.io/en/latest/specs/main.html).
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

# Any is the standard's own choice: a scope and an event hold whatever their specification says, checked where they
# are read. The TypedDicts of edge.spec give each its exact type.
Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
