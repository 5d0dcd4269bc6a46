"""The wire of an MQTT session: packets and answers on an open transport, without blocking and in bounded time.

Knows neither ASGI (that is `transports.mqtt`, above) nor how the transport was opened (`transports.mqtt_dial`, beside).
`transports.codecs.mqtt` makes packets of bytes, `transports.mqtt_greeting` the first of them, and
`transports.mqtt_deliveries` keeps what we owe the broker. `Connection` is the whole seam to the protocol: another
client library would be put behind its methods, in this file.

**Acknowledged means handled.** A message of QoS 1 or 2 comes with a `Delivery`, and PUBACK or PUBREC goes out only once
its `settle` was called: in the order in which the messages came (MQTT 5.0, section 4.6), all those of one turn of the
loop in one write. What was not settled when the connection ends, a broker that keeps the session sends again.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from edge.errors import LinkLost
from transports.codecs import mqtt as codec
from transports.codecs.mqtt import FAILURE, MalformedError, Packet, Publish, Type
from transports.mqtt_deliveries import Deliveries, Delivery
from transports.mqtt_dial import CONNECT_TIMEOUT, Broker, QuickAck
from transports.mqtt_greeting import REFUSALS, hello, refusal
from transports.options import MqttOptions

__all__ = ["ANSWER_TIMEOUT", "CONNECT_TIMEOUT", "REFUSALS", "Broker", "Connection", "Delivery"]

ANSWER_TIMEOUT = 20.0  # seconds; a broker that has not acknowledged by then will not
LEAVE_TIMEOUT = 1.0  # seconds for the DISCONNECT to leave the socket
READ_BURST = 64  # packets handed on without letting the loop turn, a few times edge.mailbox.BURST
PACKET_HEADROOM = 131_072  # bytes; the longest topic and as much again for properties, beside the payload
MAX_LATER = 16 * 2**20  # bytes of messages beyond `in_flight` that are kept for their turn; then no more is read

TAKEN_OVER = 142  # reason code of DISCONNECT: another client came with our client id
NO_SHARES, NO_WILDCARDS = 0x9E, 0xA2  # reason codes of SUBACK (MQTT 5.0, section 3.9.3)
WITH_WILL = 0x04  # reason code of our DISCONNECT: publish the will all the same (MQTT 5.0, section 3.14.2.1)

PUBLISH = int(Type.PUBLISH)  # looking a member up in its Enum for each packet costs as much as cutting it

_log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """One network connection to a broker. Everything happens on the loop.

    ``hear(message, delivery)`` is called with each message, ``delivery`` None for QoS 0; it may `pause`.
    ``noise(name, size, topic)`` is called for what is counted by that name and not handed on. ``lost`` is done, with
    why in plain words, once the connection is gone without our having left it.
    """

    def __init__(self, broker: Broker, options: MqttOptions, client_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.identifier = client_id
        self.resumed = False  # the broker kept a session of ours
        self.lost: asyncio.Future[str] = loop.create_future()
        self.hear: Callable[[Publish, Delivery | None], None] = lambda _message, _delivery: None
        self.noise: Callable[[str, int, str], None] = lambda _name, _size, _topic: None
        self._loop = loop
        self._broker = broker
        self._options = options
        self._v5 = options.protocol == "5"
        self._limit = options.max_payload + PACKET_HEADROOM
        self._packets = codec.Packets(self._limit)
        self._transport: asyncio.Transport | None = None
        self._quick_ack: QuickAck | None = None
        self._connack: asyncio.Future[codec.Connack] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._leaving = False
        # In.
        self._heard: deque[Packet] = deque()  # cut, not handed on yet
        # Beyond `in_flight`: 3.1.1 has no Receive Maximum, and mosquitto 2.0 sends what it kept for a session all at
        # once. To read no further would shut out the answers that a handler may be waiting for.
        self._later: deque[Packet] = deque()
        self._later_size = 0  # bytes
        self._working = False
        self._paused = False  # by whoever hears
        self._reading = True
        self._deliveries = Deliveries(self._write, self._stir)
        # Out.
        self._out: list[bytes] = []
        self._flushing = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._answers: dict[int, asyncio.Future[tuple[int, ...]]] = {}
        self._last = random.randrange(codec.MAX_SHORT)  # noqa: S311  (no secret; not what an earlier session used)
        self._quota = asyncio.Semaphore(codec.MAX_SHORT)
        self._largest = codec.MAX_LENGTH
        self._limits: Mapping[str, Any] = {}  # the properties of CONNACK
        # Keep alive.
        self._keepalive = options.keepalive
        self._tick: asyncio.TimerHandle | None = None
        self._has_read = self._has_written = self._has_pinged = False

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the open transport as ours to close."""
        self._transport = transport  # type: ignore[assignment]  # asyncio's own: it is a Transport for a stream
        self._quick_ack = QuickAck(transport)

    def data_received(self, data: bytes) -> None:
        """Cut packets, and hand them on."""
        self._has_read = True
        try:
            self._heard.extend(self._packets.feed(data))
        except MalformedError as error:
            self._fail_to_read(error)
            return
        if not self._working:
            self._work()
        if self._quick_ack is not None:
            self._quick_ack()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: nobody waits any longer for an answer that cannot come."""
        if self._tick is not None:
            self._tick.cancel()
        if self._quick_ack is not None:
            self._quick_ack.close()
        why = self._farewell(exc)
        if not self._connack.done():
            hint = "is it the broker's port, and the right one of mqtt:// and mqtts://?"
            self._connack.set_exception(LinkLost(f"{why} before it answered; {hint}"))
        self._lose(why)
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """Let senders wait: the far side does not take what was written."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders go on."""
        self._writable.set()

    def _farewell(self, error: Exception | None) -> str:
        where = self._broker.where
        if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
            return f"{where}: {error.strerror}"
        if not self._connack.done():
            return f"{where} closed the connection"
        # mosquitto 2.0 gives no reason for either.
        return f"{where} closed the connection: it stopped, or has another client {self.identifier!r} now"

    def _lose(self, why: str) -> None:
        if self._leaving or self.lost.done():
            return
        self.lost.set_result(why)
        self._end_waits(why)

    def _end_waits(self, why: str) -> None:
        self._writable.set()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(LinkLost(why))

    def _fail_to_read(self, error: Exception) -> None:
        what = f"{self._broker.where} sent what is not MQTT ({error})"
        if not self._connack.done():
            self._connack.set_exception(LinkLost(what))
        self._lose(what)
        self.cut()

    # Opening and leaving.

    async def greet(self) -> None:
        """Send CONNECT, and wait for CONNACK.

        Raises ConfigError where the broker refused us for good, LinkLost where it did for now. The connection is closed
        then.
        """
        try:
            self._write(hello(self._broker, self._options, self.identifier, self._limit).encode())
            found = await self._connack
        except BaseException:
            self.cut()
            raise
        if found.reason >= FAILURE:
            self.cut()
            raise refusal(self._broker, self._options, self.identifier, found.reason)
        self.resumed = found.session_present
        self._heed(found.properties)
        self._tick = self._loop.call_later(self._keepalive / 2, self._keep_alive)

    def _heed(self, properties: Mapping[str, Any]) -> None:
        """Take the broker's limits for ours (MQTT 5.0, section 3.2.2.3)."""
        self._limits = properties
        self._quota = asyncio.Semaphore(properties.get("receive_maximum", codec.MAX_SHORT))
        self._largest = properties.get("maximum_packet_size", codec.MAX_LENGTH)
        self._keepalive = properties.get("server_keep_alive", self._keepalive) or self._keepalive
        self.identifier = properties.get("assigned_client_identifier", self.identifier)

    async def leave(self) -> None:
        """Send DISCONNECT, so that the broker knows it was meant, and close; `LEAVE_TIMEOUT` seconds at most.

        A will is published all the same: whoever watches it is told that we are gone, however we went.
        """
        if self._transport is None or self._gone.done():
            return
        self._leaving = True
        self._end_waits(f"the session with {self._broker.where} has ended")
        options = self._options
        if options.will_topic and not self._v5:
            payload = options.will_payload.encode()
            last = Publish(options.will_topic, payload, 0, options.will_retain, False, 0, {})
            self._write(codec.publish(last, v5=False))
        self._write(codec.disconnect(WITH_WILL if options.will_topic else 0, v5=self._v5))
        self._flush()
        self._transport.close()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self._gone
        except TimeoutError:
            _log.info("%s takes no more bytes; the connection was cut", self._broker.where)
        finally:
            self.cut()

    def cut(self) -> None:
        """Close the connection without a word, if it is open."""
        if self._tick is not None:
            self._tick.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _keep_alive(self) -> None:
        """Twice in each interval: ping where nothing came or went, give up where a ping had no answer."""
        if not self._has_read and self._reading:
            if self._has_pinged:
                self._lose(f"{self._broker.where} has answered no ping for {self._keepalive} s")
                self.cut()
                return
            self._has_pinged = True
            self._write(codec.PING)
        else:
            self._has_pinged = False
            if not self._has_written:
                self._write(codec.PING)
        self._has_read = self._has_written = False
        self._tick = self._loop.call_later(self._keepalive / 2, self._keep_alive)

    # Out.

    async def put(self, message: Publish) -> int:
        """Publish; return the broker's reason code, or for QoS 0 success once the message was written.

        Raises LinkLost, and ValueError for a message that the broker said it does not take: larger, retained where it
        keeps none, of a higher QoS. To send it would end the session (section 4.13).
        """
        if message.retain and not self._limits.get("retain_available", 1):
            raise ValueError("the broker keeps no retained messages")
        if message.qos > (highest := self._limits.get("maximum_qos", 2)):
            raise ValueError(f"the broker takes QoS 0 to {highest}; this has {message.qos}")
        if not message.qos:
            self._write(self._encode(message))
            if not self._writable.is_set():
                await self._writable.wait()
                self._check()
            return 0
        async with self._quota:
            self._check()
            identifier = self._next_identifier()
            packet = self._encode(message._replace(identifier=identifier))
            return (await self._answer(identifier, packet))[0]

    def _encode(self, message: Publish) -> bytes:
        packet = codec.publish(message, v5=self._v5)
        if len(packet) > self._largest:
            raise ValueError(f"the broker takes packets of {self._largest} bytes; this one has {len(packet)}")
        return packet

    async def subscribe_to(self, asked: str, options: int, identifier: int) -> int:
        """Ask for a filter; return the broker's reason code, or the one that it would end the session with.

        Raises LinkLost.

        ``options`` is the byte of MQTT 5.0, section 3.8.3.1; under 3.1.1 its QoS alone counts. Asked again, it changes
        the options without a gap. Messages name the identifier (section 3.8.2.1.2), unless the broker or the version
        has none.
        """
        if asked.startswith("$share/") and not self._limits.get("shared_subscription_available", 1):
            return NO_SHARES
        if {*asked} & {"+", "#"} and not self._limits.get("wildcard_subscription_available", 1):
            return NO_WILDCARDS
        identifies = self._v5 and self._limits.get("subscription_identifier_available", 1)
        said = {"subscription_identifier": [identifier]} if identifies else {}
        number = self._next_identifier()
        options = options if self._v5 else options & 3
        packet = codec.subscribe(number, asked, options, v5=self._v5, properties=said)
        return (await self._answer(number, packet))[0]

    async def unsubscribe_from(self, asked: str) -> None:
        """Give a filter back. Raises LinkLost."""
        number = self._next_identifier()
        await self._answer(number, codec.unsubscribe(number, asked, v5=self._v5))

    async def _answer(self, identifier: int, packet: bytes) -> tuple[int, ...]:
        """Write, and wait for the answer, `ANSWER_TIMEOUT` seconds at most: then the connection counts as lost."""
        self._check()
        # Stays there if we are cancelled: the identifier is in use until the broker has answered.
        waiting = self._answers[identifier] = self._loop.create_future()
        self._write(packet)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                found: tuple[int, ...] = await waiting
                return found
        except TimeoutError:
            why = f"{self._broker.where} did not acknowledge within {ANSWER_TIMEOUT:g} s"
            self._lose(why)
            raise LinkLost(why) from None

    def _check(self) -> None:
        if self.lost.done():
            raise LinkLost(self.lost.result())
        if self._leaving:
            raise LinkLost(f"the session with {self._broker.where} has ended")

    def _next_identifier(self) -> int:
        """Return a packet identifier that is not in use (section 2.2.1); the quota leaves some free."""
        for _ in range(codec.MAX_SHORT):
            self._last = self._last % codec.MAX_SHORT + 1
            if self._last not in self._answers:
                return self._last
        raise LinkLost(f"{self._broker.where}: all packet identifiers wait for an answer")

    def _write(self, packet: bytes) -> None:
        self._out.append(packet)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what one turn of the loop has gathered: many small packets cost one system call."""
        self._flushing = False
        if self._out and self._transport is not None:
            gathered, self._out = b"".join(self._out), []
            self._has_written = True
            self._transport.write(gathered)

    # In.

    def pause(self) -> None:
        """Hand on no more messages, and soon read no more, until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        if self._paused:
            self._paused = False
            if not self._working:
                self._work()

    def _stir(self) -> None:
        """Something was settled: hand on what waited for it."""
        if not self._working and self._has_turn():
            self._working = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Hand on what was read, `READ_BURST` packets at most in one turn; read no more until they are handed on."""
        self._working = False
        heard = self._heard
        for _ in range(READ_BURST):
            if not self._may_take():
                break
            try:
                if self._has_turn():
                    found = self._later.popleft()
                    self._later_size -= len(found.body)
                    self._take_message(found)
                else:
                    self._take(heard.popleft())
            except ValueError as error:  # MalformedError, and text that is no UTF-8
                self._fail_to_read(error)
                return
        self._read_on(wanted=not heard and self._later_size <= MAX_LATER)
        if self._may_take():
            self._working = True
            self._loop.call_soon(self._work)

    def _may_take(self) -> bool:
        """Tell whether the next packet may be handed on: who has paused still wants answers."""
        if self._leaving:
            return False
        if self._has_turn():
            return True
        if not self._heard:
            return False
        return not self._paused or self._heard[0].first & 0xF0 != PUBLISH

    def _has_turn(self) -> bool:
        """Tell whether a message that was kept for later may be handed on now."""
        return bool(self._later) and not self._paused and len(self._deliveries) < self._options.in_flight

    def _read_on(self, *, wanted: bool) -> None:
        if wanted is self._reading or self._transport is None or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, found: Packet) -> None:
        kind = found.first & 0xF0
        if kind == PUBLISH:
            if found.first & 0x06 and (self._later or len(self._deliveries) >= self._options.in_flight):
                self._later.append(found)
                self._later_size += len(found.body)
            else:
                self._take_message(found)
        elif kind == Type.CONNACK:
            if not self._connack.done():
                self._connack.set_result(codec.read_connack(found.body, v5=self._v5))
        elif kind == Type.PUBREC:
            self._take_pubrec(codec.read_answer(found, v5=self._v5))
        elif kind == Type.PUBREL:
            self._deliveries.release(codec.read_answer(found, v5=self._v5).identifier)
        elif kind in (Type.PUBACK, Type.PUBCOMP, Type.SUBACK, Type.UNSUBACK):
            self._answered(codec.read_answer(found, v5=self._v5))
        elif kind == Type.DISCONNECT:
            self._lose(self._said(codec.read_disconnect(found.body)))
            self.cut()
        elif kind != Type.PINGRESP:
            raise MalformedError(f"a packet of type {kind >> 4}")

    def _said(self, reason: int) -> str:
        if reason == TAKEN_OVER:
            rival = f"another client came with the client id {self.identifier}"
            return f"{self._broker.where}: {rival}, and the broker keeps only one; give each device its own"
        return f"{self._broker.where} ended the session: {codec.reason_text(reason)}"

    def _take_message(self, found: Packet) -> None:
        try:
            message = codec.read_publish(found, v5=self._v5)
        except UnicodeDecodeError:
            self.noise("ill_formed", len(found.body), "")
            self._pass_over(codec.identifier_of(found), found.first >> 1 & 3)
            return
        size = len(message.payload) + found.missing
        if size > self._options.max_payload:
            self.noise("too_large", size, message.topic)
            self._pass_over(message.identifier, message.qos)
        elif not message.qos:
            self.hear(message, None)
        elif (delivery := self._deliveries.enter(message.identifier, message.qos)) is not None:
            self.hear(message, delivery)

    def _pass_over(self, identifier: int, qos: int) -> None:
        """Acknowledge what nobody can handle: else it would come again for ever."""
        if qos and (delivery := self._deliveries.enter(identifier, qos)) is not None:
            delivery.settle()

    def _take_pubrec(self, found: codec.Answer) -> None:
        if found.reasons[0] >= FAILURE:
            self._answered(found)
        else:
            self._write(codec.answer(Type.PUBREL, found.identifier))

    def _answered(self, found: codec.Answer) -> None:
        waiting = self._answers.pop(found.identifier, None)
        if waiting is not None and not waiting.done():
            with contextlib.suppress(asyncio.InvalidStateError):
                waiting.set_result(found.reasons)
