"""MQTT: a session with a broker as an ASGI connection (`edge.spec.mqtt`). MQTT 5.0 and 3.1.1, over TCP and TLS.

`MqttServer.serve` makes one attempt: it opens the connection, calls the app once, and returns or raises when either is
over. Trying again is the runner's; who gets which topic is the fan-out's. Below is `transports.mqtt_wire`.

**Flow.** In: a full mailbox stops the reading of the socket until its reader has made room, so that the broker waits; a
reader that is stuck loses messages, counted (`edge.mailbox`). Out: ``send`` returns with the broker's acknowledgement.

**Overlapping filters.** For a message that several filters match, a broker may send one copy or one for each filter
(MQTT 5.0, section 3.3.4). mosquitto 2 sends one under 3.1.1 and all under 5.0. In 5.0 a copy names the filters that it
is for, and all but one are passed over here (`_Subscriptions`); under 3.1.1 what the broker sends is handed on.

**Retained messages** come when the broker is first asked for a filter, once for each filter that matches. A second
route on the same filter, later in the same session, joins what is there and hears the next message.
"""

import asyncio
import contextlib
import logging
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from paho.mqtt.client import MQTTMessage
from paho.mqtt.properties import Properties

from edge.asgi import App, Event, Send
from edge.errors import ConfigError, LinkLost, LocalProtocolError
from edge.mailbox import DRAIN, TRANSPORT_CAPACITY, Mailbox
from edge.registry import Device
from edge.spec.closing import CloseCode
from edge.topics import TopicFilter, topic_problem
from transports.mqtt_wire import Broker, Connection, open_session

FAREWELL = DRAIN + 1.0  # seconds that an app has to end after mqtt.disconnect was queued
CANCEL_TIMEOUT = 1.0  # seconds that an app has to end once it was cancelled
MAX_FILTERS = 1_000  # of one session; each costs the broker memory too
MAX_CHOICES = 1_024  # topics whose filter is remembered; beyond, all are worked out anew
MAX_CLIENT_ID = 23  # characters that each 3.1.1 broker must take (MQTT 3.1.1, section 3.1.3.1)

# What an application may know of the properties of a message, by paho's names. Topic alias and subscription identifier
# are between client and broker.
PROPERTIES = {
    "PayloadFormatIndicator": "payload_format_indicator",
    "MessageExpiryInterval": "message_expiry_interval",
    "ContentType": "content_type",
    "ResponseTopic": "response_topic",
    "CorrelationData": "correlation_data",
    "UserProperty": "user_property",
}

_log = logging.getLogger(__name__)


def build(device: Device) -> "MqttServer":
    """Build the server of a device of kind ``mqtt``; raise ConfigError for a link that names no broker."""
    return MqttServer(device)


class MqttServer:
    """An ASGI server whose only connection is a session with one broker."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._broker = Broker.parse(device.link, device.options)
        self._counts = {"too_large": 0, "ill_formed": 0}

    def counters(self) -> Mapping[str, int]:
        """Return how many messages were dropped here since the server was built, by reason."""
        return dict(self._counts)

    async def serve(self, app: App, on_up: Callable[[], None]) -> None:
        """Serve one session, from CONNACK to its end (`edge.registry.Server`).

        Returns when the app ended or sent ``mqtt.close``. Raises LinkLost when the broker could not be reached in time
        (`transports.mqtt_wire.CONNECT_TIMEOUT`) or went away, ConfigError when it refused us for good, and whatever
        else the app raised. The app has `FAREWELL` seconds to end after ``mqtt.disconnect``; then it is cancelled.
        """
        options = self._device.options
        client_id = options.client_id or default_client_id(self._device.name)
        connection = Connection(self._broker, options, client_id)
        session = _Session(self._device, connection, self._broker.link, self._counts)
        await open_session(connection, self._broker)
        try:
            _log.info("%s: session with %s as %s", self._device.name, self._broker.where, client_id)
            on_up()
            await session.run(app)
        finally:
            await connection.leave()


def default_client_id(device: str) -> str:
    """Return ``edge-<host>-<device>``, the same after each restart, within `MAX_CLIENT_ID` characters.

    A longer one keeps its beginning, and a checksum of the whole makes it this device's own again.
    """
    whole = f"edge-{socket.gethostname().partition('.')[0]}-{device}"
    if len(whole) <= MAX_CLIENT_ID:
        return whole
    return f"{whole[: MAX_CLIENT_ID - 9]}-{zlib.crc32(whole.encode()):08x}"


class _Session:
    """The ASGI line of one session: mailbox, ``send``, and the subscriptions that routes share."""

    def __init__(self, device: Device, connection: Connection, link: str, counts: dict[str, int]) -> None:
        self._name = device.name
        self._connection = connection
        self._counts = counts
        self._max_payload: int = device.options.max_payload
        self._mailbox = Mailbox()
        self._crowded = asyncio.Event()
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscriptions = _Subscriptions()
        self._changing = asyncio.Lock()
        self._scope = {
            "type": "mqtt",
            "device": device.name,
            "link": link,
            "client_id": connection.identifier,
            "state": device.state,
        }
        connection.hear = self._hear

    async def run(self, app: App) -> None:
        """Run the app until it ends, closes, or the connection is lost; raise as `MqttServer.serve` says."""
        self._mailbox.push({"type": "mqtt.connect"})
        running = _call(app, self._scope, self._mailbox, self.send)
        consumer = asyncio.create_task(running, name=f"app of {self._name}")
        pace = asyncio.create_task(self._pace(), name=f"pace of {self._name}")
        lost = self._connection.lost
        ends: set[asyncio.Future[Any]] = {consumer, lost, self._closing}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._disconnect(CloseCode.RESTART, "the box is stopping")
            if error := await _end(consumer):
                _log.error("%s: the app failed while it was stopped", self._name, exc_info=error)
            raise
        finally:
            pace.cancel()
        if lost.done():
            self._disconnect(CloseCode.LINK_LOST, lost.result())
        self._conclude(await _end(consumer))

    def _conclude(self, error: BaseException | None) -> None:
        """Raise what the session ended with: a bug before a lost link, for it would come again with the next."""
        if error is not None and not isinstance(error, LinkLost):
            raise error
        if self._closing.done():
            return
        if self._connection.lost.done():
            raise LinkLost(self._connection.lost.result()) from error
        if error is not None:
            raise error

    async def send(self, event: Event) -> None:
        """Take an event of the app: the ASGI ``send``.

        Raises LocalProtocolError for one that the specification or the broker does not allow, LinkLost once the
        connection is gone. Leaving what is gone is no error: ``mqtt.unsubscribe`` and ``mqtt.close`` do nothing then.
        """
        kind = event.get("type")
        lost = self._connection.lost
        if kind in ("mqtt.unsubscribe", "mqtt.close") and (lost.done() or self._closing.done()):
            return
        if self._closing.done():
            raise self._mistake(event, "it came after mqtt.close")
        if lost.done():
            raise LinkLost(lost.result())
        match kind:
            case "mqtt.send":
                await self._publish(event)
            case "mqtt.subscribe":
                await self._subscribe(event)
            case "mqtt.unsubscribe":
                await self._unsubscribe(event)
            case "mqtt.close":
                self._close(event)
            case _:
                raise self._mistake(event, "expected mqtt.send, mqtt.subscribe, mqtt.unsubscribe or mqtt.close")

    async def _publish(self, event: Event) -> None:
        topic, payload, qos = self._text(event), event.get("payload"), self._qos(event)
        if isinstance(payload, str):
            payload = payload.encode()
        if not isinstance(payload, bytes):
            raise self._mistake(event, f"payload: expected bytes or text; got {type(payload).__name__}")
        if len(payload) > self._max_payload:
            raise self._mistake(event, f"payload: expected at most {self._max_payload} bytes; got {len(payload)}")
        if problem := topic_problem(topic):
            raise self._mistake(event, f"topic: {problem}")
        reason = await self._connection.put(topic, payload, qos, retain=bool(event.get("retain")))
        if reason.is_failure:
            raise self._mistake(event, f"the broker refused it for {topic!r}: {reason}")

    async def _subscribe(self, event: Event) -> None:
        asked, qos = self._filter(event), self._qos(event)
        async with self._changing:
            held = self._subscriptions.find(asked.subscription)
            if held is None and len(self._subscriptions) >= MAX_FILTERS:
                raise self._mistake(event, f"a session has {MAX_FILTERS} topic filters at most, and this one has them")
            if held is not None and qos <= held.qos:
                held.holders += 1
                return
            await self._ask(event, asked, qos)

    async def _ask(self, event: Event, asked: TopicFilter, qos: int) -> None:
        with self._subscriptions.asking(asked) as identifier:
            reasons = await self._connection.subscribe_to(asked.subscription, qos, identifier)
            if refused := [reason for reason in reasons if reason.is_failure]:
                raise self._mistake(event, f"the broker refused {asked.subscription!r}: {refused[0]}")
            self._subscriptions.hold(asked, qos, identifier)

    async def _unsubscribe(self, event: Event) -> None:
        asked = self._filter(event).subscription
        async with self._changing:
            held = self._subscriptions.find(asked)
            if held is None:
                raise self._mistake(event, f"topic: {asked!r} is not subscribed")
            held.holders -= 1
            if not held.holders:
                self._subscriptions.drop(asked)
                await self._connection.unsubscribe_from(asked)

    def _close(self, event: Event) -> None:
        self._closing.set_result(None)
        self._disconnect(event.get("code", CloseCode.NORMAL), event.get("reason", ""))

    def _disconnect(self, code: int, reason: str) -> None:
        self._mailbox.close({"type": "mqtt.disconnect", "code": int(code), "reason": reason})

    def _hear(self, message: MQTTMessage) -> bool:
        """Hand a message on, or count it; False asks to stop reading until `_pace` says otherwise."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._counts["ill_formed"] += 1
            return True
        if len(message.payload) > self._max_payload:
            self._drop_large(topic, len(message.payload))
            return True
        # Retained messages are what a new filter is told first; no other filter's copy stands for them.
        if not message.retain and not self._subscriptions.wants(topic, _identifiers(message)):
            return True
        self._mailbox.push(_receive(topic, message))
        if len(self._mailbox) < TRANSPORT_CAPACITY or self._mailbox.stuck or self._mailbox.closed:
            return True
        self._crowded.set()
        return False

    def _drop_large(self, topic: str, size: int) -> None:
        # Said once, for a publisher that does it does it often; the counter tells how often.
        level = logging.DEBUG if self._counts["too_large"] else logging.WARNING
        self._counts["too_large"] += 1
        told = "%s: dropped %d bytes on %s; the largest payload is %d (option max_payload)"
        _log.log(level, told, self._name, size, topic, self._max_payload)

    async def _pace(self) -> None:
        """Let the connection read again whenever a full mailbox has room, or its reader turned out to be stuck."""
        while True:
            await self._crowded.wait()
            self._crowded.clear()
            await self._mailbox.room()
            self._connection.resume()

    def _filter(self, event: Event) -> TopicFilter:
        try:
            return TopicFilter.parse(self._text(event))
        except ConfigError as error:
            raise self._mistake(event, f"topic: {error}") from None

    def _text(self, event: Event) -> str:
        topic = event.get("topic")
        with contextlib.suppress(UnicodeEncodeError):  # half a surrogate pair is text to Python, not to UTF-8
            if isinstance(topic, str) and topic.encode() is not None:
                return topic
        raise self._mistake(event, f"topic: expected text; got {topic!r:.80}")

    def _qos(self, event: Event) -> int:
        qos = event.get("qos", 0)
        if qos not in (0, 1, 2):
            raise self._mistake(event, f"qos: expected 0, 1 or 2; got {qos!r}")
        return int(qos)

    def _mistake(self, event: Event, text: str) -> LocalProtocolError:
        return LocalProtocolError(f"{self._name}: {event.get('type')!r}: {text}")


@dataclass(slots=True)
class _Subscription:
    """What the broker was asked for, on behalf of how many. The QoS never sinks while one of them is left."""

    asked: TopicFilter
    qos: int
    identifier: int
    holders: int = 1


class _Subscriptions:
    """The filters of one session, and which of several copies of a message is the one to hand on."""

    def __init__(self) -> None:
        self._held: dict[str, _Subscription] = {}  # the oldest first
        self._identifiers = count(1)
        self._known: set[int] = set()  # of filters that are held or being asked for
        self._choices: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self._held)

    def find(self, subscription: str) -> _Subscription | None:
        """Return what is held for a filter."""
        return self._held.get(subscription)

    @contextlib.contextmanager
    def asking(self, asked: TopicFilter) -> Iterator[int]:
        """Lend an identifier while the broker is asked; it is the filter's once `hold` was called."""
        held = self._held.get(asked.subscription)
        identifier = held.identifier if held else next(self._identifiers)
        self._known.add(identifier)
        try:
            yield identifier
        finally:
            if asked.subscription not in self._held:
                self._known.discard(identifier)

    def hold(self, asked: TopicFilter, qos: int, identifier: int) -> None:
        """Remember what the broker has granted, for one more holder."""
        held = self._held.setdefault(asked.subscription, _Subscription(asked, qos, identifier, holders=0))
        held.qos = qos
        held.holders += 1
        self._choices.clear()

    def drop(self, subscription: str) -> None:
        """Forget a filter."""
        self._known.discard(self._held.pop(subscription).identifier)
        self._choices.clear()

    def wants(self, topic: str, identifiers: Sequence[int]) -> bool:
        """Tell whether this copy is the one to hand on: that of the matching filter with the highest QoS.

        Where that cannot be told (no identifiers, none that we know), the answer is yes: twice is better than never.
        A copy for a shared subscription stands for itself, for the next may go to another of its group.
        """
        if len(self._known) <= 1 or self._known.isdisjoint(identifiers):
            return True
        if topic not in self._choices:
            if len(self._choices) >= MAX_CHOICES:
                self._choices.clear()
            self._choices[topic] = self._choose(topic)
        chosen = self._choices[topic]
        return chosen is None or chosen in identifiers or self._shared(identifiers)

    def _choose(self, topic: str) -> int | None:
        """Return the identifier of the filter whose copy counts; of equal ones the oldest, whose copies never lack."""
        candidates = [held for held in self._held.values() if held.asked.match(topic) is not None]
        return max(candidates, key=lambda held: held.qos).identifier if candidates else None

    def _shared(self, identifiers: Sequence[int]) -> bool:
        return any(
            held.identifier in identifiers for name, held in self._held.items() if name.startswith("$share/")
        )  # a pattern that begins with $share matches no topic, so that such a filter is never the chosen one


async def _call(app: App, scope: dict[str, Any], mailbox: Mailbox, send: Send) -> None:
    await app(scope, mailbox.receive, send)


async def _end(consumer: asyncio.Task[None]) -> BaseException | None:
    """Give the app `FAREWELL` seconds to end, then cancel it; return what it raised, if that was no cancellation."""
    try:
        await asyncio.wait({consumer}, timeout=FAREWELL)
    finally:
        if not consumer.done():
            consumer.cancel()
            await asyncio.wait({consumer}, timeout=CANCEL_TIMEOUT)
    if not consumer.done():
        _log.error("%s does not end although it was cancelled; it was left behind", consumer.get_name())
        return None
    return None if consumer.cancelled() else consumer.exception()


def _receive(topic: str, message: MQTTMessage) -> Event:
    return {
        "type": "mqtt.receive",
        "topic": topic,
        "payload": bytes(message.payload),
        "qos": message.qos,
        "retain": bool(message.retain),
        "properties": _plain(message.properties),
        "time": time.time(),
    }


def _identifiers(message: MQTTMessage) -> Sequence[int]:
    """Name the filters that this copy is for; none under 3.1.1."""
    found: Sequence[int] = getattr(message.properties, "SubscriptionIdentifier", ())
    return found


def _plain(properties: Properties | None) -> dict[str, Any]:
    """Return the properties of a message by the standard's names in snake case, in values that ASGI permits."""
    if properties is None:
        return {}
    plain = {PROPERTIES[name]: value for name, value in vars(properties).items() if name in PROPERTIES}
    if pairs := plain.get("user_property"):
        plain["user_property"] = [list(pair) for pair in pairs]
    return plain
