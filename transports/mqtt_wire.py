"""The wire of an MQTT session: a connection to a broker, opened and closed without blocking and in bounded time.

Knows packets and answers, not ASGI: that is `transports.mqtt`, above. paho speaks MQTT, aiomqtt joins it to the loop.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.errors import ConfigError, EdgeError, LinkLost
from transports.options import MqttOptions

CONNECT_TIMEOUT = 10.0  # seconds for name, TCP, TLS and CONNACK together
ANSWER_TIMEOUT = 20.0  # seconds; a broker that has not acknowledged by then will not
LEAVE_TIMEOUT = 1.0  # seconds for the DISCONNECT to leave the socket
READ_BURST = 64  # packets read without letting the loop turn, as edge.mailbox.BURST
PACKET_HEADROOM = 131_072  # bytes; the longest topic and as much again for properties, beside the payload
PORTS = {"mqtt": 1883, "mqtts": 8883}

# Reason codes of CONNACK (MQTT 5.0, section 3.2.2.2; paho translates those of 3.1.1) that no new attempt will change.
REFUSALS = {
    132: "does not speak MQTT {protocol}; set the MQTT version of this device to {other}",
    133: "does not take the client id {client_id!r}; set another in this device's options",
    134: "does not know this user name and password; correct them in this device's options",
    135: "says that this client is not authorised; check the user name and password in this device's options,"
    " and what the broker allows that user",
    138: "has banned this client; ask whoever runs the broker",
    140: "wants another way of authentication than user name and password",
}
TAKEN_OVER = 142  # reason code of DISCONNECT: another client came with our client id
KEEP_ALIVE = 141  # the same, where we missed the answer to a ping

_log = logging.getLogger(__name__)
_paho_log = logging.getLogger(f"{__name__}.paho")
_paho_log.setLevel(logging.CRITICAL)  # paho logs each lost connection as an error; we say it once, in plain words

Reasons: TypeAlias = list[ReasonCode]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and how to log in."""

    host: str
    port: int
    tls: bool
    username: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def parse(cls, link: str, options: MqttOptions) -> "Broker":
        """Read a link; the options' user name, where there is one, goes before that of the link."""
        expected = "expected a link such as mqtt://localhost:1883 or mqtts://broker.example"
        try:
            parts = urlsplit(link)
            port = parts.port
        except ValueError:
            # Neither the link nor the error is quoted: what was taken for a port is often a part of the password.
            raise ConfigError(f"{expected}; got one that is no URL (write / @ : # in a password as %2F…)") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise ConfigError(f"{expected}; got one that begins with {parts.scheme}:// and names no broker")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ConfigError(f"{expected}; a topic belongs into a route, not into the link")
        username, password = options.username, options.password
        if not username:
            username, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(
            host=parts.hostname,
            port=PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            username=username,
            password=password,
        )

    @property
    def where(self) -> str:
        """Name the broker for people: host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def link(self) -> str:
        """The URL without secrets."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.where}"


class Connection(aiomqtt.Client):
    """aiomqtt's joining of paho to the loop, with what a session must not go without.

    aiomqtt 2 connects in a thread that no cancellation stops, and leaves the socket open where no CONNACK comes; keeps
    a sender waiting for ten seconds after the connection went; reports a publication as done that the broker refused;
    makes a task for each message and reads one packet a turn of the loop. So the socket comes from outside, already
    open, and the callbacks below take the place of aiomqtt's. Everything happens on the loop.
    """

    def __init__(self, broker: Broker, options: MqttOptions, client_id: str) -> None:
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username or None,
            password=broker.password or None,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if options.protocol == "5" else aiomqtt.ProtocolVersion.V311,
            keepalive=options.keepalive,
            logger=_paho_log,
        )
        self._broker = broker
        self._options = options
        self._v5 = options.protocol == "5"
        self._connack: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._leaving = False
        self._identifies = True
        self._paused = False
        self._heard = 0
        self._answers: dict[int, asyncio.Future[Reasons]] = {}
        self.lost: asyncio.Future[str] = self._loop.create_future()  # why, in plain words
        self.hear: Callable[[paho.MQTTMessage], bool] = lambda _message: True

    async def greet(self, sock: socket.socket) -> None:
        """Send CONNECT on an open socket, which is ours to close from here on, and wait for CONNACK.

        Raises ConfigError where the broker refused us for good, LinkLost where it did for now.
        """
        # paho has no other door for a socket that is open already. It takes it as its own.
        self._client._create_socket = lambda: sock  # type: ignore[method-assign]  # noqa: SLF001
        try:
            host, port, keepalive = self._broker.host, self._broker.port, self._options.keepalive
            self._client.connect(host, port, keepalive, properties=self._wishes())
            reason = await self._connack
        except BaseException:
            self.cut()
            sock.close()
            raise
        if reason.is_failure:
            self.cut()
            raise self._refusal(reason)

    def _wishes(self) -> Properties | None:
        """Ask the broker to keep what is far too large to itself (MQTT 5.0, section 3.1.2.11.4)."""
        if not self._v5:
            return None
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own lack
        wishes.MaximumPacketSize = self._options.max_payload + PACKET_HEADROOM
        return wishes

    def _refusal(self, reason: ReasonCode) -> EdgeError:
        words = REFUSALS.get(reason.value)
        if words is None:
            return LinkLost(f"{self._broker.where} refused the session for now: {reason}")
        other = "3.1.1" if self._v5 else "5.0"
        told = words.format(protocol=self._options.protocol, other=other, client_id=self.identifier)
        return ConfigError(f"{self._broker.where} {told}")

    async def put(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> ReasonCode:
        """Publish; return the broker's answer, or for QoS 0 success once the message was written. Raises LinkLost.

        A refusal of QoS 2 is not seen: it stands in the PUBREC, whose reason paho 2 does not read.
        """
        info = self._client.publish(topic, payload, qos, retain)
        return (await self._answer(info.rc, info.mid))[0]

    async def subscribe_to(self, asked: str, qos: int, identifier: int) -> Reasons:
        """Ask for a filter; return the broker's answer. Raises LinkLost.

        Asked again with the same identifier, it changes the QoS without a gap. Messages name the identifier
        (MQTT 5.0, section 3.8.2.1.2), unless the broker or the version has none.
        """
        if not self._v5:
            return await self._answer(*self._client.subscribe(asked, qos))
        # Otherwise a higher QoS would bring all retained messages again.
        options = SubscribeOptions(qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        wishes = None
        if self._identifies:
            wishes = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]  # paho's own lack
            wishes.SubscriptionIdentifier = identifier
        return await self._answer(*self._client.subscribe(asked, options=options, properties=wishes))

    async def unsubscribe_from(self, asked: str) -> None:
        """Give a filter back. Raises LinkLost."""
        await self._answer(*self._client.unsubscribe(asked))

    async def _answer(self, result: int, mid: int | None) -> Reasons:
        """Wait for the broker's answer to packet ``mid``, `ANSWER_TIMEOUT` seconds at most: then it counts as lost."""
        if result != paho.MQTT_ERR_SUCCESS or mid is None:
            self._lose(f"{self._broker.where}: {paho.error_string(result)}")
            raise LinkLost(self.lost.result())
        answer: asyncio.Future[Reasons] = self._loop.create_future()
        self._answers[mid] = answer
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await answer
        except TimeoutError:
            self._lose(f"{self._broker.where} did not acknowledge within {ANSWER_TIMEOUT:g} s")
            raise LinkLost(self.lost.result()) from None
        finally:
            self._answers.pop(mid, None)

    def resume(self) -> None:
        """Read again after `hear` asked to stop."""
        if self._paused and (sock := self._client.socket()) is not None:
            self._paused = False
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)  # what TLS has decrypted already wakes no reader

    async def leave(self) -> None:
        """Send DISCONNECT, so that the broker knows it was meant, and close; `LEAVE_TIMEOUT` seconds at most."""
        self._leaving = True
        try:
            if not self._gone.done() and self._client.disconnect() == paho.MQTT_ERR_SUCCESS:
                async with asyncio.timeout(LEAVE_TIMEOUT):
                    await self._gone
        except TimeoutError:
            _log.info("%s takes no more bytes; the connection was cut", self._broker.where)
        finally:
            self.cut()

    def cut(self) -> None:
        """Close the socket without a word, if it is open."""
        self._client._sock_close()  # noqa: SLF001  (paho closes publicly only when a DISCONNECT got through)

    def _lose(self, why: str) -> None:
        """Enter the end: nobody waits any longer for an answer that cannot come."""
        if self.lost.done():
            return
        self.lost.set_result(why)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkLost(why))

    def _read(self) -> None:
        """Read what is there, `READ_BURST` packets at most."""
        for _ in range(READ_BURST):
            before = self._heard
            try:
                self._client.loop_read()
            except Exception as error:  # noqa: BLE001  (paho raises whatever an ill-formed packet makes it stumble over)
                self._lose(f"{self._broker.where} sent what is not MQTT ({type(error).__name__})")
                self.cut()
                return
            sock = self._client.socket()
            if sock is None or self._paused:
                return
            waits = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            if self._heard == before and not waits:
                return
        self._loop.call_soon(self._read)  # again for TLS, where what is decrypted already wakes no reader

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            self._lose(f"{self._broker.where}: {error.strerror or error}")
            self.cut()

    # From here on, what paho calls. The signatures are aiomqtt's.

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        self._heard += 1
        if not self._leaving and not self.hear(message) and (sock := self._client.socket()) is not None:
            self._paused = True
            self._loop.remove_reader(sock.fileno())

    def _on_connect(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: Any,  # noqa: ARG002
        flags: paho.ConnectFlags,  # noqa: ARG002
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._identifies = bool(getattr(properties, "SubscriptionIdentifierAvailable", True))
        if not self._connack.done():
            self._connack.set_result(reason_code)

    def _on_disconnect(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: Any,  # noqa: ARG002
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,  # noqa: ARG002
    ) -> None:
        why = self._farewell(reason_code, said=flags.is_disconnect_packet_from_server)
        if not self._connack.done():
            hint = "is it the broker's port, and the right one of mqtt:// and mqtts://?"
            self._connack.set_exception(LinkLost(f"{why} before it answered; {hint}"))
        if not self._leaving:
            self._lose(why)
        if not self._gone.done():
            self._gone.set_result(None)

    def _farewell(self, reason: ReasonCode, *, said: bool) -> str:
        if said and reason.value == TAKEN_OVER:
            rival = f"another client came with the client id {self.identifier}"
            return f"{self._broker.where}: {rival}, and the broker keeps only one; give each device its own"
        if said:
            return f"{self._broker.where} ended the session: {reason}"
        if reason.value == KEEP_ALIVE:
            return f"{self._broker.where} has answered no ping for {self._options.keepalive} s"
        if not self._connack.done():
            return f"{self._broker.where} closed the connection"
        # mosquitto 2.0 gives no reason for either.
        return f"{self._broker.where} closed the connection: it stopped, or has another client {self.identifier!r} now"

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: Any,  # noqa: ARG002
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        self._answered(mid, [reason_code])

    def _on_subscribe(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: Any,  # noqa: ARG002
        mid: int,
        reason_codes: Reasons,
        properties: Properties | None = None,  # noqa: ARG002
    ) -> None:
        self._answered(mid, reason_codes)

    def _on_unsubscribe(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: Any,  # noqa: ARG002
        mid: int,
        reason_codes: Reasons,
        properties: Properties | None = None,  # noqa: ARG002
    ) -> None:
        self._answered(mid, reason_codes)

    def _answered(self, mid: int, reasons: Reasons) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reasons)

    def _on_socketopen_session(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        self._loop.add_reader(sock.fileno(), self._read)
        self._misc_task = self._loop.create_task(self._misc_loop(), name=f"keep alive of {self.identifier}")

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        self._loop.add_writer(sock.fileno(), self._write)


async def open_session(connection: Connection, broker: Broker) -> None:
    """Open the session, or raise LinkLost or ConfigError in plain words."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            sock = await _connect(broker)
            await connection.greet(sock)
    except EdgeError:
        raise
    except TimeoutError:
        raise LinkLost(f"{broker.where} did not answer within {CONNECT_TIMEOUT:g} s") from None
    except socket.gaierror as error:
        raise LinkLost(f"{broker.host}: name not found ({error.strerror}); is the network up?") from error
    except ConnectionRefusedError as error:
        raise LinkLost(f"{broker.where} refused the connection; is the broker running there?") from error
    except ssl.SSLCertVerificationError as error:
        # Not for good: the clock of a box without a battery is wrong until the network has set it.
        told = f"its certificate was not accepted ({error.verify_message}); is the clock right?"
        raise LinkLost(f"{broker.where}: {told}") from error
    except ssl.SSLError as error:
        raise LinkLost(f"{broker.where}: no TLS ({error.reason}); is it a port for mqtts://?") from error
    except OSError as error:
        raise LinkLost(f"{broker.where}: {error.strerror or error}") from error


async def _connect(broker: Broker) -> socket.socket:
    """Return a connected socket, TLS on it where wanted; the first address that answers is the one. Raises OSError.

    Each address has its share of `CONNECT_TIMEOUT`, so that a dead IPv6 way does not hide a good IPv4 one.
    """
    found = await asyncio.get_running_loop().getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError()
    for family, kind, protocol, _, address in found:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT / len(found)):
                return await _connect_to(socket.socket(family, kind, protocol), address, broker)
        except OSError as error:
            failure = error
    raise failure


async def _connect_to(sock: socket.socket, address: Any, broker: Broker) -> socket.socket:
    """Connect this socket; closes it where that fails. The address is Any: its shape is the family's."""
    try:
        # Nagle's algorithm holds a small packet back until the one before it is acknowledged, and the broker's kernel
        # delays that by 40 ms: a PUBACK and then a PUBLISH, which is each QoS 1 conversation, took 44 ms a trip.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        return await _encrypt(sock, broker.host) if broker.tls else sock
    except BaseException:
        sock.close()
        raise


async def _encrypt(sock: socket.socket, host: str) -> ssl.SSLSocket:
    """Do the TLS handshake without blocking; trust what the system trusts."""
    context = await asyncio.to_thread(ssl.create_default_context)  # it reads files
    secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(secured, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(secured, loop.add_writer, loop.remove_writer)
            else:
                return secured
    except BaseException:
        secured.close()  # it has taken the descriptor out of the plain socket
        raise


async def _ready(sock: socket.socket, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
    ready = asyncio.get_running_loop().create_future()
    add(sock.fileno(), lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(sock.fileno())
