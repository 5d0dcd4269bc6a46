"""`transports.mqtt_dial` and `transports.mqtt_websocket`: certificates, TLS and WebSockets, with mosquitto's own."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from edge.errors import ConfigError, LinkLost
from tests.mosquitto import Mosquitto, free_port, run
from tests.transports.mqtt_line import App, attempt, link, make, serving, stand_in
from transports import mqtt_dial
from transports.options import MqttOptions

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub", "openssl")
NOW = ("20200101000000Z", "20491231000000Z")
TIMES = {"now": NOW, "expired": ("20200101000000Z", "20200201000000Z"), "future": ("20490101000000Z", NOW[1])}
CA = """
[ca]
default_ca = here
[here]
new_certs_dir = {0}
database = {0}/index.txt
serial = {0}/serial
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{1}
"""


@pytest.fixture
def broker(tmp_path):
    running = Mosquitto(tmp_path).start()
    yield running
    running.kill()


@pytest.fixture
def authority(tmp_path):
    """An authority; ``sign(name, times)`` gives mosquitto's settings for a certificate that it signed."""
    root, root_key = tmp_path / "root.pem", tmp_path / "root.key"
    form = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    run(*form, "-x509", "-days", "2", "-subj", "/CN=Root", "-keyout", root_key, "-out", root)

    def sign(name="localhost", times="now"):
        key, wish, cert, rules = (tmp_path / f"{times}.{ending}" for ending in ("key", "csr", "pem", "cnf"))
        run(*form, "-subj", f"/CN={name}", "-keyout", key, "-out", wish)
        rules.write_text(CA.format(tmp_path, name))
        (tmp_path / "index.txt").write_text("")
        (tmp_path / "serial").write_text("01\n")
        start, end = TIMES[times]
        within = ["-startdate", start, "-enddate", end, "-notext", "-batch"]
        run("openssl", "ca", "-config", rules, *within, "-cert", root, "-keyfile", root_key, "-in", wish, "-out", cert)
        key.chmod(0o644)
        return [f"certfile {cert}", f"keyfile {key}"]

    return SimpleNamespace(root=str(root), sign=sign)


@pytest.mark.parametrize(
    ("signed", "options", "words"),
    [
        ({"times": "expired"}, {}, r"its certificate has expired; whoever runs the broker must renew it"),
        ({"times": "future"}, {}, r"its certificate is not valid yet; is the clock of this box right"),
        ({"name": "elsewhere"}, {}, r"its certificate is for another name.*option server_name.*'localhost'"),
        ({}, {"ca_file": ""}, r"its certificate is of an authority that this box does not trust.*option ca_file"),
    ],
)
async def test_a_certificate_that_is_not_accepted_says_what_to_do(authority, tmp_path, signed, options, words):
    broker = Mosquitto(tmp_path, authority.sign(**signed)).start()
    where = f"mqtts://localhost:{broker.port}"
    try:
        with pytest.raises(LinkLost, match=f"localhost:{broker.port}: {words}"):
            await attempt(make(where, **{"ca_file": authority.root, **options}))
        if "name" in signed:
            async with serving(make(where, ca_file=authority.root, server_name=signed["name"]), App()):
                pass
    finally:
        broker.kill()


async def test_tls_is_verified_and_works(tmp_path, monkeypatch):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    form = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert]
    run(*form, *subject)
    key.chmod(0o644)
    broker = Mosquitto(tmp_path, [f"certfile {cert}", f"keyfile {key}", "allow_anonymous true"]).start()
    app = App()
    try:
        with pytest.raises(LinkLost, match=r"authority that this box does not trust.*self.signed"):
            await attempt(make(f"mqtts://localhost:{broker.port}"))
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        async with serving(make(f"mqtts://localhost:{broker.port}"), app):
            await app.subscribe("a", qos=1)
            await asyncio.gather(*(app.publish("a", str(n) * 1000, qos=1) for n in range(30)))
            assert len({(await app.next())["payload"] for _ in range(30)}) == 30
        with pytest.raises(LinkLost, match=r"closed the connection|no TLS"):
            await attempt(make(f"mqtt://localhost:{broker.port}"))
    finally:
        broker.kill()


async def test_an_own_authority_a_client_certificate_and_one_that_has_expired(tmp_path):
    def sign(name, days):
        key, cert = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        form = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert]
        run(*form, "-days", days, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        key.chmod(0o644)
        return cert, key

    cert, key = sign("box", 2)
    tls = [f"certfile {cert}", f"keyfile {key}", f"cafile {cert}", "require_certificate true"]
    broker = Mosquitto(tmp_path, tls).start()
    where = f"mqtts://localhost:{broker.port}"
    try:
        with pytest.raises(LinkLost, match=r"certificate required|no TLS|closed the connection"):
            await attempt(make(where, ca_file=str(cert)))
        mine = {"certificate_file": str(cert), "key_file": str(key)}
        async with serving(make(where, ca_file=str(cert), tls_minimum="1.3", **mine), App()):
            pass
        async with serving(make(f"mqtts://127.0.0.1:{broker.port}", insecure=True, **mine), App()):
            pass
        with pytest.raises(ConfigError, match=r"CA file .*/none: No such file"):
            await attempt(make(where, ca_file=str(tmp_path / "none")))
    finally:
        broker.kill()


async def test_small_packets_are_not_held_back(broker):
    class Quiet(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

    protocol, options = Quiet(), MqttOptions()
    await mqtt_dial.dial(protocol, mqtt_dial.Broker.parse(link(broker), options), options)
    sock = protocol.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    protocol.transport.abort()


async def test_after_each_read_tcp_is_asked_to_acknowledge_at_once(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.subscribe("a")
        below = app.send.__self__._connection._transport.get_extra_info("socket")
        for _ in range(2):
            below.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)  # as the kernel does by itself, after a while
            await asyncio.to_thread(broker.publish, "a", "1")
            await app.next()
            await asyncio.sleep(0)
            assert below.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_websocket_carries_it_too(authority, tmp_path, scheme, protocol):
    # mosquitto 2.0.11 takes a listener for WebSockets only beside another one, and TLS files for the listener above.
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", "protocol websockets", *(authority.sign() if scheme == "wss" else [])]
    broker, app = Mosquitto(tmp_path, lines).start(), App()
    options = {"protocol": protocol, "ca_file": authority.root}
    assert broker.says(" running")
    try:
        async with serving(make(f"{scheme}://localhost:{port}/mqtt", **options), app):
            await app.subscribe("a", qos=1)
            for payload in ("x", "y" * 100_000):
                await app.publish("a", payload, qos=1)
                assert (await app.next())["payload"] == payload.encode()
        if scheme == "wss":
            with pytest.raises(LinkLost, match="its certificate is of an authority that this box does not trust"):
                await attempt(make(f"wss://localhost:{port}/mqtt"))
    finally:
        broker.kill()


async def test_a_broker_that_speaks_no_websocket_is_told_in_plain_words():
    async with stand_in(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as (port, _):
        with pytest.raises(LinkLost, match=r"took no WebSocket .*is it a listener for WebSockets, and its path right"):
            await attempt(make(f"ws://127.0.0.1:{port}/mqtt"))
