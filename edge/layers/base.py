"""What every channel layer offers: Django Channels' specification (channels 4.3, "Channel Layer Specification").

Delivery is at most once. A message is a dictionary of plain values with a ``type``.
"""

import re
from typing import Any, Protocol, runtime_checkable

from edge.mailbox import Mailbox

Message = dict[str, Any]

MAX_NAME = 100  # characters; a valid name is shorter
_GROUP = re.compile(r"[A-Za-z0-9_.\-]+")
_CHANNEL = re.compile(r"[A-Za-z0-9_.\-]+(![A-Za-z0-9_.\-]*)?")


class ChannelLayer(Protocol):
    """A layer with the ``groups`` extension. A third party's Channels layer is one."""

    extensions: list[str]

    async def send(self, channel: str, message: Message) -> None:
        """Send to one channel; raises `edge.exceptions.ChannelFull` at its capacity."""

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel; one reader a channel."""

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a new name that only this process receives from."""

    async def group_add(self, group: str, channel: str) -> None:
        """Join."""

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave; leaving twice is fine."""

    async def group_send(self, group: str, message: Message) -> None:
        """Send to every member. What a full member cannot take is dropped and counted, never raised."""


@runtime_checkable
class AttachableLayer(ChannelLayer, Protocol):
    """A layer that delivers straight into mailboxes: no task per channel, as `edge.layers.memory`."""

    def attach(self, channel: str, mailbox: Mailbox) -> None:
        """Deliver what is sent to a channel into this mailbox from now on."""

    def detach(self, channel: str) -> None:
        """Forget a channel, and take it out of every group."""


def require_group_name(name: object) -> str:
    """Return a valid group name, or raise TypeError with what is valid."""
    if isinstance(name, str) and len(name) < MAX_NAME and _GROUP.fullmatch(name):
        return name
    raise TypeError(
        f"Group name must be a string of 1 to 99 ASCII letters, digits, hyphens, underscores or periods, not {name!r}"
    )


def require_channel_name(name: object) -> str:
    """Return a valid channel name, or raise TypeError with what is valid."""
    if isinstance(name, str) and len(name) < MAX_NAME and _CHANNEL.fullmatch(name):
        return name
    raise TypeError(
        "Channel name must be a string of 1 to 99 ASCII letters, digits, hyphens, underscores or periods, "
        f"with at most one !, not {name!r}"
    )
