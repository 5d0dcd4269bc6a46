"""A channel layer's connection to its MQTT broker: kept up, and subscribed to what is wanted.

This is where `edge.layers.mqtt` touches the MQTT client of the box (`transports.mqtt_wire`), and it alone does. A leaf:
nothing in the core imports it. It knows topics and payloads, and no channel.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.backoff import Backoff
from edge.errors import EdgeError, LinkLost
from edge.exceptions import ChannelFull, MessageTooLarge
from edge.options import parse_options
from transports.codecs.mqtt import FAILURE, Publish, reason_text
from transports.mqtt_dial import CONNECT_TIMEOUT, Broker, dial
from transports.mqtt_wire import Connection, Delivery
from transports.options import MqttOptions

__all__ = ["NO_LOCAL", "Broker", "LayerAwayError", "Line", "MqttOptions", "find_broker"]

logger = logging.getLogger("edge.layers")

NO_LOCAL = 0x04  # what we publish does not come back to us (MQTT 5.0, section 3.8.3.1)
NOTHING_RETAINED = 2 << 4  # as above: a layer's messages are of this moment
NO_SUBSCRIBERS = 0x10  # reason code of PUBACK: the broker knows nobody who listens
CLOSE_TIMEOUT = 1.0  # seconds for an attempt to connect that is under way
AT_ONCE = 100  # SUBSCRIBE packets under way after the broker came back
IDENTIFIER = 1  # of all our subscriptions: they do not overlap, nobody asks which it was


class LayerAwayError(ChannelFull):
    """The broker is away, or refused; the message did not go to other processes. Says why in plain words.

    A ChannelFull, which Channels' specification has for what could not be sent; so code that is ready for a full
    channel is ready for this.
    """


@dataclass(slots=True)
class _Wish:
    options: int
    asked: asyncio.Task[str] | None = None  # gives what is wrong in plain words, or nothing


class Line:
    """The connection. Made, started, used and closed on one loop.

    ``hear(topic, payload)`` is called with each message, ``noise(what)`` for one that was too large or ill-formed,
    ``restored()`` once the broker is back, or there at last, and knows all that is wanted.
    """

    def __init__(  # noqa: PLR0913  (whom it tells what)
        self,
        broker: Broker,
        options: MqttOptions,
        client_id: str,
        *,
        hear: Callable[[str, bytes], None],
        noise: Callable[[str], None],
        restored: Callable[[], None],
    ) -> None:
        self.why = "it was not reached yet"  # in plain words; empty while the broker is there
        self._broker = broker
        self._options = options
        self._client_id = client_id
        self._on_message = hear
        self._noise = noise
        self._restored = restored
        self._connection: Connection | None = None
        self._wishes: dict[str, _Wish] = {}
        self._tried = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._partings: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Connect, now and whenever the connection was lost."""
        self._keeper = asyncio.create_task(self._keep(), name="edge-layer-mqtt")

    async def close(self) -> None:
        """Leave the broker, for good."""
        if self._keeper is None:
            return
        with contextlib.suppress(TimeoutError):  # asyncio 3.11 may leak a socket whose connecting is cancelled
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.ready()
        self._keeper.cancel()
        await asyncio.wait((self._keeper,))
        self._keeper = None

    def cut(self) -> None:
        """Leave without a word; on the loop, and without waiting."""
        if self._keeper is not None:
            self._keeper.cancel()

    @property
    def tried(self) -> bool:
        """Whether the first attempt to connect has ended."""
        return self._tried.is_set()

    async def ready(self) -> None:
        """Wait until the first attempt to connect has ended, one way or the other: `CONNECT_TIMEOUT` s at most."""
        if not self._tried.is_set():
            await self._tried.wait()

    async def want(self, topic: str, options: int = 0) -> str:
        """Hear a topic from now on, after outages too; return what is wrong in plain words, or nothing.

        While the broker is away there is nothing wrong: it is asked when it is back.
        """
        wish = self._wishes.get(topic)
        if wish is None:
            wish = self._wishes[topic] = _Wish(options | NOTHING_RETAINED)
        await self.ready()
        if wish.asked is None and self._connection is not None:
            wish.asked = self._ask(self._connection, topic, wish)
        return await asyncio.shield(wish.asked) if wish.asked is not None else ""

    def unwant(self, topic: str) -> None:
        """Hear it no more."""
        wish = self._wishes.pop(topic, None)
        if wish is not None and wish.asked is not None and self._connection is not None:
            parting = asyncio.create_task(self._part(self._connection, topic), name="edge-layer-unsubscribe")
            self._partings.add(parting)
            parting.add_done_callback(self._partings.discard)

    def wanted(self, topic: str) -> bool:
        """Tell whether a topic is heard, or will be."""
        return topic in self._wishes

    async def publish(self, topic: str, payload: bytes, *, expiry: int) -> bool:
        """Publish; True once the broker has it and knows somebody who hears it, False where it knows nobody.

        Raises `LayerAwayError`, and MessageTooLarge for what is larger than the broker takes.
        """
        await self.ready()
        if (connection := self._connection) is None:
            raise LayerAwayError(f"the MQTT broker of the channel layer is away: {self.why}")
        message = Publish(topic, payload, 1, False, False, 0, {"message_expiry_interval": expiry})
        try:
            reason = await connection.put(message)
        except LinkLost as error:
            raise LayerAwayError(f"the MQTT broker of the channel layer went away: {error}") from error
        except ValueError as error:
            raise MessageTooLarge(str(error)) from error
        if reason >= FAILURE:
            raise LayerAwayError(f"{self._broker.where} refused a message on {topic}: {reason_text(reason)}")
        return reason != NO_SUBSCRIBERS

    async def _keep(self) -> None:
        waits = Backoff(random.Random())  # noqa: S311  (jitter)
        loop = asyncio.get_running_loop()
        again = False
        while True:
            began, came_up = loop.time(), False
            try:
                connection = await self._open()
                came_up = True
                await self._live(connection, again=again)
            except EdgeError as error:
                self._told(str(error))
            finally:
                self._tried.set()
            again = True
            await asyncio.sleep(waits.next_wait(was_up=loop.time() - began if came_up else 0))

    async def _live(self, connection: Connection, *, again: bool) -> None:
        """Use a connection until it is lost, and raise LinkLost that says why."""
        self._connection = connection
        try:
            await self._ask_for_all(connection)
            if not connection.lost.done():
                self.why = ""
                self._tried.set()
                logger.info("the channel layer is at %s", self._broker.where)
                if again:
                    self._restored()
            await asyncio.wait((connection.lost,))
            raise LinkLost(connection.lost.result())
        finally:
            self._connection = None
            for wish in self._wishes.values():
                wish.asked = None
            await connection.leave()

    async def _ask_for_all(self, connection: Connection) -> None:
        while some := [pair for pair in self._wishes.items() if pair[1].asked is None][:AT_ONCE]:
            for topic, wish in some:
                wish.asked = self._ask(connection, topic, wish)
            await asyncio.wait([wish.asked for _, wish in some if wish.asked is not None])

    async def _open(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                broker = self._broker
                if self._options.password_file:
                    broker = await asyncio.to_thread(broker.with_credentials, self._options)
                connection = Connection(broker, self._options, self._client_id)
                connection.hear = self._hear
                connection.noise = lambda what, _size, _topic: self._noise(what)
                try:
                    await dial(connection, broker, self._options)
                    await connection.greet()
                except BaseException:
                    connection.cut()
                    raise
        except TimeoutError:
            raise LinkLost(f"{self._broker.where} did not answer within {CONNECT_TIMEOUT:g} s") from None
        return connection

    def _hear(self, message: Publish, delivery: Delivery | None) -> None:
        if delivery is not None:
            delivery.settle()
        if not message.retain:
            self._on_message(message.topic, message.payload)

    def _ask(self, connection: Connection, topic: str, wish: _Wish) -> asyncio.Task[str]:
        return asyncio.create_task(self._subscribe(connection, topic, wish), name="edge-layer-subscribe")

    async def _subscribe(self, connection: Connection, topic: str, wish: _Wish) -> str:
        try:
            reason = await connection.subscribe_to(topic, wish.options, IDENTIFIER)
        except LinkLost:
            return ""
        if reason < FAILURE:
            return ""
        problem = f"{self._broker.where} refused the channel layer's subscription {topic}: {reason_text(reason)}"
        logger.error("%s", problem)
        return problem

    @staticmethod
    async def _part(connection: Connection, topic: str) -> None:
        with contextlib.suppress(LinkLost):
            await connection.unsubscribe_from(topic)

    def _told(self, why: str) -> None:
        """Note why the broker is away; a line in the log for each new reason."""
        if why != self.why:
            self.why = why
            logger.warning("the channel layer is without its MQTT broker, and trying again: %s", why)


def find_broker(url: str, values: dict[str, Any]) -> tuple[Broker, MqttOptions]:  # Any: of each option its own type
    """Read where the broker is, and the options by their names; ConfigError that says everything wrong with them."""
    where = "the channel layer over MQTT"
    options = parse_options(MqttOptions, {**values, "protocol": "5", "session_expiry": 0}, where=where)
    return Broker.parse(url, options), options
