"""The channel layer is the bus: consumers, views, commands and devices meet on it.

Every device listens on ``device.<name>``; live taps (``tap``) and status (``status``) are groups. The layer of the name
"default" is in memory unless `ChannelLayerManager.configure` says otherwise, with the value of Django Channels'
``CHANNEL_LAYERS`` setting (`edge.apps` passes it on).

`edge.layers.base` says what a layer is, `edge.layers.memory` is ours, `edge.layers.sync` is any layer for code that
cannot await, `edge.layers.manager` finds layers by alias.
"""

from edge.layers.base import (
    AttachableLayer,
    BaseChannelLayer,
    ChannelLayer,
    InvalidMessageError,
    PresenceLayer,
    Receipt,
)
from edge.layers.manager import (
    DEFAULT,
    IN_MEMORY,
    ChannelLayerManager,
    UnknownChannelLayerError,
    channel_layers,
    get_channel_layer,
)
from edge.layers.memory import InMemoryChannelLayer
from edge.layers.sync import SyncLayer, sync_facade

__all__ = [
    "DEFAULT",
    "IN_MEMORY",
    "AttachableLayer",
    "BaseChannelLayer",
    "ChannelLayer",
    "ChannelLayerManager",
    "InMemoryChannelLayer",
    "InvalidMessageError",
    "PresenceLayer",
    "Receipt",
    "SyncLayer",
    "UnknownChannelLayerError",
    "channel_layers",
    "get_channel_layer",
    "sync_facade",
]
