"""The channel layer over MQTT: groups and channels across processes and boxes, by the broker that is there.

    CHANNEL_LAYERS = {"default": {"BACKEND": "edge.layers.mqtt.MqttChannelLayer", "CONFIG": {"url": "mqtt://localhost"}}}

Any broker or cluster that speaks MQTT 5, with shared subscriptions for channels that several processes read. A leaf:
the setting names it, nothing in the core imports it. `edge.layers.mqtt_session` says which topics there are.

**At most once.** A message that the broker has taken may still be lost: a process ends, or is too slow. What *cannot
go* the sender is told: `LayerAwayError` while the broker is away or refuses, ChannelFull for a channel that nobody
reads any more, MessageTooLarge. Nothing is kept for the time after an outage.

**After an outage** everything is subscribed again, and each of our consumers with a handler ``layer_restored`` is told
that there may be a gap. While it lasts, members in the sender's own process go on hearing one another.
"""

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from edge.errors import ConfigError
from edge.layers.base import BaseChannelLayer, Message, Receipt, require_message
from edge.layers.mqtt_line import LayerAwayError, find_broker
from edge.layers.mqtt_session import Session, Settings
from edge.layers.sync import loop_of, settle
from edge.mailbox import LAYER_CAPACITY, Mailbox

__all__ = ["LayerAwayError", "MqttChannelLayer"]

MAX_MESSAGE = 2_097_152  # bytes; a million of a message's own, and its JSON
MAX_PREFIX = 64  # characters
OPTIONS = (
    "username",
    "password",
    "password_file",
    "ca_file",
    "certificate_file",
    "key_file",
    "tls_minimum",
    "server_name",
    "insecure",
    "keepalive",
)  # of transports.options.MqttOptions

P = ParamSpec("P")
T = TypeVar("T")


def _at_home(
    method: "Callable[Concatenate[MqttChannelLayer, P], Coroutine[Any, Any, T]]",
) -> "Callable[Concatenate[MqttChannelLayer, P], Coroutine[Any, Any, T]]":
    """Run a method on the loop that the layer belongs to, and await it on this one."""

    async def called(self: "MqttChannelLayer", *arguments: P.args, **named: P.kwargs) -> T:
        settle(self)
        home = loop_of(self)
        if home is asyncio.get_running_loop():
            return await method(self, *arguments, **named)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(method(self, *arguments, **named), home))

    return cast("Callable[Concatenate[MqttChannelLayer, P], Coroutine[Any, Any, T]]", functools.wraps(method)(called))


class MqttChannelLayer(BaseChannelLayer):
    """Channels and groups by an MQTT broker. Connects on first use, and leaves the broker by `close`.

    ``url`` is ``mqtt://``, ``mqtts://``, ``ws://`` or ``wss://``; the options beside it (`OPTIONS`) are those of an
    MQTT device: user name, password or its file, TLS files. Layers with another ``prefix``, one or more levels of a
    topic, do not meet. ``expiry``, ``capacity`` and ``channel_capacity`` are those of every layer; the capacity is
    that of a channel in the process that reads it. ``max_message`` is in bytes. ``group_expiry`` is taken for the sake
    of shared settings and does nothing: a membership ends with its channel or its process.

    It belongs to the loop of its first use, as every layer (`edge.layers.sync`); calls from other loops are carried
    there. Channels and groups that were made on a loop that has ended are gone with it.

    ``dropped`` counts what this process could not deliver: full members, ill-formed messages, too many at once.
    """

    extensions = ["groups", "flush"]  # noqa: RUF012  (Channels' layers are asked for a list)

    def __init__(  # noqa: PLR0913  (a layer's settings, given by name)
        self,
        url: str = "mqtt://localhost:1883",
        *,
        prefix: str = "edge",
        expiry: float = 60,
        group_expiry: float = 86400,  # noqa: ARG002  (as said above)
        capacity: int = LAYER_CAPACITY,
        channel_capacity: Mapping[Any, int] | None = None,  # keys: as of BaseChannelLayer
        max_message: int = MAX_MESSAGE,
        **options: Any,  # of each option its own type; looked at below
    ) -> None:
        super().__init__(expiry, capacity, channel_capacity)
        if unknown := options.keys() - set(OPTIONS):
            raise ConfigError(
                f"the channel layer over MQTT: unknown {', '.join(sorted(unknown))}; known are {', '.join(OPTIONS)}"
            )
        broker, parsed = find_broker(url, {**options, "max_payload": max_message})
        self.url = broker.link
        self.prefix = _checked(prefix)
        self._settings = Settings(
            broker=broker,
            options=parsed,
            prefix=self.prefix,
            expiry=expiry,
            capacity=capacity,
            channel_capacity=dict(channel_capacity or {}),
        )
        self._session: Session | None = None
        self._owner = os.getpid()

    def __repr__(self) -> str:
        return f"<MqttChannelLayer at {self.url}, prefix {self.prefix!r}>"

    @property
    def dropped(self) -> int:
        """How many messages this process could not deliver, since it began."""
        session = self._session
        return 0 if session is None else session.drops.total + session.local.dropped

    @property
    def own_topics(self) -> str:
        """What the topics of this layer begin with. A broker's traffic for people leaves them out.

        Else a tap of the broker that carries the layer would tap itself, without end.
        """
        return f"{self.prefix}/"

    @property
    def problem(self) -> str:
        """Why nothing reaches other processes, in plain words; empty where all is well, or the layer is not in use."""
        session = self._session
        return "" if session is None or not session.why else f"the MQTT broker of the channel layer: {session.why}"

    @_at_home
    async def connect(self) -> None:
        """Begin to connect now, and not at first use, so that `problem` knows. Waits for nothing."""
        self._here()

    def attach(self, channel: str, mailbox: Mailbox) -> None:
        """Deliver what is sent to a channel into this mailbox from now on; RuntimeError on another loop than home."""
        settle(self)
        if loop_of(self) is not asyncio.get_running_loop():
            raise RuntimeError("this channel layer runs on the loop of another thread; one process has one such loop")
        self._here().attach(channel, mailbox)

    def detach(self, channel: str) -> None:
        """Forget a channel, and take it out of every group."""
        if (session := self._session) is not None and session.loop is asyncio.get_running_loop():
            session.detach(channel)

    @_at_home
    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a new name that only this process receives from."""
        return self._here().new_channel(prefix)

    @_at_home
    async def send(self, channel: str, message: Message) -> None:
        """Send to one channel. Returns once its reader here, or the broker, has it.

        One that processes share and nobody reads is held by this process, up to its capacity, until somebody does.
        Raises ChannelFull where it is full or its process has ended, LayerAwayError, MessageTooLarge.
        """
        require_message(message)
        await self._here().send(channel, message)

    @_at_home
    async def receive(self, channel: str) -> Message:
        """Wait for the next message of a channel that has no mailbox attached."""
        return await self._here().receive(channel)

    @_at_home
    async def group_add(self, group: str, channel: str) -> None:
        """Join; from its return on all processes' messages are heard, or from the end of an outage on.

        A channel that is read elsewhere may join here, and is a member for as long as this process lives. Raises
        LayerAwayError where the broker does not let us subscribe.
        """
        await self._here().group_add(group, channel)

    @_at_home
    async def group_discard(self, group: str, channel: str) -> None:
        """Leave; leaving twice is fine."""
        await self._here().group_discard(group, channel)

    @_at_home
    async def group_send(self, group: str, message: Message) -> Receipt:
        """Send to every member. Returns once the broker has it for other processes; the receipt is of this one's own.

        Raises LayerAwayError where it did not go out: members in this process have it all the same.
        """
        require_message(message)
        return await self._here().group_send(group, message)

    @_at_home
    async def flush(self) -> None:
        """Forget this process's groups, and every message that waits in it."""
        await self._here().flush()

    async def close(self) -> None:
        """Leave the broker; what is held for others is handed to those who read it. The next use connects again."""
        session, self._session = self._session, None
        if session is None or session.loop.is_closed() or self._owner != os.getpid():
            return
        if session.loop is asyncio.get_running_loop():
            await session.close()
        elif session.loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), session.loop))

    def _here(self) -> Session:
        """Return the session of the loop that runs here: the one there is, or a new one."""
        loop, session = asyncio.get_running_loop(), self._session
        if session is not None and session.loop is loop and self._owner == os.getpid():
            return session
        if session is not None and session.loop.is_running() and self._owner == os.getpid():
            session.loop.call_soon_threadsafe(session.cut)
        self._session, self._owner = Session(self._settings), os.getpid()
        self._session.start()
        return self._session


def _checked(prefix: str) -> str:
    expected = f"a prefix is 1 to {MAX_PREFIX} characters of a topic, such as edge or site/one"
    if not isinstance(prefix, str) or not 1 <= len(prefix) <= MAX_PREFIX or not prefix.isprintable():
        raise ConfigError(f"{expected}; got {prefix!r:.80}")
    if set(prefix) & set("+#$") or not all(prefix.split("/")):
        raise ConfigError(f"{expected}: no wildcards, no $, no empty level; got {prefix!r}")
    return prefix
