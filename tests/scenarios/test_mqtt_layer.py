"""The channel layer over MQTT on a real mosquitto: two processes, outages, hostile senders, passwords, workers."""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import textwrap

import channels.layers
import django
import pytest
from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer as TheirWebsocketConsumer
from django.test import override_settings

from edge.consumers import AsyncWebsocketConsumer, WebsocketConsumer
from edge.errors import ConfigError
from edge.exceptions import ChannelFull, MessageTooLarge
from edge.layers import get_channel_layer, sync_facade
from edge.layers.mqtt import LayerAwayError, MqttChannelLayer
from edge.layers.packing import pack
from edge.mailbox import Mailbox
from edge.testing import WebsocketCommunicator
from tests.contract.layers import PrivateMosquitto
from tests.scenarios.running import Box, Process, Workbench, environment, eventually, make_rows, short_folder
from transports.probes import Browser, messages
from transports.probes import broker as client

django.setup()  # edge.apps is what hands the setting on

pytestmark = pytest.mark.needs("mosquitto")

SOON = 15.0  # seconds
NEVER = 0.3  # seconds in which what must not come would have come
BACKEND = "edge.layers.mqtt.MqttChannelLayer"


@pytest.fixture(autouse=True)
def no_old_connections(monkeypatch):
    """Channels' consumers look for no connections that earlier tests have left, as in tests of its own."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)


@pytest.fixture
def mosquitto(tmp_path):
    running = PrivateMosquitto(tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture
async def make(mosquitto):
    """Make layers, each as if in a process of its own."""
    async with contextlib.AsyncExitStack() as stack:

        def one(**config):
            layer = MqttChannelLayer(**{"url": mosquitto.url, **config})
            stack.push_async_callback(layer.close)
            return layer

        yield one


def said(text):
    return {"type": "chat.message", "text": text}


async def take(layer, name):
    return await asyncio.wait_for(layer.receive(name), SOON)


async def member(layer, group="room"):
    name = await layer.new_channel()
    await layer.group_add(group, name)
    return name


class Ours(AsyncWebsocketConsumer):
    groups = ("room",)

    async def receive(self, text_data):
        await self.channel_layer.group_send("room", said(text_data))

    async def chat_message(self, event):
        await self.send(text_data=event["text"])

    async def layer_restored(self, event):
        await self.send(text_data="there may be a gap")


class OursSync(WebsocketConsumer):
    groups = ("room",)

    def receive(self, text_data):
        sync_facade(self.channel_layer).group_send("room", said(text_data))

    def chat_message(self, event):
        self.send(text_data=event["text"])


class Theirs(TheirWebsocketConsumer):
    groups = ("room",)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", said(text_data))

    async def chat_message(self, event):
        await self.send(text_data=event["text"])


@contextlib.asynccontextmanager
async def connected(*consumers):
    talkers = [WebsocketCommunicator(consumer.as_asgi(), "/") for consumer in consumers]
    for talker in talkers:
        assert (await talker.connect(timeout=SOON))[0]
    yield talkers
    for talker in talkers:
        await talker.disconnect(timeout=SOON)


@contextlib.asynccontextmanager
async def by_setting(url, **config):
    """Put the layer in place by the setting: Edge makes one of it, Channels another, as if in another process."""
    setting = {"default": {"BACKEND": BACKEND, "CONFIG": {"url": url, **config}}}
    with override_settings(CHANNEL_LAYERS=setting):
        try:
            yield get_channel_layer()
        finally:
            for made in (get_channel_layer(), channels.layers.get_channel_layer()):
                await made.close()


# Two processes

ROOMS = """
    import asyncio, json, sys
    from edge.layers.mqtt import MqttChannelLayer

    async def main():
        layer, heard = MqttChannelLayer(sys.argv[1]), []

        async def read(name):
            while True:
                heard.append((await layer.receive(name))["number"])

        names = [await layer.new_channel() for _ in range(20)]
        for number, name in enumerate(names):
            await layer.group_add(f"room{number}", name)
        readers = [asyncio.create_task(read(name)) for name in names]
        print("joined", names[0], flush=True)
        while len(heard) < 601:
            await asyncio.sleep(0.01)
        print(json.dumps(sorted(heard)), flush=True)
        for reader in readers:
            reader.cancel()
        await layer.close()

    asyncio.run(main())
"""


async def test_six_hundred_sends_to_twenty_rooms_over_two_processes_twenty_at_a_time_all_arrive(
    make, mosquitto, tmp_path
):
    script = tmp_path / "rooms.py"
    script.write_text(textwrap.dedent(ROOMS))
    other = Process(sys.executable, script, mosquitto.url, folder=tmp_path, env=environment(), name="rooms")
    layer, heard = make(), []

    async def read(name):
        while True:
            heard.append((await layer.receive(name))["number"])

    names = [await member(layer, f"room{number}") for number in range(20)]
    readers = [asyncio.create_task(read(name)) for name in names]
    try:
        theirs = (await asyncio.to_thread(other.says, r"joined (\S+)"))[1]
        sending = asyncio.Semaphore(20)

        async def send(number):
            async with sending:
                return await layer.group_send(f"room{number % 20}", {"type": "x", "number": number})

        receipts = await asyncio.wait_for(asyncio.gather(*map(send, range(600))), SOON)
        assert receipts == [(1, 0)] * 600
        await layer.send(theirs, {"type": "x", "number": 600})
        counted = (await asyncio.to_thread(other.says, r"\[.*\]"))[0]
        assert json.loads(counted) == list(range(601))
        await eventually(lambda: len(heard) == 600, lambda: len(heard))
        assert sorted(heard) == list(range(600))
        assert await asyncio.to_thread(other.process.wait, SOON) == 0, other.words()
        with pytest.raises(ChannelFull, match="has ended"):
            await layer.send(theirs, said("to nobody"))
    finally:
        other.kill()
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers, timeout=SOON)


async def test_layers_with_different_prefixes_do_not_meet(make):
    one, same, stranger = make(prefix="site/one"), make(prefix="site/one"), make(prefix="site/two")
    names = [await member(layer) for layer in (one, stranger)]
    await same.group_send("room", said("hello"))
    assert await take(one, names[0]) == said("hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stranger.receive(names[1]), NEVER)


async def test_a_message_to_a_shared_channel_is_held_until_somebody_reads_and_then_one_of_them_has_it(make):
    sender, one, two = make(capacity=3), make(), make()
    for number in range(3):
        await sender.send("jobs", {"type": "job", "number": number})
    with pytest.raises(ChannelFull):
        await sender.send("jobs", said("too many"))
    assert [(await take(one, "jobs"))["number"] for _ in range(3)] == [0, 1, 2]
    readers = [asyncio.create_task(layer.receive("jobs")) for layer in (one, two)]
    await asyncio.sleep(NEVER)
    for number in range(2):
        await sender.send("jobs", {"type": "job", "number": number})
    found = [await asyncio.wait_for(reader, SOON) for reader in readers]
    assert sorted(message["number"] for message in found) == [0, 1]


async def test_what_a_reader_had_and_did_not_read_goes_to_the_next_when_it_leaves(make):
    sender, leaver, stayer = make(), make(), make()
    await sender.send("jobs", said("read"))
    assert await take(leaver, "jobs") == said("read")
    for number in range(3):
        await sender.send("jobs", {"type": "job", "number": number})
    await eventually(lambda: "jobs" in leaver._session.local.channels, "the jobs are with the one who leaves")
    reading = asyncio.create_task(stayer.receive("jobs"))
    await asyncio.sleep(NEVER)
    await leaver.close()
    found = [await asyncio.wait_for(reading, SOON), *[await take(stayer, "jobs") for _ in range(2)]]
    assert [message["number"] for message in found] == [0, 1, 2]


async def test_a_channel_that_is_read_elsewhere_may_be_a_member(make):
    here, there = make(), make()
    name = await there.new_channel()
    await here.group_add("room", name)
    assert await here.group_send("room", said("one")) == (1, 0)
    assert await take(there, name) == said("one")
    await here.group_discard("room", name)
    assert await here.group_send("room", said("two")) == (0, 0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(there.receive(name), NEVER)


async def test_a_setting_alone_puts_ours_and_channels_own_consumers_into_one_group(mosquitto):
    async with by_setting(mosquitto.url) as layer, connected(Ours, OursSync, Theirs) as talkers:
        assert channels.layers.get_channel_layer() is not layer
        for number, speaker in enumerate(talkers):
            await speaker.send_to(text_data=f"said by {number}")
            assert [await talker.receive_from(timeout=SOON) for talker in talkers] == [f"said by {number}"] * 3
        await asyncio.to_thread(sync_facade(layer).group_send, "room", said("from a view"))
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["from a view"] * 3


async def test_our_consumers_have_no_task_of_their_own_for_the_layer(mosquitto):
    async with by_setting(mosquitto.url) as layer, connected(Ours, Ours) as talkers:
        await layer.group_send("room", said("hello"))
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["hello"] * 2
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "edge-consumer-layer"]


# Loops


async def test_a_call_from_another_loop_is_carried_home(make):
    layer, other = make(), make()
    names = [await member(layer), await member(other)]

    def elsewhere():
        async_to_sync(layer.group_send)("room", said("from async_to_sync"))
        asyncio.run(layer.group_send("room", said("from a loop of its own")))

    await asyncio.to_thread(elsewhere)
    for made, name in zip((layer, other), names, strict=True):
        assert [(await take(made, name))["text"] for _ in range(2)] == ["from async_to_sync", "from a loop of its own"]


def test_loops_that_come_and_go_each_get_a_connection(mosquitto):
    layer = MqttChannelLayer(mosquitto.url)

    async def once(text):
        name = await member(layer)
        await layer.group_send("room", said(text))
        assert await take(layer, name) == said(text)

    for number in range(3):
        asyncio.run(once(f"loop {number}"))


def test_a_script_ends_without_a_word_although_it_never_closed_the_layer(mosquitto, tmp_path):
    script = f"""
        from edge.layers import sync_facade
        from edge.layers.mqtt import MqttChannelLayer
        sync_facade(MqttChannelLayer({mosquitto.url!r})).group_send("room", {{"type": "x"}})
    """
    command = [sys.executable, "-W", "default", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=SOON, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Outages


async def test_a_killed_broker_is_told_to_senders_and_its_return_to_consumers(mosquitto, make, caplog):
    other = make()
    async with by_setting(mosquitto.url) as layer, connected(Ours, Ours) as talkers:
        await other.group_send("room", said("before"))
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["before"] * 2
        mosquitto.kill()
        with pytest.raises(LayerAwayError):
            await asyncio.wait_for(other.group_send("room", said("lost")), SOON)
        await eventually(lambda: layer._session._line.why, "the layer knows")
        with pytest.raises(LayerAwayError, match=r"away: .*127\.0\.0\.1.*2 members in this process have the message"):
            await layer.group_send("room", said("to us alone"))
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["to us alone"] * 2
        with pytest.raises(ChannelFull):
            await layer.send("jobs", said("lost"))
        late = await member(layer, "joined.meanwhile")
        mosquitto.start()
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["there may be a gap"] * 2
        await eventually(lambda: not other._session._line.why, "the other is back")
        await other.group_send("room", said("after"))
        assert [await talker.receive_from(timeout=SOON) for talker in talkers] == ["after"] * 2
        await other.group_send("joined.meanwhile", said("heard"))
        assert await take(layer, late) == said("heard")
    assert sum("without its MQTT broker" in text for text in caplog.messages) >= 2
    assert not any("refused, as all of its type" in text for text in caplog.messages)


async def test_a_layer_says_in_plain_words_what_its_broker_is_away_for(mosquitto, make):
    layer = make()
    assert layer.problem == ""  # nobody used it yet
    await layer.connect()
    await eventually(lambda: layer._session._line.tried, "it was tried")
    assert layer.problem == ""
    mosquitto.kill()
    await eventually(lambda: layer.problem.startswith("the MQTT broker of the channel layer: "), lambda: layer.problem)
    mosquitto.start()
    await eventually(lambda: layer.problem == "", lambda: layer.problem)


async def test_a_shared_channel_is_read_again_after_an_outage(mosquitto, make):
    sender, reader = make(), make()
    await sender.send("jobs", said("one"))
    assert await take(reader, "jobs") == said("one")
    reading = asyncio.create_task(reader.receive("jobs"))
    mosquitto.kill()
    await eventually(lambda: reader._session._line.why, "the reader knows")
    mosquitto.start()
    await eventually(lambda: not reader._session._line.why and not sender._session._line.why, "both are back")
    await sender.send("jobs", said("two"))
    assert await asyncio.wait_for(reading, SOON) == said("two")


async def test_who_began_before_its_broker_is_heard_and_told_once_it_is_there(mosquitto, make):
    mosquitto.kill()
    async with by_setting(mosquitto.url) as layer, connected(Ours) as [talker]:
        reading = asyncio.create_task(layer.receive("jobs"))
        await eventually(lambda: layer._session._line.why, "the layer knows")
        sender = make()
        with pytest.raises(LayerAwayError):
            await sender.send("jobs", said("too early"))
        mosquitto.start()
        assert await talker.receive_from(timeout=SOON) == "there may be a gap"
        await eventually(lambda: not sender._session._line.why, "the sender is there")
        await sender.send("jobs", said("heard"))
        assert await asyncio.wait_for(reading, SOON) == said("heard")


async def test_a_mailbox_that_was_detached_at_once_leaves_no_subscription(make):
    sender, layer = make(), make()
    await layer.new_channel()
    layer.attach("device.vhf", Mailbox())
    layer.detach("device.vhf")
    await asyncio.sleep(NEVER)
    assert not layer._session._line.wanted("$share/edge/edge/c/device.vhf")
    layer.attach("device.vhf", mailbox := Mailbox())
    await eventually(lambda: layer._session._line.wanted("$share/edge/edge/c/device.vhf"), "it is read again")
    await sender.send("device.vhf", said("to the device"))
    assert (await asyncio.wait_for(mailbox.next(), SOON))[1] == said("to the device")


async def test_a_broker_that_never_was_there_does_not_keep_consumers_from_living(caplog):
    with caplog.at_level(logging.WARNING):
        async with by_setting("mqtt://127.0.0.1:1") as layer, connected(Ours) as [talker]:
            with pytest.raises(LayerAwayError, match="refused the connection"):
                await layer.group_send("room", said("here"))
            assert await talker.receive_from(timeout=SOON) == "here"


# What others send


async def test_hostile_payloads_are_dropped_and_counted_and_harm_nobody(mosquitto, make):
    layer = make()
    name = await member(layer)
    process = name.partition("!")[0].rpartition(".")[2]
    bad = [
        b"",
        b"\xff",
        b"[]",
        b'{"type": 7}',
        b"[" * 50_000,
        b"B" + b"0" * 30,
        b'{"type":"x","n":' + b"9" * 9999 + b"}",
    ]
    async with asyncio.timeout(SOON), client(mosquitto.url) as hostile:
        for payload in bad:
            await hostile.publish("edge/g/room", payload, qos=1)
            await hostile.publish(f"edge/p/{process}/{name}", payload, qos=1)
        await hostile.publish(f"edge/p/{process}/{name}x", pack(said("to nobody")), qos=1)
        await hostile.publish(f"edge/p/{process}/no name", pack(said("to nobody")), qos=1)
        await hostile.publish("edge/w/jobs", b"\xff" * 99, qos=1)
        await hostile.publish("edge/g/room", b"x" * 3_000_000, qos=1)
        await hostile.publish("edge/g/room", pack(said("good")), qos=1)
    assert await take(layer, name) == said("good")
    assert (
        layer.dropped == 2 * len(bad) + 2
    )  # the largest is not even sent to us: MQTT 5 lets a client say how much it takes
    assert len(layer._session.local.channels) == 0


async def test_a_message_that_was_retained_is_not_of_this_moment(mosquitto, make):
    async with asyncio.timeout(SOON), client(mosquitto.url) as hostile:
        await hostile.publish("edge/g/room", pack(said("old")), qos=1, retain=True)
    layer = make()
    name = await member(layer)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive(name), NEVER)


async def test_a_message_that_is_too_large_is_refused_before_anybody_has_it(make):
    layer = make(max_message=1000)
    name = await member(layer)
    with pytest.raises(MessageTooLarge):
        await layer.group_send("room", said("x" * 1000))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive(name), NEVER)


async def test_a_reader_that_is_stuck_loses_and_others_in_its_process_do_not(make):
    sender, layer = make(), make(capacity=5)
    stuck, quick = await member(layer), await member(layer)
    heard = []

    async def read():
        while True:
            heard.append((await layer.receive(quick))["number"])

    reader = asyncio.create_task(read())
    for number in range(50):
        await sender.group_send("room", {"type": "x", "number": number})
    await eventually(lambda: len(heard) == 50, lambda: heard)
    reader.cancel()
    assert heard == list(range(50))
    assert layer.dropped == 45
    assert (await take(layer, stuck))["number"] == 0


# Who may


@pytest.fixture
def guarded(tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "edge", "open sesame"], check=True, timeout=SOON)
    rights = tmp_path / "rights"
    rights.write_text("user edge\ntopic readwrite edge/#\n")
    running = PrivateMosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}")
    running.start()
    yield running
    running.kill()


@pytest.mark.needs("mosquitto_passwd")
async def test_a_password_from_a_file_opens_the_broker_and_a_wrong_one_is_told_and_never_shown(
    guarded, make, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    layer = make(url=guarded.url, username="edge", password_file=str(secret))
    name = await member(layer)
    await make(url=guarded.url.replace("//", "//edge:open%20sesame@")).group_send("room", said("hello"))
    assert await take(layer, name) == said("hello")
    wrong = make(url=guarded.url, username="edge", password="my wrong one")
    with pytest.raises(LayerAwayError, match="user name and password"):
        await wrong.group_send("room", said("hello"))
    assert "wrong one" not in caplog.text + repr(wrong) + repr(wrong._settings.broker)
    assert "sesame" not in caplog.text + repr(layer) + layer.url


@pytest.mark.needs("mosquitto_passwd")
async def test_what_the_broker_does_not_allow_is_told_to_the_sender(guarded, make):
    layer = make(url=guarded.url, username="edge", password="open sesame", prefix="elsewhere")
    with pytest.raises(LayerAwayError, match="refused a message on elsewhere/g/room: Not authorized"):
        await layer.group_send("room", said("hello"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"url": "http://localhost"}, "expected a link such as mqtt://"),
        ({"url": "mqtt://u:secret@localhost:99999999"}, "expected a link"),
        ({"hosts": []}, "unknown hosts; known are username"),
        ({"prefix": "a/+"}, "no wildcards"),
        ({"prefix": ""}, "a prefix is"),
        ({"prefix": "$SYS"}, "no wildcards"),
        ({"keepalive": 1}, "keepalive"),
        ({"max_message": 1}, "max_payload"),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words(config, words):
    with pytest.raises(ConfigError, match=words) as told:
        MqttChannelLayer(**config)
    assert "secret" not in str(told.value)


# Workers

APPLICATION = """
    from edge.consumers import AsyncConsumer
    from edge.routing import ChannelNameRouter, ProtocolTypeRouter

    class Doubles(AsyncConsumer):
        async def double(self, event):
            await self.channel_layer.send(event["answer"], {"type": "done", "number": 2 * event["number"]})

    application = ProtocolTypeRouter({"channel": ChannelNameRouter({"doubles": Doubles.as_asgi()})})
"""


@contextlib.contextmanager
def their_site(tmp_path, url):
    (tmp_path / "their_jobs.py").write_text(textwrap.dedent(APPLICATION))
    (tmp_path / "their_settings.py").write_text(
        "from django_site.settings import *\n"
        'ASGI_APPLICATION = "their_jobs.application"\n'
        f'CHANNEL_LAYERS = {{"default": {{"BACKEND": {BACKEND!r}, "CONFIG": {{"url": {url!r}}}}}}}\n'
    )
    given = environment(DJANGO_SETTINGS_MODULE="their_settings", EDGE_DATA=str(tmp_path / "data"))
    given["PYTHONPATH"] += f":{tmp_path}"
    yield given


async def test_jobs_that_were_sent_before_a_worker_came_are_done(make, mosquitto, tmp_path):
    layer = make()
    answers = await layer.new_channel()
    for number in range(5):
        await layer.send("doubles", {"type": "double", "number": number, "answer": answers})
    with their_site(tmp_path, mosquitto.url) as given:
        command = (sys.executable, "-m", "edge.cli", "worker", "doubles")
        worker = Process(*command, folder=tmp_path, env=given, name="worker")
    try:
        assert [(await take(layer, answers))["number"] for _ in range(5)] == [0, 2, 4, 6, 8]
        code, _ = await asyncio.to_thread(worker.stop)
        assert code == 0, worker.words()
    finally:
        worker.kill()


# A process with the devices, and another one with pages


async def hear_on(bench, tnc, info):
    while True:
        await asyncio.to_thread(bench.hear, tnc, info)
        await asyncio.sleep(NEVER)


async def test_pages_of_another_process_show_what_the_devices_hear_and_live_on_without_the_broker(mosquitto, tmp_path):
    with short_folder() as folder, their_site(tmp_path, mosquitto.url) as given, Workbench() as bench:
        data = folder / "data"
        data.mkdir()
        tnc = bench.plug(folder / "tnc")
        make_rows(data, {"name": "vhf", "kind": "aprs", "link": f"serial://{tnc.link}"})
        more = {name: given[name] for name in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")}
        serve = (sys.executable, "-m", "uvicorn", "--port", "0", "django_site.asgi:application")
        with Box(data, **more) as box:
            await asyncio.to_thread(box.turns, "vhf", "up")
            pages = Process(*serve, folder=folder, env=environment(EDGE_DATA=str(data), **more), name="pages")
            try:
                url = (await asyncio.to_thread(pages.says, r"running on (http://\S+)"))[1]
                assert "the devices are not run here" in pages.words()
                browser = Browser(url)
                login = await asyncio.to_thread(box.login_path)
                await asyncio.to_thread(browser.submit, login)
                async with asyncio.timeout(4 * SOON), browser.websocket("/ws/live/") as socket:
                    told = messages(socket)
                    begun = [await anext(told) for _ in range(3)]
                    assert {message["type"] for message in begun} == {"status", "problems", "history"}
                    assert begun[0]["devices"][0]["state"] == "up"  # of the other process, by its control socket
                    await asyncio.to_thread(bench.hear, tnc, ">heard in one process, shown by another")
                    async for message in told:
                        if "shown by another" in json.dumps(message):
                            break
                    mosquitto.kill()
                    await asyncio.to_thread(bench.hear, tnc, ">while the broker is away")
                    await asyncio.to_thread(box.says, "without its MQTT broker")
                    assert await asyncio.to_thread(lambda: box.device("vhf")["state"]) == "up"
                    mosquitto.start()
                    await asyncio.to_thread(box.says, "(?s)without its MQTT broker.*the channel layer is at")
                    beacon = asyncio.create_task(hear_on(bench, tnc, ">and back again"))
                    async for message in told:
                        if "and back again" in json.dumps(message):
                            break
                    beacon.cancel()
                await asyncio.to_thread(pages.stop)
                assert "Application shutdown complete" in pages.words()
                assert "Task was destroyed" not in pages.words()
            finally:
                pages.kill()
