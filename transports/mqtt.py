"""MQTT: a session with a broker as an ASGI connection (`edge.spec.mqtt`). MQTT 5.0 and 3.1.1.

`MqttServer.serve` makes one attempt: it opens the connection, calls the app once, and returns or raises when either is
over. Trying again is the runner's; who gets which topic is the fan-out's. Below is `transports.mqtt_wire`.

**Flow.** In: a message of QoS 1 or 2 is acknowledged when it was handled (`edge.receipts`), so the broker has a bounded
number of them on the way. Of QoS 0 a full mailbox stops the reading of the socket until its reader has made room, so
that the broker waits; a reader that is stuck loses messages, counted (`edge.mailbox`). Out: ``send`` returns with the
broker's acknowledgement.

**Overlapping filters.** For a message that several filters match, a broker may send one copy or one for each filter
(MQTT 5.0, section 3.3.4). mosquitto 2 sends one under 3.1.1 and all under 5.0. In 5.0 a copy names the filters that it
is for, and all but one are passed over (`transports.mqtt_subscriptions`); under 3.1.1 all that the broker sends is
handed on.
"""

import asyncio
import contextlib
import logging
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from edge.asgi import App, Event, Send
from edge.errors import ConfigError, LinkLost, LocalProtocolError
from edge.mailbox import DRAIN, TRANSPORT_CAPACITY, Mailbox
from edge.receipts import Acknowledged, Receipt
from edge.registry import Device
from edge.spec.closing import CloseCode
from edge.topics import TopicFilter, topic_problem
from transports.codecs.mqtt import FAILURE, MAX_SHORT, Publish, reason_text
from transports.mqtt_dial import CONNECT_TIMEOUT, Broker, dial
from transports.mqtt_subscriptions import HANDLING, MAX_FILTERS, Subscription, Subscriptions, Wish
from transports.mqtt_wire import Connection, Delivery

FAREWELL = DRAIN + 1.0  # seconds that an app has to end after mqtt.disconnect was queued
CANCEL_TIMEOUT = 1.0  # seconds that an app has to end once it was cancelled
MAX_CLIENT_ID = 23  # characters that each 3.1.1 broker must take (MQTT 3.1.1, section 3.1.3.1)

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
        connection = await self._open()
        session = _Session(self._device, connection, self._broker.link, self._counts)
        try:
            _log.info("%s: session with %s as %s", self._device.name, self._broker.where, connection.identifier)
            await self._announce(connection)
            on_up()
            await session.run(app)
        finally:
            await connection.leave()

    async def _open(self) -> Connection:
        options = self._device.options
        client_id = options.client_id or default_client_id(self._device.name)
        dialled = False
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                broker = await asyncio.to_thread(self._broker.with_credentials, options)
                connection = Connection(broker, options, client_id)
                connection.pause()  # until the session is there to hear: the broker may send at once
                try:
                    await dial(connection, broker, options)
                    dialled = True
                    await connection.greet()
                except BaseException:
                    connection.cut()
                    raise
        except TimeoutError:
            # amqtt, for one, takes a CONNECT of version 5 for the beginning of a longer one.
            hint = "; if it knows no MQTT 5, set the MQTT version of this device to 3.1.1"
            told = hint if dialled and options.protocol == "5" else ""
            raise LinkLost(f"{self._broker.where} did not answer within {CONNECT_TIMEOUT:g} s{told}") from None
        return connection

    async def _announce(self, connection: Connection) -> None:
        """Publish the birth message, where there is one."""
        options = self._device.options
        if not options.birth_topic:
            return
        payload = options.birth_payload.encode()
        birth = Publish(options.birth_topic, payload, options.birth_qos, options.birth_retain, False, 0, {})
        try:
            reason = await connection.put(birth)
            refused = reason_text(reason) if reason >= FAILURE else ""
        except ValueError as error:  # the broker said before that it takes no such message
            refused = str(error)
        if refused:
            told = "%s: the broker does not take the birth message on %s: %s"
            _log.warning(told, self._device.name, options.birth_topic, refused)


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
        self._subscriptions = Subscriptions(resumed=connection.resumed)
        self._v5: bool = device.options.protocol == "5"
        self._changing = asyncio.Lock()
        self._scope = {
            "type": "mqtt",
            "device": device.name,
            "link": link,
            "client_id": connection.identifier,
            "state": device.state,
        }
        connection.hear = self._hear
        connection.noise = self._note

    async def run(self, app: App) -> None:
        """Run the app until it ends, closes, or the connection is lost; raise as `MqttServer.serve` says."""
        self._mailbox.push({"type": "mqtt.connect"})
        self._connection.resume()
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
        properties = event.get("properties") or {}
        if problem := properties_problem(properties) if properties else "":
            raise self._mistake(event, problem)
        message = Publish(topic, payload, qos, bool(event.get("retain")), False, 0, properties)
        try:
            reason = await self._connection.put(message)
        except ValueError as error:
            raise self._mistake(event, str(error)) from None
        if reason >= FAILURE:
            raise self._mistake(event, f"the broker refused it for {topic!r}: {reason_text(reason)}")

    async def _subscribe(self, event: Event) -> None:
        asked, wish = self._filter(event), self._wish(event)
        if asked.share and wish.no_local:
            raise self._mistake(event, "no_local is not for $share (MQTT 5.0, section 3.8.3.1)")
        async with self._changing:
            held = self._subscriptions.find(asked.subscription)
            if held is None:
                if len(self._subscriptions) >= MAX_FILTERS:
                    told = f"a session has {MAX_FILTERS} topic filters at most, and this one has them"
                    raise self._mistake(event, told)
                options = Subscription(asked, [wish]).options() | HANDLING[wish.retained] << 4
            else:
                # What is retained comes again, for the new holder; 3.1.1 would send it to all, so it does not ask.
                wants_retained = self._v5 and wish.retained == "begin" and not asked.share
                options = held.options(wish)
                if options == held.options() and not wants_retained:
                    self._subscriptions.hold(asked, wish)
                    return
                options |= HANDLING["begin" if wants_retained else "never"] << 4
            await self._ask(event, asked, wish, options)

    async def _ask(self, event: Event, asked: TopicFilter, wish: Wish, options: int) -> None:
        identifier = self._subscriptions.name(asked.subscription, wish.holder)
        reason = await self._connection.subscribe_to(asked.subscription, options, identifier)
        if reason >= FAILURE:
            self._subscriptions.forget(identifier)
            raise self._mistake(event, f"the broker refused {asked.subscription!r}: {reason_text(reason)}")
        self._subscriptions.hold(asked, wish)

    async def _unsubscribe(self, event: Event) -> None:
        asked = self._filter(event).subscription
        async with self._changing:
            held = self._subscriptions.find(asked)
            before = 0 if held is None else held.options()
            if held is None or not self._subscriptions.release(asked, str(event.get("holder", ""))):
                raise self._mistake(event, f"topic: {asked!r} is not subscribed")
            if not held.wishes:
                self._subscriptions.drop(asked)
                await self._connection.unsubscribe_from(asked)
            elif (options := held.options()) != before and self._v5:  # 3.1.1 would send what is retained again
                identifier = self._subscriptions.name(asked, held.wishes[0].holder)
                await self._connection.subscribe_to(asked, options | HANDLING["never"] << 4, identifier)

    def _wish(self, event: Event) -> Wish:
        retained = event.get("retained", "begin")
        if retained not in HANDLING:
            raise self._mistake(event, f"retained: expected one of {', '.join(HANDLING)}; got {retained!r:.80}")
        return Wish(
            holder=str(event.get("holder", "")),
            qos=self._qos(event),
            no_local=bool(event.get("no_local")),
            retain_as_published=bool(event.get("retain_as_published")),
            retained=retained,
        )

    def _close(self, event: Event) -> None:
        self._closing.set_result(None)
        self._disconnect(event.get("code", CloseCode.NORMAL), event.get("reason", ""))

    def _disconnect(self, code: int, reason: str) -> None:
        self._mailbox.close({"type": "mqtt.disconnect", "code": int(code), "reason": reason})

    def _hear(self, message: Publish, delivery: Delivery | None) -> None:
        """Hand a message on, where this copy of it is the one that counts; pause where the mailbox is full."""
        identifiers = message.properties.get("subscription_identifier", ())
        if not self._subscriptions.wants(message.topic, identifiers, retain=message.retain):
            if delivery is not None:
                delivery.settle()
            return
        event: dict[str, Any] = {
            "type": "mqtt.receive",
            "topic": message.topic,
            "payload": message.payload,
            "qos": message.qos,
            "retain": message.retain,
            "dup": message.dup,
            "properties": _open_properties(message.properties),
            "share": self._subscriptions.share(identifiers),
            "time": time.time(),
        }
        if message.retain and (holder := self._subscriptions.holder(identifiers)):
            event["holder"] = holder
        # A closed mailbox does not take it: it stays unacknowledged, and comes again with the next session.
        self._mailbox.push(event if delivery is None else Acknowledged(event, Receipt(delivery.settle)))
        if len(self._mailbox) >= TRANSPORT_CAPACITY and not (self._mailbox.stuck or self._mailbox.closed):
            self._crowded.set()
            self._connection.pause()

    def _note(self, name: str, size: int, topic: str) -> None:
        """Count what was not handed on. Of the large ones the first is told, for there are often many."""
        self._counts[name] += 1
        if name == "too_large":
            level = logging.DEBUG if self._counts[name] > 1 else logging.WARNING
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


def _open_properties(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an application may know of a message's properties, all of them by the standard's names."""
    return {name: value for name, value in found.items() if name in PROPERTIES} if found else {}


def properties_problem(properties: object) -> str:
    """Say what is wrong with the properties of a message to send, or nothing."""
    if not isinstance(properties, Mapping):
        return f"properties: expected a dictionary; got {type(properties).__name__}"
    for name, value in properties.items():
        if name not in PROPERTIES:
            return f"properties: expected names of {', '.join(PROPERTIES)}; got {name!r:.80}"
        expected, is_right = PROPERTIES[name]
        if not is_right(value):
            return f"properties: {name}: expected {expected}; got {value!r:.80}"
    return ""


def _is_text(value: object) -> bool:
    try:
        return isinstance(value, str) and len(value.encode()) <= MAX_SHORT
    except UnicodeEncodeError:
        return False


def _are_pairs(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(map(_is_text, pair))  # noqa: PLR2004  (a pair)
        for pair in value
    )


# What is between applications. Topic alias and subscription identifier are between client and broker.
PROPERTIES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "payload_format_indicator": ("0 or 1", lambda value: value in (0, 1)),
    "message_expiry_interval": (
        "0 to 4294967295 seconds",
        lambda value: isinstance(value, int) and 0 <= value < 2**32,
    ),
    "content_type": ("text", _is_text),
    "response_topic": ("a topic", lambda value: _is_text(value) and not topic_problem(value)),
    "correlation_data": (
        "at most 65535 bytes",
        lambda value: isinstance(value, bytes) and len(value) <= MAX_SHORT,
    ),
    "user_property": ("a list of pairs of text", _are_pairs),
}
