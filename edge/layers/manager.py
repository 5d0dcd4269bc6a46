"""The layers by alias, out of the value of the ``CHANNEL_LAYERS`` setting; `edge.apps` passes that on.

    CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": […]}}}

``BACKEND`` is the import path of any class that follows Channels' layer specification, ``CONFIG`` its arguments, and
``TEST_CONFIG`` those of `ChannelLayerManager.make_test_backend`.
"""

from collections.abc import Mapping
from typing import Any

from edge.errors import ConfigError
from edge.exceptions import InvalidChannelLayerError
from edge.layers.base import ChannelLayer
from edge.layers.sync import settle
from edge.registry import import_string

DEFAULT = "default"
IN_MEMORY: Mapping[str, Mapping[str, Any]] = {DEFAULT: {"BACKEND": "edge.layers.InMemoryChannelLayer"}}


class UnknownChannelLayerError(InvalidChannelLayerError, KeyError):
    """No layer of this alias is configured; a KeyError, as of any mapping."""

    __str__ = Exception.__str__  # KeyError's shows the text as a literal


class ChannelLayerManager:
    """The layers by alias, each made when it is first asked for.

    ``configs`` is the setting, ``backends`` the layers that were made. Whoever asks for a layer on a running loop
    settles it there, for `edge.layers.sync_facade`.
    """

    def __init__(self, configs: Mapping[str, Mapping[str, Any]] = IN_MEMORY) -> None:
        self.configs = configs
        self.backends: dict[str, ChannelLayer] = {}

    def configure(self, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Take another ``CHANNEL_LAYERS`` value; layers that were made from the old one are let go."""
        self.configs = configs
        self.backends = {}

    def __getitem__(self, alias: str) -> ChannelLayer:
        """Return a layer; raise InvalidChannelLayerError, which lists the aliases where this one is unknown."""
        layer = self.backends.get(alias)
        if layer is None:
            layer = self.backends[alias] = self.make_backend(alias)
        settle(layer)
        return layer

    def __contains__(self, alias: str) -> bool:
        return alias in self.configs

    def make_backend(self, name: str) -> ChannelLayer:
        """Make a new layer of an alias, which nobody else has."""
        return self._make(name, self._config(name).get("CONFIG", {}))

    def make_test_backend(self, name: str) -> ChannelLayer:
        """Make a new layer of an alias with its ``TEST_CONFIG``."""
        config = self.configs.get(name, {})
        if "TEST_CONFIG" not in config:
            raise InvalidChannelLayerError(f"No TEST_CONFIG specified for {name}")
        return self._make(name, config["TEST_CONFIG"])

    def set(self, key: str, layer: ChannelLayer) -> ChannelLayer | None:
        """Put a layer in place and return the one that was there, for tests."""
        old = self.backends.get(key)
        self.backends[key] = layer
        return old

    def _config(self, name: str) -> Mapping[str, Any]:
        if name not in self.configs:
            aliases = ", ".join(self.configs) or "none"
            raise UnknownChannelLayerError(f"no channel layer {name!r}; configured are {aliases}")
        return self.configs[name]

    def _make(self, name: str, arguments: Mapping[str, Any]) -> ChannelLayer:
        config = self._config(name)
        if "ROUTING" in config:
            raise InvalidChannelLayerError(f"ROUTING key found for {name} - this is no longer needed in Channels 2.")
        if "BACKEND" not in config:
            raise InvalidChannelLayerError(f"No BACKEND specified for {name}")
        try:
            backend = import_string(config["BACKEND"])
        except ConfigError as error:
            raise InvalidChannelLayerError(
                f"Cannot import BACKEND {config['BACKEND']!r} specified for {name}: {error}"
            ) from error
        layer: ChannelLayer = backend(**arguments)
        return layer


channel_layers = ChannelLayerManager()


def get_channel_layer(alias: str = DEFAULT) -> ChannelLayer | None:
    """Return a layer, or None where none of that alias is configured."""
    try:
        return channel_layers[alias]
    except UnknownChannelLayerError:
        return None
