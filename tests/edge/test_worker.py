"""`edge.worker`: jobs one by one, whatever becomes of the one before; and the two commands."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import django
import pytest
from django.core.management import CommandError, call_command

from django_site.commands import worker as command
from edge import cli
from edge.consumers import AsyncConsumer, SyncConsumer
from edge.errors import ConfigError, LocalProtocolError
from edge.layers import InMemoryChannelLayer, channel_layers
from edge.registry import import_string
from edge.routing import ChannelNameRouter, ProtocolTypeRouter
from edge.worker import Worker, require_route, require_shared

django.setup()

SOON = 5.0  # seconds; no test waits so long unless it fails


class Bench:
    """A layer, a worker on it, and what its consumers wrote down."""

    def __init__(self):
        self.layer = InMemoryChannelLayer()
        self.log = []
        self.written = asyncio.Event()
        self.go_on = asyncio.Event()
        self.task = None

    def write(self, line):
        self.log.append(line)
        self.written.set()

    async def until(self, count):
        async with asyncio.timeout(SOON):
            while len(self.log) < count:
                self.written.clear()
                await self.written.wait()
        return self.log

    def start(self, app, channels=("jobs",), **options):
        self.worker = Worker(app, channels, self.layer, **options)
        self.task = asyncio.create_task(self.worker.handle())

    async def send(self, *types, channel="jobs"):
        for type_ in types:
            await self.layer.send(channel, {"type": type_} if isinstance(type_, str) else type_)

    async def stop(self):
        self.worker.stop()
        await asyncio.wait_for(self.task, SOON)


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    if bench.task is not None and not bench.task.done():
        await bench.stop()
    left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(("worker", "edge"))]
    assert left == []


@pytest.fixture
def jobs(bench):
    class Jobs(AsyncConsumer):
        made = 0

        def __init__(self):
            super().__init__()
            Jobs.made += 1
            self.number = Jobs.made

        async def note(self, event):
            bench.write(f"{self.number} {event['type']}")

        async def fail(self, event):
            bench.write("fail")
            raise OSError("no disk")

        async def slow(self, event):
            bench.write("slow begins")
            await bench.go_on.wait()
            bench.write("slow ends")

        async def answer(self, event):
            await self.send({"type": "anything"})

        async def channel_disconnect(self, event):
            bench.write("goodbye")

    return Jobs


async def test_each_channel_has_one_instance_and_its_own_scope(bench):
    scopes = []

    class Jobs(AsyncConsumer):
        async def note(self, event):
            scopes.append(self.scope)
            bench.write((id(self), event["n"]))

    router = ProtocolTypeRouter({"channel": ChannelNameRouter({"a": Jobs.as_asgi(), "b": Jobs.as_asgi()})})
    bench.start(router, ("a", "b", "a"))
    for n, channel in enumerate("aab"):
        await bench.send({"type": "note", "n": n}, channel=channel)
    done = await bench.until(3)
    assert len({instance for instance, _ in done}) == 2
    assert {scope["channel"] for scope in scopes} == {"a", "b"}
    assert all(scope["type"] == "channel" for scope in scopes)


async def test_a_job_that_raises_loses_only_itself_and_the_next_has_a_new_instance(bench, jobs, caplog):
    await bench.send("note", "note", "fail", "note")
    bench.start(jobs.as_asgi())
    assert await bench.until(5) == ["1 note", "1 note", "fail", "goodbye", "2 note"]
    assert bench.worker.failed == 1
    [record] = [record for record in caplog.records if record.name == "edge.worker"]
    assert record.getMessage() == "jobs: a job failed; the next one gets a new instance"
    assert "no disk" in caplog.text


async def test_a_message_that_is_no_job_is_refused_and_logged(bench, jobs, caplog):
    for message in ({}, {"type": ""}, {"type": 7}, {"type": "_end"}, {"type": ".x"}, {"type": "note"}):
        await bench.send(message)
    bench.start(jobs.as_asgi())
    assert await bench.until(1) == ["1 note"]
    assert bench.worker.refused == 5
    assert "jobs: a message was refused, for its type says nothing: {'type': 7}" in caplog.text


async def test_a_job_of_an_unknown_type_loses_only_itself(bench, jobs, caplog):
    await bench.send("nothing.known", "note")
    bench.start(jobs.as_asgi())
    assert (await bench.until(2))[-1] == "2 note"
    assert "No handler for message type nothing.known" in caplog.text


async def test_jobs_wait_in_the_layer_for_their_turn(bench, jobs):
    await bench.send("slow", "note", "note")
    bench.start(jobs.as_asgi())
    await bench.until(1)
    await asyncio.sleep(0)
    assert (await asyncio.wait_for(bench.layer.receive("jobs"), SOON))["type"] == "note"  # another worker takes it
    bench.go_on.set()
    assert await bench.until(3) == ["slow begins", "slow ends", "1 note"]


async def test_a_stop_finishes_the_job_at_hand_and_begins_no_other(bench, jobs):
    await bench.send("slow", "note")
    bench.start(jobs.as_asgi())
    await bench.until(1)
    bench.worker.stop()
    await asyncio.sleep(0)
    bench.go_on.set()
    await asyncio.wait_for(bench.task, SOON)
    assert bench.log == ["slow begins", "slow ends", "goodbye"]
    assert (await asyncio.wait_for(bench.layer.receive("jobs"), SOON))["type"] == "note"


async def test_a_job_that_does_not_end_is_cut_off_after_a_while(bench, jobs, caplog):
    await bench.send("slow")
    bench.start(jobs.as_asgi(), stop_timeout=0.02)
    await bench.until(1)
    await bench.stop()
    assert bench.log == ["slow begins", "goodbye"]
    assert "jobs: a job did not end within 0.02 s and is cut off" in caplog.text


async def test_a_layer_that_swallows_a_cancellation_does_not_turn_a_stop_into_an_error(bench, jobs, monkeypatch):
    monkeypatch.setattr("edge.worker.CUT_TIMEOUT", 0.02)
    receive, asked = bench.layer.receive, asyncio.Event()

    async def stubborn(channel):
        asked.set()
        try:
            return await receive(channel)
        except asyncio.CancelledError:
            return await receive(channel)

    monkeypatch.setattr(bench.layer, "receive", stubborn)
    bench.start(jobs.as_asgi())
    await asyncio.wait_for(asked.wait(), SOON)
    await bench.stop()


async def test_a_plain_consumer_works_in_its_thread(bench):
    loop = asyncio.get_running_loop()

    class Jobs(SyncConsumer):
        def note(self, event):
            loop.call_soon_threadsafe(bench.write, event["type"])

    await bench.send("note", "note")
    bench.start(Jobs.as_asgi())
    assert await bench.until(2) == ["note", "note"]


async def test_a_consumer_of_channels_itself_works_too(bench):
    channels = pytest.importorskip("channels.consumer")

    class Jobs(channels.AsyncConsumer):
        async def note(self, event):
            bench.write("note")
            raise OSError("no disk")

    await bench.send("note", "note")
    bench.start(Jobs.as_asgi())
    assert await bench.until(2) == ["note", "note"]


async def test_a_consumer_may_have_a_channel_of_its_own(bench, monkeypatch):
    monkeypatch.setitem(channel_layers.backends, "default", bench.layer)

    class Jobs(AsyncConsumer):
        async def ask(self, event):
            await bench.layer.send(self.channel_name, {"type": "reply"})

        async def reply(self, event):
            bench.write("reply")

    await bench.send("ask")
    bench.start(Jobs.as_asgi())
    assert await bench.until(1) == ["reply"]


async def test_nobody_can_be_sent_to(bench, jobs, caplog):
    await bench.send("answer", "note")
    bench.start(jobs.as_asgi())
    await bench.until(2)
    [record] = [record for record in caplog.records if record.name == "edge.worker"]
    assert isinstance(record.exc_info[1], LocalProtocolError)
    assert "a worker has nobody to send 'anything' to" in str(record.exc_info[1])


async def test_an_app_that_ends_without_taking_its_job_is_told_of(bench, caplog):
    async def ends(scope, receive, send):
        bench.write("called")

    await bench.send("note", "note")
    bench.start(ends)
    await bench.until(2)
    await bench.stop()
    assert caplog.text.count("jobs: a job was lost: the app ended without taking it") == 2


async def test_a_layer_that_fails_is_asked_again(bench, jobs, caplog, monkeypatch):
    monkeypatch.setattr("edge.backoff.SHORTEST", 0.01)
    errors = [ConnectionError("no broker")]
    receive = bench.layer.receive

    async def failing(channel):
        if errors:
            raise errors.pop()
        return await receive(channel)

    bench.layer.receive = failing
    await bench.send("note")
    bench.start(jobs.as_asgi())
    assert await bench.until(1) == ["1 note"]
    assert "jobs: the channel layer failed; asked again in 0.0 s" in caplog.text


async def test_a_worker_that_is_cancelled_cuts_its_jobs_off(bench, jobs):
    await bench.send("slow")
    bench.start(jobs.as_asgi())
    await bench.until(1)
    bench.task.cancel()
    await asyncio.wait({bench.task}, timeout=SOON)
    assert bench.task.cancelled()
    assert bench.log == ["slow begins", "goodbye"]


def test_a_worker_needs_a_layer():
    with pytest.raises(ValueError, match="Channel layer is not valid"):
        Worker(ProtocolTypeRouter({}), ["jobs"], None)


@pytest.mark.parametrize(
    ("layer", "words"),
    [(None, "there is no channel layer 'x'"), (InMemoryChannelLayer(), "'x' is in the memory of one process")],
)
def test_a_layer_that_no_other_process_shares_is_a_mistake_with_words(layer, words):
    with pytest.raises(ConfigError, match=words):
        require_shared(layer, "x")


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (ProtocolTypeRouter({}), 'has no "channel" in its ProtocolTypeRouter'),
        (ProtocolTypeRouter({"channel": ChannelNameRouter({"a": None})}), "has no jobs; it has a"),
        (ChannelNameRouter({}), "has no jobs; it has nothing"),
    ],
)
def test_an_application_without_the_channel_is_a_mistake_with_words(app, words):
    with pytest.raises(ConfigError, match=words):
        require_route(app, ["jobs"])


def test_another_kind_of_application_may_serve_any_channel():
    require_route(AsyncConsumer.as_asgi(), ["jobs"])


def test_both_commands_say_what_is_missing(capsys, settings):
    settings.ASGI_APPLICATION = "edge.contrib.echo.AsyncEcho"
    assert command.main(["jobs"]) == cli.FAILED
    assert "is in the memory of one process" in capsys.readouterr().err
    assert command.main(["--application", "nowhere.app", "jobs"]) == cli.FAILED
    assert "cannot import nowhere" in capsys.readouterr().err
    with pytest.raises(CommandError, match="there is no channel layer 'other'"):
        call_command("runworker", "--layer", "other", "jobs")
    settings.ASGI_APPLICATION = None
    with pytest.raises(CommandError, match="the setting ASGI_APPLICATION names no application"):
        call_command("runworker", "jobs")


def test_both_commands_run_the_worker_of_the_application(monkeypatch, settings):
    runs = []

    class Shared:
        pass

    class Noted(Worker):
        def run(self):
            runs.append((self.application, self.channels, self.channel_layer))

    shared = Shared()
    settings.ASGI_APPLICATION = "edge.contrib.echo.AsyncEcho"
    monkeypatch.setitem(channel_layers.backends, "default", shared)
    monkeypatch.setattr(command, "Worker", Noted)
    runworker = import_string("edge.management.commands.runworker:Command")
    monkeypatch.setattr(runworker, "worker_class", Noted)
    assert command.main(["a", "b"]) == cli.OK
    call_command("runworker", "a", "b")
    assert runs == [(import_string("edge.contrib.echo.AsyncEcho"), ["a", "b"], shared)] * 2


def test_a_process_of_its_own_finishes_its_job_at_a_sigterm():
    program = """
        import asyncio, signal, os, logging
        from edge.consumers import AsyncConsumer
        from edge.layers import InMemoryChannelLayer
        from edge.worker import Worker

        logging.basicConfig(level="INFO")
        layer = InMemoryChannelLayer()

        class Jobs(AsyncConsumer):
            async def job(self, event):
                print("begun", flush=True)
                await asyncio.sleep(0.1)
                print("done", flush=True)

        class Fed(Worker):
            async def handle(self):
                await layer.send("jobs", {"type": "job"})
                await layer.send("jobs", {"type": "job"})
                await super().handle()

        Fed(Jobs.as_asgi(), ["jobs"], layer).run()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "done\n"), err
    assert "INFO:edge.worker:stopped; 0 jobs failed, 0 messages were refused" in err
