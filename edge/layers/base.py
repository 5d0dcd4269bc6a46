"""What every channel layer offers: Django Channels' specification (channels 4.3, "Channel Layer Specification").

Delivery is at most once. A message is a dictionary of plain values with a ``type``. `ChannelLayer` is what Edge asks of
a layer, `BaseChannelLayer` what somebody who writes one may start from. What a layer can beyond sending is named in
``extensions``: ``groups``, ``flush``, and ``presence``, which is Edge's own and said in `PresenceLayer`.
"""

import fnmatch
import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from edge.layers.sync import SyncLayer, sync_facade
from edge.mailbox import Mailbox

Message = dict[str, Any]

SHOWN = 120  # characters of a refused name in the error


class Receipt(NamedTuple):
    """What became of a `group_send`, as far as the layer knows when it returns.

    Channels returns None, which nobody looks at, so a receipt breaks nobody. It has no truth value of its own: ask
    ``receipt.dropped``. A layer that hands messages to a server knows neither number and returns None.
    """

    delivered: int = 0  # members that have it in their mailbox or queue
    dropped: int = 0  # members that were full


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

    async def group_send(self, group: str, message: Message) -> Receipt | None:
        """Send to every member. What a full member cannot take is dropped and counted, never raised."""


@runtime_checkable
class AttachableLayer(ChannelLayer, Protocol):
    """A layer that delivers straight into mailboxes: no task per channel, as `edge.layers.memory`."""

    def attach(self, channel: str, mailbox: Mailbox) -> None:
        """Deliver what is sent to a channel into this mailbox from now on."""

    def detach(self, channel: str) -> None:
        """Forget a channel, and take it out of every group and every watch."""


@runtime_checkable
class PresenceLayer(ChannelLayer, Protocol):
    """A layer with the ``presence`` extension: who is in a group, and who comes and goes.

    A watcher gets ``{"type": "group.joined", "group": …, "channel": …}`` for each channel that becomes a member, itself
    too, and ``group.left`` for each that leaves or ends. Watch first, then ask for the members: what changes in between
    is told twice rather than not at all. Events are at most once like every message, so whoever shows a list of members
    for hours asks for it again now and then.
    """

    async def group_members(self, group: str) -> list[str]:
        """Return the channels in a group, in the order of their joining where the layer knows it."""

    async def group_count(self, group: str) -> int:
        """Return how many channels are in a group."""

    async def watch_group(self, group: str, channel: str) -> None:
        """Tell a channel from now on who joins and leaves; watching twice is watching once."""

    async def unwatch_group(self, group: str, channel: str) -> None:
        """Tell it no more. The end of the channel does so as well."""


class InvalidMessageError(TypeError, AssertionError):
    """A message is no dictionary. Channels asserts it; this is caught by those who expect that, and outlives ``-O``."""


class BaseChannelLayer:
    """What layers have in common, for third parties to inherit from; Channels' names and texts.

    ``expiry`` is how many seconds a message may wait, ``capacity`` how many may wait in a channel, and
    ``channel_capacity`` maps patterns of channel names (globs such as ``http.*``, or compiled regular expressions) to
    other capacities; the first that matches counts.
    """

    MAX_NAME_LENGTH = 100  # characters; a valid name is shorter

    channel_name_regex = re.compile(r"[a-zA-Z0-9\-_.]+(![a-zA-Z0-9\-_.]*)?")
    group_name_regex = re.compile(r"[a-zA-Z0-9\-_.]+")
    invalid_name_error = (
        "{} name must be a valid unicode string with length < 100 containing only ASCII alphanumerics, hyphens, "
        "underscores, or periods."
    )
    extensions: list[str] = []  # noqa: RUF012  (Channels' layers are asked for a list)

    def __init__(
        self,
        expiry: float = 60,
        capacity: int = 100,
        channel_capacity: Mapping[Any, int] | None = None,  # keys: str | re.Pattern[str]; a Mapping is invariant there
    ) -> None:
        self.expiry = expiry
        self.capacity = capacity
        self.channel_capacity = self.compile_capacities(channel_capacity or {})

    @property
    def sync(self) -> SyncLayer:
        """The same layer for threads, views and commands: `edge.layers.sync_facade`."""
        return sync_facade(self)

    def compile_capacities(self, channel_capacity: Mapping[Any, int]) -> list[tuple[re.Pattern[str], int]]:
        """Return the patterns ready for `get_capacity`."""
        return [
            (pattern if isinstance(pattern, re.Pattern) else re.compile(fnmatch.translate(pattern)), capacity)
            for pattern, capacity in channel_capacity.items()
        ]

    def get_capacity(self, channel: str) -> int:
        """Return how many messages may wait in a channel."""
        for pattern, capacity in self.channel_capacity:
            if pattern.match(channel):
                return capacity
        return self.capacity

    def match_type_and_length(self, name: object) -> bool:
        """Tell whether it is a string, and short enough."""
        return isinstance(name, str) and len(name) < self.MAX_NAME_LENGTH

    def require_valid_channel_name(self, name: str, receive: bool = False) -> bool:  # noqa: FBT001, FBT002  (Channels')
        """Return True, or raise TypeError. With ``receive`` only the part of a name up to its ``!`` is valid."""
        if not self.match_type_and_length(name) or not self.channel_name_regex.fullmatch(name):
            raise TypeError(f"{self.invalid_name_error.format('Channel')} It is {_shown(name)}")
        if receive and "!" in name and not name.endswith("!"):
            raise TypeError("Specific channel names in receive() must end at the !")
        return True

    def require_valid_group_name(self, name: str) -> bool:
        """Return True, or raise TypeError."""
        if not self.match_type_and_length(name) or not self.group_name_regex.fullmatch(name):
            raise TypeError(f"{self.invalid_name_error.format('Group')} It is {_shown(name)}")
        return True

    def valid_channel_names(self, names: list[str], receive: bool = False) -> bool:  # noqa: FBT001, FBT002  (Channels')
        """Return True, or raise TypeError for the first that is not valid; AssertionError without any."""
        if not names or not isinstance(names, list):
            raise AssertionError("names must be a non-empty list")
        return all(self.require_valid_channel_name(name, receive=receive) for name in names)

    def non_local_name(self, name: str) -> str:
        """Return the part of a channel's name that processes share: up to and with its ``!``, or all of it."""
        head, mark, _ = name.partition("!")
        return head + mark

    def valid_channel_name(self, channel_name: str, receive: bool = False) -> bool:  # noqa: FBT001, FBT002  (Channels')
        """Deprecated, as in Channels: `require_valid_channel_name`."""
        warnings.warn(
            "valid_channel_name is deprecated, use require_valid_channel_name instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.require_valid_channel_name(channel_name, receive=receive)

    def valid_group_name(self, group_name: str) -> bool:
        """Deprecated, as in Channels: `require_valid_group_name`."""
        warnings.warn(
            "valid_group_name is deprecated, use require_valid_group_name instead.", DeprecationWarning, stacklevel=2
        )
        return self.require_valid_group_name(group_name)

    async def send(self, channel: str, message: Message) -> None:
        """Send to one channel."""
        raise NotImplementedError("send() should be implemented in a channel layer")

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel."""
        raise NotImplementedError("receive() should be implemented in a channel layer")

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a new name."""
        raise NotImplementedError("new_channel() should be implemented in a channel layer")

    async def flush(self) -> None:
        """Forget everything."""
        raise NotImplementedError("flush() not implemented (flush extension)")

    async def close(self) -> None:
        """Let go of what the layer holds open; nothing here."""

    async def group_add(self, group: str, channel: str) -> None:
        """Join."""
        raise NotImplementedError("group_add() not implemented (groups extension)")

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave."""
        raise NotImplementedError("group_discard() not implemented (groups extension)")

    async def group_send(self, group: str, message: Message) -> Receipt | None:
        """Send to every member."""
        raise NotImplementedError("group_send() not implemented (groups extension)")


def require_message(message: object) -> None:
    """Raise InvalidMessageError for what is no dictionary."""
    if not isinstance(message, dict):
        raise InvalidMessageError(f"message is not a dict: it is {type(message).__name__} {_shown(message)}")


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]
