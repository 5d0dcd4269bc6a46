"""`edge.lifespan`: hooks, what they keep, and their failures; over uvicorn's own lifespan too."""

import asyncio
import contextlib
import json

import pytest
import uvicorn

from edge.consumers import AsyncHttpConsumer
from edge.errors import ConfigError
from edge.lifespan import Lifespan, running
from edge.routing import ProtocolTypeRouter
from edge.testing import ApplicationCommunicator, HttpCommunicator

SOON = 5.0  # seconds; no test waits so long unless it fails


class ShowState(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, json.dumps(self.scope.get("state")).encode())


class Log(list):
    def hook(self, name, error=None, wait=None):
        async def hook(state):
            self.append(name)
            state[name] = True
            if wait is not None:
                await wait.wait()
            if error is not None:
                raise error

        hook.__qualname__ = name
        return hook

    def part(self, name, app=None, **options):
        return Lifespan(app, [self.hook(f"start {name}")], [self.hook(f"stop {name}")], **options)


@pytest.fixture
def log():
    return Log()


async def started(app, **scope):
    server = ApplicationCommunicator(app, {"type": "lifespan", "asgi": {"version": "3.0"}, **scope})
    await server.send_input({"type": "lifespan.startup"})
    return server, await server.receive_output(SOON)


async def stopped(server):
    await server.send_input({"type": "lifespan.shutdown"})
    answer = await server.receive_output(SOON)
    await server.wait()
    return answer


async def test_hooks_run_at_the_start_and_the_stop_and_share_a_state(log):
    state = {}
    server, answer = await started(log.part("a"), state=state)
    assert answer == {"type": "lifespan.startup.complete"}
    assert log == ["start a"]
    assert state == {"start a": True}
    assert await stopped(server) == {"type": "lifespan.shutdown.complete"}
    assert log == ["start a", "stop a"]


async def test_what_the_start_kept_is_in_every_later_scope_whatever_the_server_knows(log):
    app = log.part("a", ShowState.as_asgi())
    async with running(app):
        response = await HttpCommunicator(app, "GET", "/").get_response()
        assert json.loads(response["body"]) == {"start a": True}
        aware = HttpCommunicator(app, "GET", "/")
        aware.scope["state"] = {"start a": "the server's", "more": 1}
        assert json.loads((await aware.get_response())["body"]) == {"start a": "the server's", "more": 1}


async def test_hooks_may_be_plain_functions_and_take_nothing(log):
    app = Lifespan(None, [lambda: log.append("plain"), lambda state: log.hook("handed on")(state)])
    async with running(app) as state:
        assert log == ["plain", "handed on"]
        assert state == {"handed on": True}


def test_a_hook_that_wants_more_than_the_state_is_refused_when_it_is_given():
    async def greedy(state, more):
        pass

    with pytest.raises(TypeError, match="greedy takes 2 arguments; a hook takes the state, or nothing"):
        Lifespan(on_start=[greedy])


async def test_several_apps_join_and_stop_in_the_reverse_order(log):
    inner = ProtocolTypeRouter({"http": ShowState.as_asgi(), "lifespan": log.part("inner")})
    app = Lifespan(
        inner,
        [log.hook("start 1"), log.hook("start 2")],
        [log.hook("stop 1"), log.hook("stop 2")],
        join=[log.part("x"), log.part("y")],
    )
    async with running(app) as state:
        assert log == ["start 1", "start 2", "start inner", "start x", "start y"]
        assert set(state) == set(log)
        log.clear()
    assert log == ["stop y", "stop x", "stop inner", "stop 1", "stop 2"]


async def test_an_app_without_a_lifespan_is_served_all_the_same(log):
    app = log.part("a", ProtocolTypeRouter({"http": ShowState.as_asgi()}))
    async with running(app):
        assert (await HttpCommunicator(app, "GET", "/").get_response())["status"] == 200
    assert log == ["start a", "stop a"]


async def test_an_app_that_joins_must_have_one(log):
    app = Lifespan(join=[log.part("a"), ProtocolTypeRouter({})])
    _, answer = await started(app)
    assert answer["type"] == "lifespan.startup.failed"
    assert "it has no lifespan: ValueError: No application configured" in answer["message"]
    assert log == ["start a", "stop a"]


async def test_a_start_that_fails_is_told_with_its_name_and_what_had_started_is_stopped(log):
    late = Lifespan(None, [log.hook("open the pool", OSError("no route to host"))], [log.hook("never")])
    server, answer = await started(Lifespan(join=[log.part("a"), late]))
    assert answer["type"] == "lifespan.startup.failed"
    assert answer["message"].endswith("open the pool failed at the start: OSError: no route to host")
    await server.wait()
    assert log == ["start a", "open the pool", "stop a"]


async def test_a_stop_that_fails_keeps_no_other_from_running(log):
    app = Lifespan(None, on_stop=[log.hook("first", OSError("gone")), log.hook("second")])
    server, _ = await started(app)
    answer = await stopped(server)
    assert answer["type"] == "lifespan.shutdown.failed"
    assert answer["message"].endswith("first failed at the stop: OSError: gone")
    assert log == ["first", "second"]


async def test_a_stop_that_hangs_is_left_behind(log):
    never = asyncio.Event()
    app = Lifespan(None, on_stop=[log.hook("hangs", wait=never), log.hook("second")], stop_timeout=0.02)
    server, _ = await started(app)
    answer = await stopped(server)
    assert answer["message"].endswith("hangs did not stop within 0.02 s")
    assert log == ["hangs", "second"]


async def test_a_server_that_is_cancelled_still_runs_the_stop_hooks(log):
    server, _ = await started(log.part("a"))
    server.stop()
    await asyncio.wait({server.future}, timeout=SOON)
    assert log == ["start a", "stop a"]


async def test_without_an_app_another_scope_is_a_mistake():
    with pytest.raises(ValueError, match="this Lifespan has no app; it was given a scope of type 'http'"):
        await HttpCommunicator(Lifespan(), "GET", "/").get_response()


async def hangs(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await asyncio.Event().wait()


async def dies(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    raise OSError("died")


async def refuses(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed"})


async def fails_to_stop(scope, receive, send):
    await hangs(scope, receive, send) if (await receive())["type"] != "lifespan.startup" else None
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "a drawer is stuck"})


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (hangs, "an app did not stop within 0.02 s"),
        (dies, "an app's lifespan had ended before it was told to stop"),
        (fails_to_stop, "an app failed at the stop: a drawer is stuck"),
    ],
)
async def test_an_app_that_does_not_stop_well_is_logged_and_ended(app, words, caplog):
    async with running(app, stop_timeout=0.02):
        pass
    assert words in caplog.text
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("lifespan")] == []


async def test_an_app_that_says_no_more_than_that_it_failed_is_an_error_with_words():
    with pytest.raises(ConfigError, match="failed at the start, and said no more"):
        async with running(refuses):
            pass


async def test_an_app_that_returns_at_once_has_no_lifespan():
    async def returns(scope, receive, send):
        pass

    with pytest.raises(ConfigError, match="could not be started: it has no lifespan"):
        async with running(returns):
            pass


async def serve_as_main(server):
    """Serve, and keep to ourselves that uvicorn ends the program where it cannot start."""
    with contextlib.suppress(SystemExit):
        await server.serve()


@contextlib.asynccontextmanager
async def under_uvicorn(app):
    """uvicorn as a main program has it, with its own lifespan, in a task."""
    config = uvicorn.Config(app, port=0, lifespan="on", log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(serve_as_main(server))
    try:
        async with asyncio.timeout(SOON):
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
        yield server
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, SOON)


async def ask(server):
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    try:
        return await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_under_uvicorn_a_router_with_a_lifespan_shares_its_state(log):
    app = ProtocolTypeRouter({"http": ShowState.as_asgi(), "lifespan": log.part("a")})
    async with under_uvicorn(app) as server:
        assert b'{"start a": true}' in await ask(server)
    assert log == ["start a", "stop a"]


async def test_under_uvicorn_a_start_that_fails_stops_the_server_and_is_told(log, caplog):
    app = Lifespan(ShowState.as_asgi(), [log.hook("open the pool", OSError("no route to host"))])
    async with under_uvicorn(app) as server:
        assert not server.started
    assert "open the pool failed at the start: OSError: no route to host" in caplog.text
