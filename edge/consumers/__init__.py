"""What people write: a class with handlers, one instance per connection, in the form that Django Channels made known.

    class Echo(WebsocketConsumer):
        def receive(self, text):
            self.send(text=text)

Handlers take what they name (`edge.handlers`). ``connect`` comes first and ``disconnect`` last, each exactly once,
whatever happens. ``X.as_asgi()`` is an ASGI app, and so is an instance.

* `base` what all consumers share: the loop, the ways out, the channel layer
* `websocket` browsers and conversations
* `feeds` serial lines, TNCs, APRS, brokers
* `http` requests, long polling; `sse` streams of events to browsers
"""

from edge.consumers.base import AsyncConsumer, Consumer, SyncConsumer
from edge.consumers.feeds import (
    AprsConsumer,
    AsyncAprsConsumer,
    AsyncAx25Consumer,
    AsyncMqttConsumer,
    AsyncSerialConsumer,
    Ax25Consumer,
    MqttConsumer,
    SerialConsumer,
)
from edge.consumers.http import AsyncHttpConsumer
from edge.consumers.sse import AsyncSseConsumer
from edge.consumers.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)

__all__ = [
    "AprsConsumer",
    "AsyncAprsConsumer",
    "AsyncAx25Consumer",
    "AsyncConsumer",
    "AsyncHttpConsumer",
    "AsyncJsonWebsocketConsumer",
    "AsyncMqttConsumer",
    "AsyncSerialConsumer",
    "AsyncSseConsumer",
    "AsyncWebsocketConsumer",
    "Ax25Consumer",
    "Consumer",
    "JsonWebsocketConsumer",
    "MqttConsumer",
    "SerialConsumer",
    "SyncConsumer",
    "WebsocketConsumer",
]
