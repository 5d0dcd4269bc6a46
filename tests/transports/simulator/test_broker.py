import asyncio
import importlib.util
import socket
import sys

import aiomqtt
import pytest

from transports.simulator import broker
from transports.simulator.broker import BrokerError, PrivateBroker, find_kind, find_mosquitto, main

LIMIT = 10  # seconds

KINDS = [
    pytest.param("mosquitto", marks=pytest.mark.skipif(not find_mosquitto(), reason="mosquitto is not installed")),
    pytest.param("amqtt", marks=pytest.mark.skipif(not importlib.util.find_spec("amqtt"), reason="no amqtt")),
]


async def say(port, topic, payload, *, retain=False):
    async with asyncio.timeout(LIMIT), aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(topic, payload, qos=1, retain=retain)


async def hear(port, topic):
    async with asyncio.timeout(LIMIT), aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic, qos=1)
        return (await anext(client.messages)).payload


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_goes_through(tmp_path, kind):
    async with PrivateBroker(tmp_path / "data", kind=kind) as private:
        assert private.kind == kind
        assert private.url == f"mqtt://127.0.0.1:{private.port}"
        await say(private.port, "edge/state", b"up", retain=True)
        assert await hear(private.port, "edge/#") == b"up"
    assert not private.running


@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_killed_and_comes_back_at_the_same_place_with_nothing_retained(tmp_path, kind):
    async with PrivateBroker(tmp_path, kind=kind) as private:
        await say(private.port, "edge/state", b"before", retain=True)
        url = private.url
        async with asyncio.timeout(LIMIT), aiomqtt.Client("127.0.0.1", private.port) as client:
            await client.subscribe("never")
            await private.kill()
            with pytest.raises(aiomqtt.MqttError):
                await anext(client.messages)
        assert not private.running
        assert await private.start() == await private.start() == url
        await say(private.port, "edge/later", b"after", retain=True)
        assert await hear(private.port, "edge/#") == b"after"
        assert await private.restart() == url
        await private.stop()
        await private.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_only_this_machine_reaches_it(tmp_path, kind):
    async with PrivateBroker(tmp_path, kind=kind) as private:
        with socket.socket() as other:  # everything of 127/8 but 127.0.0.1 would reach a listener on all addresses
            other.settimeout(LIMIT)
            assert other.connect_ex(("127.0.0.2", private.port)) != 0


async def test_a_taken_port_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BrokerError, match="is taken"):
            await PrivateBroker(tmp_path, port=taken.getsockname()[1], kind="mosquitto").start()


async def test_the_last_words_of_a_broker_that_fails_are_told(tmp_path):
    class Failing(PrivateBroker):
        def _command(self):
            return [sys.executable, "-c", "raise SystemExit('no such luck')"]

    private = Failing(tmp_path, kind="amqtt")
    with pytest.raises(BrokerError, match="ended with code 1: no such luck"):
        await private.start()
    assert not private.running


async def test_a_broker_that_accepts_nothing_is_given_up(tmp_path, monkeypatch):
    class Deaf(PrivateBroker):
        def _command(self):
            return [sys.executable, "-c", "import time; time.sleep(60)"]

    monkeypatch.setattr(broker, "START_LIMIT", 0.1)
    private = Deaf(tmp_path, kind="amqtt")
    with pytest.raises(BrokerError, match="accepts nothing"):
        await private.start()
    assert not private.running


def test_without_a_broker_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(broker, "SYSTEM_PLACES", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "amqtt", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BrokerError, match="install mosquitto"):
        find_kind()
    for kind in ([], ["--kind", "mosquitto"], ["--kind", "amqtt"]):
        assert main([*kind, "--data", str(tmp_path / "data")]) == 1
    errors = capsys.readouterr().err
    assert "apt install mosquitto" in errors
    assert "asgi-edge[demo]" in errors
