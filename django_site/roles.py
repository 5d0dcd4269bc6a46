"""``edge serve --role``: the whole box in one process, or its pages and its devices in one each.

Both share the data folder and the channel layer, and the pages ask the devices by the control socket. The layer must
be one that processes share: what a device hears reaches the live page by it, and what a page, a view or a consumer
sends to ``device.<name>`` or to a group reaches the other process. A second way just for the live page, by the control
socket, would show traffic while all else on the bus was lost without a word; so the split without such a layer is
refused.
"""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from django_site.box import Box
from django_site.pages_alone import Pages
from edge.errors import ConfigError
from edge.layers import ChannelLayer, InMemoryChannelLayer, get_channel_layer
from edge.systemd import Progress

NEEDS_LAYER = (
    "--role {role} needs a channel layer that processes share, and this one is in memory; set EDGE_LAYER to an MQTT"
    " broker, the same for both roles: EDGE_LAYER=mqtt://127.0.0.1:1883 in /etc/edge/edge.env (docs/services.md)"
)


class Role(StrEnum):
    """What this process does."""

    ALL = "all"
    WEB = "web"
    DEVICES = "devices"


class Part(Protocol):
    """What runs beside the web servers: `Box`, or `Pages` where the box is elsewhere."""

    progress: Progress

    async def start(self) -> None:
        """Start; raise ConfigError that says why it cannot."""

    async def stop(self) -> None:
        """Stop, also what did not start."""


class NoDoors:
    """The web servers of a process that has none."""

    url = ""

    async def start(self) -> None:
        """Open nothing."""

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109  (as of Doors)
        """Close nothing."""

    def ended(self) -> list[str]:
        """Name nothing."""
        return []


def part_of(role: Role, data: Path) -> Part:
    """Make what a role runs; raise ConfigError where its channel layer will not do."""
    if role is Role.ALL:
        return Box(data)
    layer = _shared_layer(role)
    return Pages(data, layer) if role is Role.WEB else Box(data)


def _shared_layer(role: Role) -> ChannelLayer:
    layer = get_channel_layer()
    # By its class: that of Channels in memory is as deaf to other processes as ours.
    if layer is None or isinstance(layer, InMemoryChannelLayer) or type(layer).__name__ == "InMemoryChannelLayer":
        raise ConfigError(NEEDS_LAYER.format(role=role))
    return layer
