"""What people write: a class with handlers, one instance per connection, in the form that Django Channels made known.

    class Echo(WebsocketConsumer):
        def receive(self, text):
            self.send(text=text)

Handlers take what they name (`edge.handlers`). ``connect`` comes first and ``disconnect`` last, each exactly once,
whatever happens. ``X.as_asgi()`` is an ASGI app, and so is an instance.

* `base` what all consumers share: the loop, the ways out, the channel layer; `plain` those of plain functions
* `websocket` browsers and conversations; `streams` several consumers over one socket
* `feeds` serial lines, TNCs, APRS, brokers
* `limits` how much a peer may send; `overlap` handlers that may run at once; `crossing` threads and the loop
* `http` requests, long polling; `sse` streams of events to browsers
"""

from edge.consumers.base import AsyncConsumer, Consumer, error_hooks
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
from edge.consumers.limits import Limits
from edge.consumers.overlap import concurrent
from edge.consumers.plain import SyncConsumer
from edge.consumers.sse import AsyncSseConsumer
from edge.consumers.streams import Demultiplexer
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
    "Demultiplexer",
    "JsonWebsocketConsumer",
    "Limits",
    "MqttConsumer",
    "SerialConsumer",
    "SyncConsumer",
    "WebsocketConsumer",
    "concurrent",
    "error_hooks",
]
