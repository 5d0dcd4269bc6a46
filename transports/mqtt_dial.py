"""The way to an MQTT broker: link, credentials, TCP, TLS and WebSocket, up to an open transport.

Knows no packet: that is `transports.mqtt_wire`, which speaks on what `dial` opens.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edge.errors import ConfigError, EdgeError, LinkLost
from transports.options import MqttOptions

CONNECT_TIMEOUT = 10.0  # seconds for name, TCP, TLS and CONNACK together
NEXT_ADDRESS = 0.25  # seconds before another address of the same name is tried beside (RFC 8305, section 5)
MAX_CREDENTIAL = 65_535  # bytes (MQTT 5.0, section 3.1.3.6)
PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
TLS = ("mqtts", "wss")
WEBSOCKET = ("ws", "wss")
_STRANGER = "is of an authority that this box does not trust; give that one's certificate as option ca_file"
_ANOTHER = "is for another name; correct the link's host, or set option server_name"
CERTIFICATE = {  # what to do about it, by OpenSSL's codes (x509_vfy.h)
    9: "is not valid yet; is the clock of this box right?",
    10: "has expired; whoever runs the broker must renew it, unless the clock of this box is wrong",
    18: _STRANGER,
    19: _STRANGER,
    20: _STRANGER,
    21: _STRANGER,
    62: _ANOTHER,
    64: _ANOTHER,
}
QUICKACK: int = getattr(socket, "TCP_QUICKACK", 0)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and how to log in."""

    scheme: str
    host: str
    port: int
    path: str
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
        if parts.fragment or (parts.scheme not in WEBSOCKET and (parts.path.strip("/") or parts.query)):
            raise ConfigError(f"{expected}; a topic belongs into a route, not into the link")
        username, password = options.username, options.password
        if not username and not password:
            username, password = unquote(parts.username or ""), unquote(parts.password or "")
        path = parts.path or "/mqtt"
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=PORTS[parts.scheme] if port is None else port,
            path=f"{path}?{parts.query}" if parts.query else path,
            username=username,
            password=password,
        )

    @property
    def tls(self) -> bool:
        """Whether the way is encrypted."""
        return self.scheme in TLS

    @property
    def where(self) -> str:
        """Name the broker for people: host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def link(self) -> str:
        """The URL without secrets: a query may hold one."""
        path = self.path.partition("?")[0] if self.scheme in WEBSOCKET else ""
        return f"{self.scheme}://{self.where}{path}"

    def with_credentials(self, options: MqttOptions) -> "Broker":
        """Read the password's file, where there is one; blocks. Raises LinkLost, for it may come later."""
        if not options.password_file:
            return self
        return replace(self, password=read_credential(options.password_file))


def read_credential(name: str) -> str:
    """Return what a file holds, without the end of its line. A name without / is that of a systemd credential.

    Raises LinkLost that says what is wrong, and never what is in it: no file, none that may be read, too long.
    """
    path = Path(name) if "/" in name else Path(os.environ.get("CREDENTIALS_DIRECTORY", ""), name)
    if "/" not in name and not os.environ.get("CREDENTIALS_DIRECTORY"):
        raise LinkLost(
            f"password file {name!r}: no systemd credentials are here (LoadCredential= in the unit); "
            "for a file give its whole path"
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CREDENTIAL + 1)
        text = data.decode().rstrip("\r\n")
    except OSError as error:
        raise LinkLost(f"password file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LinkLost(f"password file {path}: expected text in UTF-8") from None
    if not text or len(data) > MAX_CREDENTIAL:
        raise LinkLost(f"password file {path}: expected 1 to {MAX_CREDENTIAL} bytes; got {len(data)}")
    return text


async def dial(protocol: asyncio.Protocol, broker: Broker, options: MqttOptions) -> None:
    """Open the way to the broker and put the protocol on it, or raise LinkLost or ConfigError in plain words."""
    try:
        await _connect(protocol, broker, options)
    except EdgeError:
        raise
    except socket.gaierror as error:
        raise LinkLost(f"{broker.host}: name not found ({error.strerror}); is the network up?") from error
    except ConnectionRefusedError as error:
        raise LinkLost(f"{broker.where} refused the connection; is the broker running there?") from error
    except ssl.SSLCertVerificationError as error:
        # Not for good: the clock of a box without a battery is wrong until the network has set it.
        words = CERTIFICATE.get(error.verify_code, "was not accepted")
        raise LinkLost(f"{broker.where}: its certificate {words} ({error.verify_message})") from error
    except ssl.SSLError as error:
        raise LinkLost(f"{broker.where}: no TLS ({error.reason}); is it a port for {broker.scheme}://?") from error
    except OSError as error:
        if "Multiple exceptions" in str(error):  # asyncio's, of all addresses
            raise LinkLost(f"{broker.where} cannot be reached at any of its addresses") from error
        raise LinkLost(f"{broker.where}: {error.strerror or error}") from error


async def _connect(protocol: asyncio.Protocol, broker: Broker, options: MqttOptions) -> None:
    loop = asyncio.get_running_loop()
    context = await asyncio.to_thread(make_context, options) if broker.tls else None  # it reads files
    name = (options.server_name or broker.host) if context else None
    outer, opened = protocol, None
    if broker.scheme in WEBSOCKET:
        from transports.mqtt_websocket import WebSocketPipe  # noqa: PLC0415  (for those who use it)

        outer = pipe = WebSocketPipe(protocol, broker)
        opened = pipe.opened
    # uvloop, which the box runs on, tries the addresses one after the other and does not take the argument.
    # Any, for they are keywords of one call.
    racing: dict[str, Any] = {"happy_eyeballs_delay": NEXT_ADDRESS} if isinstance(loop, asyncio.BaseEventLoop) else {}
    transport, _ = await loop.create_connection(
        lambda: outer,
        broker.host,
        broker.port,
        ssl=context,
        server_hostname=name,
        **racing,
    )
    # Nagle's algorithm holds a small packet back until the one before it is acknowledged, and the broker's kernel
    # delays that by 40 ms: a PUBACK and then a PUBLISH, which is each QoS 1 conversation, took 44 ms a trip.
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if opened is not None:
            await opened
    except BaseException:
        transport.abort()
        raise


class QuickAck:
    """Has the kernel acknowledge what was read at once: call it after each read. Does nothing but on Linux.

    A broker with Nagle's algorithm on, which is mosquitto's default, holds a message back while an earlier packet is
    not acknowledged, and Linux puts that off by 40 ms where it has nothing to send along. So the answer to a question
    that was asked by QoS 1, which comes right behind the broker's PUBACK, took 44 ms; with this it takes 0.4 ms.
    The kernel soon forgets the wish (tcp(7), TCP_QUICKACK), hence after each read.
    """

    __slots__ = ("_socket",)

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        below = transport.get_extra_info("socket")
        self._socket: socket.socket | None = None
        if below is not None and QUICKACK and below.family in (socket.AF_INET, socket.AF_INET6):
            # uvloop's makes a copy for each call; one copy for all costs a system call less each time.
            self._socket = socket.fromfd(below.fileno(), below.family, below.type)

    def __call__(self) -> None:
        """Ask for it again."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the connection is gone; whoever reads is told
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def close(self) -> None:
        """Let go of the socket, which stays open until then."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def make_context(options: MqttOptions) -> ssl.SSLContext:
    """Make the TLS context of a device; blocks. Trusts what the system trusts, or the CA file alone.

    An authority that a person gives by file is often made by two commands of a guide, without the key usage that
    Python 3.13 asks of it (RFC 5280, section 4.2.1.3). It is trusted by name all the same; public ones are held to it.

    Raises ConfigError for files that cannot be used, in plain words.
    """
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except OSError as error:
        raise ConfigError(f"CA file {options.ca_file}: {_why(error)}") from error
    if options.ca_file:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = VERSIONS[options.tls_minimum]
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.certificate_file:
        try:
            context.load_cert_chain(options.certificate_file, options.key_file or None, password=_no_password)
        except OSError as error:
            files = f"certificate file {options.certificate_file} with key file {options.key_file or 'in it'}"
            raise ConfigError(f"{files}: {_why(error)}") from error
    elif options.key_file:
        raise ConfigError(f"key file {options.key_file}: expected a certificate file beside it")
    return context


def _no_password() -> str:
    """Answer OpenSSL, which would ask on the terminal: a key with a password is refused as wrong."""
    return ""


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"expected PEM, and a key that fits and has no password ({error.reason or 'not readable as such'})"
    return error.strerror or str(error)
