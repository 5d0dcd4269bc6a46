"""The channel layer is the bus: consumers, views, commands and devices meet on it.

Every device listens on ``device.<name>``; live taps (``tap``) and status (``status``) are groups. The layer of the name
"default" is in memory unless `ChannelLayerManager.configure` says otherwise, with the value of Django Channels'
``CHANNEL_LAYERS`` setting (`edge.apps` passes it on).
"""

from collections.abc import Mapping
from typing import Any

from edge.exceptions import InvalidChannelLayerError
from edge.layers.base import AttachableLayer, ChannelLayer
from edge.layers.memory import InMemoryChannelLayer
from edge.registry import import_string

__all__ = [
    "DEFAULT",
    "AttachableLayer",
    "ChannelLayer",
    "ChannelLayerManager",
    "InMemoryChannelLayer",
    "channel_layers",
    "get_channel_layer",
]

DEFAULT = "default"
IN_MEMORY: Mapping[str, Mapping[str, Any]] = {DEFAULT: {"BACKEND": "edge.layers.InMemoryChannelLayer"}}


class ChannelLayerManager:
    """The layers by alias, each made when it is first asked for."""

    def __init__(self, configs: Mapping[str, Mapping[str, Any]] = IN_MEMORY) -> None:
        self.configs = configs
        self.backends: dict[str, ChannelLayer] = {}

    def configure(self, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Take another ``CHANNEL_LAYERS`` value; layers that were made from the old one are let go."""
        self.configs = configs
        self.backends = {}

    def __getitem__(self, alias: str) -> ChannelLayer:
        """Return a layer; raise InvalidChannelLayerError that lists the aliases."""
        if alias not in self.backends:
            self.backends[alias] = self._make(alias)
        return self.backends[alias]

    def __contains__(self, alias: str) -> bool:
        return alias in self.configs

    def set(self, alias: str, layer: ChannelLayer) -> ChannelLayer | None:
        """Put a layer in place and return the one that was there, for tests."""
        old = self.backends.get(alias)
        self.backends[alias] = layer
        return old

    def _make(self, alias: str) -> ChannelLayer:
        try:
            config = self.configs[alias]
            backend = config["BACKEND"]
        except KeyError:
            aliases = ", ".join(self.configs) or "none"
            raise InvalidChannelLayerError(
                f"no channel layer {alias!r} with a BACKEND; configured are {aliases}"
            ) from None
        layer: ChannelLayer = import_string(backend)(**config.get("CONFIG", {}))
        return layer


channel_layers = ChannelLayerManager()


def get_channel_layer(alias: str = DEFAULT) -> ChannelLayer | None:
    """Return a layer, or None where none of that alias is configured."""
    return channel_layers[alias] if alias in channel_layers else None  # noqa: SIM401  (it has no get)
