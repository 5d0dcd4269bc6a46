"""`transports.mqtt` and `transports.mqtt_wire` against mosquitto, with mosquitto's own clients at the other end."""

import asyncio
import logging
import socket
import subprocess
import threading
import time

import pytest

from edge.errors import ConfigError, LinkLost, LocalProtocolError
from edge.mailbox import TRANSPORT_CAPACITY
from tests.mosquitto import SOON, Mosquitto, free_port, run
from tests.transports.mqtt_line import ACCEPTED, VERSIONS, App, attempt, link, make, serving, stand_in, subscriber
from transports import mqtt, mqtt_wire

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub", "mosquitto_sub")


@pytest.fixture
def broker(tmp_path):
    running = Mosquitto(tmp_path).start()
    yield running
    running.kill()


@VERSIONS
async def test_a_session_says_where_it_is_and_calls_the_app_once(broker, protocol):
    app = App()
    async with serving(make(f"mqtt://me:secret@127.0.0.1:{broker.port}", protocol=protocol), app):
        assert app.calls == 1
        assert app.scope == {
            "type": "mqtt",
            "device": "attic",
            "link": f"mqtt://127.0.0.1:{broker.port}",
            "client_id": mqtt.default_client_id("attic"),
            "state": {"kept": 1},
        }


@VERSIONS
async def test_a_message_has_the_fields_of_the_specification(broker, protocol):
    app = App()
    async with serving(make(link(broker), protocol=protocol), app):
        await app.subscribe("sensors/+/t", qos=1)
        properties = ["-D", "publish", "content-type", "text/plain", "-D", "publish", "user-property", "unit", "K"]
        await asyncio.to_thread(broker.publish, "sensors/loft/t", "21.5", "-q", 1, *properties)
        event = await app.next()
    assert abs(event.pop("time") - time.time()) < SOON
    expected = {"content_type": "text/plain", "user_property": [["unit", "K"]]} if protocol == "5" else {}
    assert event == {
        "type": "mqtt.receive",
        "topic": "sensors/loft/t",
        "payload": b"21.5",
        "qos": 1,
        "retain": False,
        "dup": False,
        "properties": expected,
        "share": "" if protocol == "5" else None,
    }


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("payload", ["grüß dich", ""])
async def test_publishing_reaches_another_client(broker, protocol, qos, payload):
    app = App()
    async with serving(make(link(broker), protocol=protocol), app):
        with subscriber(broker, "out/#") as message:
            await app.publish("out/a", payload, qos=qos)
            assert await message() == ["out/a", payload, str(qos), "0"]


async def test_a_retained_message_is_there_for_the_next_subscriber(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.publish("state/door", "open", qos=1, retain=True)
        await app.subscribe("state/+")
        event = await app.next()
    assert (event["topic"], event["payload"], event["retain"]) == ("state/door", b"open", True)


@VERSIONS
async def test_overlapping_filters_deliver_once(broker, protocol):
    app = App()
    async with serving(make(link(broker), protocol=protocol), app):
        for filter_, qos in (("t/#", 0), ("t/over/+", 2), ("t/over/x", 1), ("$share/group/t/other", 0)):
            await app.subscribe(filter_, qos)
        for topic in ("t/over/x", "t/over/y", "t/else"):
            await app.publish(topic, topic, qos=2)
        await app.send({"type": "mqtt.unsubscribe", "topic": "t/over/+"})
        await app.publish("t/over/x", "again", qos=2)
        await app.publish("t/end", "end")
        heard = [await app.next()]
        while heard[-1]["payload"] != b"end":
            heard.append(await app.next())
    assert [event["payload"] for event in heard] == [b"t/over/x", b"t/over/y", b"t/else", b"again", b"end"]
    if protocol == "5":  # under 3.1.1 mosquitto chooses the filter, and not by its QoS
        assert [event["qos"] for event in heard] == [2, 2, 0, 1, 0]


async def test_a_shared_subscription_stands_for_itself(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.subscribe("jobs/#")
        await app.subscribe("$share/workers/jobs/a")
        await app.publish("jobs/a", "1", qos=1)
        await app.publish("jobs/z", "end")
        heard = [await app.next()]
        while heard[-1]["topic"] != "jobs/z":
            heard.append(await app.next())
    assert [event["payload"] for event in heard] == [b"1", b"1", b"end"]


async def test_routes_share_a_filter_until_the_last_gives_it_back(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.subscribe("a", qos=0)
        await app.subscribe("a", qos=1)
        await app.send({"type": "mqtt.unsubscribe", "topic": "a"})
        await app.publish("a", "1", qos=1)
        event = await app.next()
        assert (event["payload"], event["qos"]) == (b"1", 1)
        await app.send({"type": "mqtt.unsubscribe", "topic": "a"})
        await app.subscribe("b")
        await app.publish("a", "2", qos=1)
        await app.publish("b", "3")
        assert (await app.next())["payload"] == b"3"
        with pytest.raises(LocalProtocolError, match="'a' is not subscribed"):
            await app.send({"type": "mqtt.unsubscribe", "topic": "a"})
    assert broker.log.read_text().count("Received SUBSCRIBE") == 3  # QoS 0, then 1, then the other topic


async def test_a_filter_may_name_its_wildcards(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.subscribe("chat/+peer/in")
        await app.publish("chat/qq1abc/in", "hello")
        assert (await app.next())["topic"] == "chat/qq1abc/in"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "mqtt.send", "topic": "a/+", "payload": b""}, r"topic: expected .* without \+ and #; got 'a/\+'"),
        ({"type": "mqtt.send", "topic": "", "payload": b""}, "topic: expected"),
        ({"type": "mqtt.send", "payload": b""}, "topic: expected text; got None"),
        ({"type": "mqtt.send", "topic": "a\ud800", "payload": b""}, "topic: expected text"),
        ({"type": "mqtt.send", "topic": "a", "payload": 21.5}, "payload: expected bytes or text; got float"),
        ({"type": "mqtt.send", "topic": "a"}, "payload: expected bytes or text; got NoneType"),
        ({"type": "mqtt.send", "topic": "a", "payload": bytes(200)}, "payload: expected at most 128 bytes; got 200"),
        ({"type": "mqtt.send", "topic": "a", "payload": b"", "qos": 3}, "qos: expected 0, 1 or 2; got 3"),
        ({"type": "mqtt.subscribe", "topic": "a/#/b"}, "topic: topic filter 'a/#/b': # takes all that follows"),
        ({"type": "mqtt.subscribe", "topic": "ab+"}, r"topic: topic filter 'ab\+'"),
        ({"type": "mqtt.subscribe", "topic": b"a"}, "topic: expected text; got b'a'"),
        ({"type": "mqtt.unsubscribe", "topic": "a"}, "'a' is not subscribed"),
        ({"type": "websocket.send", "text": "a"}, "'websocket.send': expected mqtt.send, mqtt.subscribe"),
        ({}, "None: expected mqtt.send"),
    ],
)
async def test_a_mistake_of_the_app_is_told_and_the_session_goes_on(broker, event, words):
    app = App()
    async with serving(make(link(broker), max_payload=128), app):
        with pytest.raises(LocalProtocolError, match=f"attic: .*{words}"):
            await app.send(event)
        await app.publish("still/there", "1", qos=1)


async def test_what_the_broker_refuses_is_told(tmp_path):
    rules = tmp_path / "acl"
    rules.write_text("topic read open/#\n")
    broker = Mosquitto(tmp_path, [f"acl_file {rules}"]).start()
    app = App()
    try:
        async with serving(make(link(broker)), app):
            with pytest.raises(LocalProtocolError, match="the broker refused it for 'closed': Not authorized"):
                await app.publish("closed", "1", qos=1)
    finally:
        broker.kill()


@VERSIONS
async def test_a_broker_that_dies_is_one_disconnect_and_a_lost_link(broker, protocol):
    app = App()
    async with serving(make(link(broker), protocol=protocol), app) as served:
        await app.subscribe("a")
        broker.kill()
        event = await app.next()
        assert (event["type"], event["code"]) == ("mqtt.disconnect", 1006)
        assert event["reason"].startswith(f"127.0.0.1:{broker.port} closed the connection: it stopped, or")
        with pytest.raises(LinkLost, match=f"127.0.0.1:{broker.port} closed the connection"):
            await asyncio.wait_for(served, SOON)
        with pytest.raises(LinkLost):
            await app.publish("a", "1")
        await app.send({"type": "mqtt.unsubscribe", "topic": "a"})
        await app.send({"type": "mqtt.close"})
    assert app.events.empty()


async def test_a_sender_is_told_at_once_when_the_link_goes():
    # The stand-in takes the session and acknowledges nothing more.
    async with stand_in(ACCEPTED) as (port, connections):
        app = App()
        async with serving(make(f"mqtt://127.0.0.1:{port}"), app):
            sending = asyncio.create_task(app.send({"type": "mqtt.send", "topic": "a", "payload": b"", "qos": 1}))
            await asyncio.wait_for(connections[0].readuntil(b"\x00\x01a"), SOON)
            connections[1].close()
            with pytest.raises(LinkLost, match="closed the connection"):
                await asyncio.wait_for(sending, SOON)


async def test_a_broker_that_does_not_acknowledge_is_lost(monkeypatch):
    monkeypatch.setattr(mqtt_wire, "ANSWER_TIMEOUT", 0.05)
    async with stand_in(ACCEPTED) as (port, _):
        app = App()
        async with serving(make(f"mqtt://127.0.0.1:{port}"), app) as served:
            with pytest.raises(LinkLost, match=r"did not acknowledge within 0\.05 s"):
                await app.publish("a", "", qos=1)
            with pytest.raises(LinkLost, match="did not acknowledge"):
                await asyncio.wait_for(served, SOON)


async def test_a_refused_connection_is_told_in_plain_words():
    port = free_port()
    with pytest.raises(LinkLost, match=f"127.0.0.1:{port} refused the connection; is the broker running there"):
        await attempt(make(f"mqtt://127.0.0.1:{port}"))


async def test_an_unknown_name_is_told_in_plain_words(monkeypatch):
    async def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(LinkLost, match=r"broker\.example: name not found \(Name or service not known\)"):
        await attempt(make("mqtt://broker.example"))


@pytest.mark.parametrize(
    ("protocol", "hint"),
    [("5", "; if it knows no MQTT 5, set the MQTT version of this device to 3.1.1"), ("3.1.1", "")],
)
async def test_a_silent_host_is_told_in_plain_words(monkeypatch, protocol, hint):
    monkeypatch.setattr(mqtt, "CONNECT_TIMEOUT", 0.1)
    async with stand_in(b"") as (port, _):
        with pytest.raises(LinkLost, match=rf"127.0.0.1:{port} did not answer within 0\.1 s{hint}$"):
            await attempt(make(f"mqtt://127.0.0.1:{port}", protocol=protocol))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_what_is_no_broker_is_told_in_plain_words(answer):
    async with stand_in(answer, then_close=True) as (port, _):
        with pytest.raises(LinkLost, match=rf"127.0.0.1:{port} (closed the connection|sent what is not MQTT)"):
            await attempt(make(f"mqtt://127.0.0.1:{port}"))


@VERSIONS
async def test_a_wrong_password_is_for_a_person(tmp_path, protocol, caplog):
    passwords = tmp_path / "passwords"
    run("mosquitto_passwd", "-b", "-c", passwords, "me", "right")
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path, ["allow_anonymous false", f"password_file {passwords}"]).start()
    caplog.set_level(logging.DEBUG)
    wrong = make(link(broker), protocol=protocol, username="me", password="h4nd5-off")
    app = App()
    try:
        with pytest.raises(ConfigError, match=r"not authorised|user name and password") as caught:
            await attempt(wrong)
        async with serving(make(f"mqtt://me:right@127.0.0.1:{broker.port}", protocol=protocol), app):
            await app.publish("a", "1", qos=1)
    finally:
        broker.kill()
    assert f"127.0.0.1:{broker.port}" in str(caught.value)
    said = f"{caught.value!r} {wrong!r} {wrong._broker!r} {app.scope} {caplog.text}"
    assert "h4nd5-off" not in said
    assert ":right@" not in said


async def test_an_old_broker_is_for_a_person():
    async with stand_in(b"\x20\x02\x00\x01") as (port, _):  # CONNACK of 3.1.1: unacceptable protocol version
        with pytest.raises(ConfigError, match=r"does not speak MQTT 5; set the MQTT version of this device to 3\.1\.1"):
            await attempt(make(f"mqtt://127.0.0.1:{port}"))


async def test_a_busy_broker_is_for_another_attempt():
    async with stand_in(b"\x20\x03\x00\x89\x00") as (port, _):
        with pytest.raises(LinkLost, match=r"refused the session for now: Server busy"):
            await attempt(make(f"mqtt://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "wrong",
    ["mqtt://", "http://broker", "mqtt://me:p4ss/word@broker", "mqtt://broker/a/topic", "mqtt://me:p4ss#word@broker"],
)
def test_a_link_that_names_no_broker_is_for_a_person(wrong):
    with pytest.raises(ConfigError, match="expected a link such as mqtt://localhost:1883") as caught:
        make(wrong)
    assert "p4ss" not in str(caught.value)


async def test_stopping_says_goodbye_both_ways(broker):
    app = App()
    async with serving(make(link(broker)), app) as served:
        served.cancel()
        event = await app.next()
        assert (event["type"], event["code"]) == ("mqtt.disconnect", 1012)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(served, SOON)
    assert broker.says(f"Client {app.scope['client_id']} disconnected.")  # and not "closed its connection"


async def test_stopping_does_not_wait_for_an_app_that_does_not_end(broker, monkeypatch):
    monkeypatch.setattr(mqtt, "FAREWELL", 0.05)
    app = App(deaf=True)
    async with serving(make(link(broker)), app) as served:
        served.cancel()
        await asyncio.wait({served}, timeout=SOON)
        assert served.cancelled()


async def test_stopping_while_connecting_is_at_once():
    before = threading.active_count()  # with those that other tests' consumers and executors left idle
    async with stand_in(b"") as (port, streams):
        task = asyncio.create_task(make(f"mqtt://127.0.0.1:{port}").serve(App(), lambda: None))
        async with asyncio.timeout(SOON):
            while not streams:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait({task}, timeout=SOON)
        assert task.cancelled()
        assert threading.active_count() <= before + 2  # the loop's own executor, which looked up the host


async def test_closing_ends_the_serve_normally(broker):
    app = App()
    async with serving(make(link(broker)), app) as served:
        await app.send({"type": "mqtt.close", "code": 1001, "reason": "moved"})
        assert await app.next() == {"type": "mqtt.disconnect", "code": 1001, "reason": "moved"}
        with pytest.raises(LocalProtocolError, match=r"it came after mqtt.close"):
            await app.publish("a", "1")
        await asyncio.wait_for(served, SOON)
    assert broker.says(f"Client {app.scope['client_id']} disconnected.")


async def test_a_bug_in_the_app_comes_out_of_serve_and_the_session_is_closed(broker):
    async def broken(scope, receive, send):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(make(link(broker)).serve(broken, lambda: None), SOON)
    assert broker.says("disconnected.")


@VERSIONS
async def test_a_payload_too_large_is_dropped_and_counted(broker, protocol, caplog):
    app = App()
    server = make(link(broker), protocol=protocol, max_payload=128)
    async with serving(server, app):
        await app.subscribe("a")
        for payload in ("x" * 129, "y" * 128):
            await asyncio.to_thread(broker.publish, "a", payload)
        assert (await app.next())["payload"] == b"y" * 128
    assert server.counters() == {"too_large": 1, "ill_formed": 0}
    assert "attic: dropped 129 bytes on a; the largest payload is 128" in caplog.text


async def test_a_flood_is_paced_by_the_reader_and_nothing_is_lost(tmp_path):
    broker = Mosquitto(tmp_path, ["max_queued_messages 0"]).start()  # or it drops QoS 0 itself
    gate = asyncio.Event()
    heard = []
    number = 3 * TRANSPORT_CAPACITY

    async def slow(scope, receive, send):
        await receive()
        await send({"type": "mqtt.subscribe", "topic": "flood", "qos": 1})
        gate.set()
        while len(heard) < number:
            heard.append((await receive())["payload"])
            if len(heard) % 100 == 0:
                await asyncio.sleep(0.001)

    class Lines:
        def __init__(self):
            base = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "flood", "-l"]
            self.process = subprocess.Popen(base, stdin=subprocess.PIPE, text=True)

        def run(self):
            self.process.communicate("".join(f"{n}\n" for n in range(number)), timeout=4 * SOON)

    serve = asyncio.create_task(make(link(broker)).serve(slow, lambda: None))
    await asyncio.wait_for(gate.wait(), SOON)
    try:
        await asyncio.to_thread(Lines().run)
        await asyncio.wait_for(serve, 4 * SOON)
    finally:
        serve.cancel()
        broker.kill()
    assert heard == [str(n).encode() for n in range(number)]


async def test_a_reader_that_is_stuck_loses_messages_and_the_session_lives(broker, monkeypatch):
    monkeypatch.setattr(mqtt, "FAREWELL", 0.05)
    app = App(deaf=True)
    async with serving(make(link(broker)), app):
        await app.subscribe("flood")
        payloads = [app.send({"type": "mqtt.send", "topic": "flood", "payload": str(n)}) for n in range(1500)]
        await asyncio.wait_for(asyncio.gather(*payloads), 2 * SOON)
        with subscriber(broker, "after") as message:
            await app.publish("after", "1", qos=2)
            assert await message() == ["after", "1", "2", "0"]
        mailbox = app.receive.__self__
        async with asyncio.timeout(SOON):
            while not mailbox.dropped:
                await asyncio.sleep(0.01)
        assert len(mailbox) <= TRANSPORT_CAPACITY


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"\xe0\x01\x8e", "another client came with the client id twin"),
        (b"\xe0\x01\x8b", "ended the session: Server shutting down"),
        (b"\x30\x03\x00\x09a", r"sent what is not MQTT|closed the connection"),
    ],
)
async def test_why_the_broker_ended_the_session_is_told(packet, words):
    async with stand_in(ACCEPTED) as (port, streams):
        app = App()
        async with serving(make(f"mqtt://127.0.0.1:{port}", client_id="twin"), app) as served:
            streams[1].write(packet)
            assert (await app.next())["code"] == 1006
            with pytest.raises(LinkLost, match=words):
                await asyncio.wait_for(served, SOON)


async def test_a_topic_that_is_not_utf8_is_noise():
    async with stand_in(ACCEPTED) as (port, streams):
        app = App()
        server = make(f"mqtt://127.0.0.1:{port}")
        async with serving(server, app):
            streams[1].write(b"\x30\x04\x00\x01\xff\x00" + b"\x30\x05\x00\x01a\x00x")
            assert (await app.next())["payload"] == b"x"
        assert server.counters()["ill_formed"] == 1


def test_the_client_id_is_short_and_each_devices_own(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "box.example.org")
    assert mqtt.default_client_id("attic") == "edge-box-attic"
    long = {mqtt.default_client_id(f"a-device-with-a-long-name-{n}") for n in range(50)}
    assert len(long) == 50
    assert {len(name) for name in long} == {23}


@VERSIONS
@pytest.mark.parametrize(("qos", "packet"), [(1, "PUBACK"), (2, "PUBREC")])
async def test_the_broker_hears_of_a_message_when_it_was_handled(broker, protocol, qos, packet):
    app = App(deaf=True)
    held = asyncio.Event()

    async def slow(scope, receive, send):
        app.send = send
        app.events.put_nowait(await receive())
        app.events.put_nowait(await receive())
        await held.wait()
        app.events.put_nowait(await receive())

    async with serving(make(link(broker), protocol=protocol), slow_app(app, slow)):
        await app.subscribe("a", qos)
        await asyncio.to_thread(broker.publish, "a", "1", "-q", qos)
        assert (await app.next())["payload"] == b"1"
        await app.publish("b", "", qos=1)  # the broker has answered this, so it has read all that we wrote before
        assert f"Received {packet} from {mqtt.default_client_id('attic')}" not in broker.log.read_text()
        held.set()
        assert await asyncio.to_thread(broker.says, f"Received {packet} from {mqtt.default_client_id('attic')}")


def slow_app(app, run):
    app.__class__ = type("Slow", (App,), {"__call__": lambda self, *line: run(*line)})
    return app


async def test_properties_go_both_ways(broker):
    said = {
        "payload_format_indicator": 1,
        "message_expiry_interval": 60,
        "content_type": "text/plain",
        "response_topic": "answers",
        "correlation_data": b"\x00\x07",
        "user_property": [["unit", "K"], ["unit", "C"]],
    }
    app = App()
    async with serving(make(link(broker)), app):
        await app.subscribe("a", qos=1)
        await app.publish("a", "1", qos=1, properties=said)
        assert (await app.next())["properties"] == said
        with pytest.raises(LocalProtocolError, match="content_type: expected text; got 7"):
            await app.publish("a", "1", properties={"content_type": 7})


async def test_what_is_retained_comes_to_the_holder_that_joins_and_the_qos_sinks_when_one_leaves(broker):
    app = App()
    async with serving(make(link(broker)), app):
        await app.publish("state", "on", qos=1, retain=True)
        await app.send({"type": "mqtt.subscribe", "topic": "state", "qos": 0, "holder": "1/"})
        assert (await app.next())["holder"] == "1/"
        await app.send({"type": "mqtt.subscribe", "topic": "state", "qos": 1, "holder": "2/"})
        assert (await app.next())["holder"] == "2/"
        await app.send({"type": "mqtt.unsubscribe", "topic": "state", "holder": "2/"})
        await app.publish("state", "off", qos=1)
        event = await app.next()
        assert (event["payload"], event["qos"], event["retain"]) == (b"off", 0, False)


async def test_others_are_told_when_we_come_and_when_we_go(broker):
    options = {"will_topic": "box", "birth_topic": "box", "will_payload": "gone", "birth_payload": "here"}
    with subscriber(broker, "box") as message:
        async with serving(make(link(broker), **options), App()):
            assert await message() == ["box", "here", "1", "0"]
            with subscriber(broker, "box") as kept:
                assert await kept() == ["box", "here", "1", "1"]
    with subscriber(broker, "box") as kept:
        assert await kept() == ["box", "gone", "1", "1"]


async def test_a_password_comes_out_of_a_credential_and_never_into_words(tmp_path, monkeypatch):
    passwords = tmp_path / "passwords"
    run("mosquitto_passwd", "-b", "-c", passwords, "me", "h4nd5-off")
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path, ["allow_anonymous false", f"password_file {passwords}"]).start()
    server = make(link(broker), username="me", password_file="broker")
    try:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        with pytest.raises(LinkLost, match="no systemd credentials are here"):
            await attempt(server)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        with pytest.raises(LinkLost, match=r"password file .*/broker: No such file"):
            await attempt(server)
        (tmp_path / "broker").write_text("wrong\n")
        with pytest.raises(LinkLost, match=r"not authorised|user name and password") as caught:
            await attempt(server)
        assert "wrong" not in str(caught.value)
        (tmp_path / "broker").write_text("h4nd5-off\n")
        async with serving(server, App()):
            assert "h4nd5-off" not in repr(server._broker)
    finally:
        broker.kill()
