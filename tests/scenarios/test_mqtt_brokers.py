"""Brokers that refuse, beside one that does not: what status says, and how often they are knocked at."""

import asyncio
import contextlib
import re

import pytest

from edge.backoff import JITTER, SHORTEST
from edge.desired import Desired, DeviceWish, RouteWish
from edge.status import State
from edge.supervisor import Supervisor
from tests.mosquitto import Mosquitto
from tests.scenarios.mqtt_worker import Notes
from tests.scenarios.running import eventually

BUSY, BANNED, UNAVAILABLE = 0x89, 0x8A, 0x88
WATCH = 2.0  # seconds; the waits of one device in it are 0.25, 0.5 and 1 s
MOST = 4  # attempts in that time, were the box and the broker infinitely quick and each wait the shortest
pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub")


@contextlib.asynccontextmanager
async def refusing(reason):
    """Listen, and refuse each session with this reason; yields the port and the list of attempts."""
    attempts = []

    async def refuse(reader, writer):
        attempts.append(await reader.read(2000))
        writer.write(b"\x20\x03\x00" + bytes((reason, 0)))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], attempts


def test_the_bound_is_that_of_the_waits():
    shortest = [SHORTEST * 2**number * (1 - JITTER) for number in range(MOST)]
    assert sum(shortest[:-1]) < WATCH <= sum(shortest)


async def test_brokers_that_refuse_are_not_stormed_and_one_that_does_not_is_served(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("tests.scenarios.mqtt_worker.note", told.append)
    broker = Mosquitto(tmp_path).start()
    supervisor = Supervisor(layer=None)
    try:
        async with refusing(BUSY) as busy, refusing(UNAVAILABLE) as away, refusing(BANNED) as banned:
            ports = {"busy": busy[0], "away": away[0], "banned": banned[0], "well": broker.port}
            devices = tuple(
                DeviceWish(name=name, kind="mqtt", link=f"mqtt://127.0.0.1:{port}") for name, port in ports.items()
            )
            consumer = f"{Notes.__module__}.{Notes.__qualname__}"
            routes = tuple(RouteWish(device=name, consumer=consumer, match="a/#") for name in ports)
            await supervisor.apply(Desired(devices=devices, routes=routes))
            state = lambda: {device.name: device for device in supervisor.status()}  # noqa: E731  (asked anew)
            await eventually(lambda: state()["well"].state is State.UP, state)
            await eventually(lambda: len(busy[1]) > 1 and len(away[1]) > 1 and banned[1], state)
            await asyncio.to_thread(broker.says, "Sending SUBACK")
            await asyncio.to_thread(broker.publish, "a/b", "heard", "-q", 1)
            await eventually(lambda: "heard" in told, told)
            before = [len(attempts) for _, attempts in (busy, away, banned)]
            await asyncio.sleep(WATCH)
            more = [len(attempts) - count for (_, attempts), count in zip((busy, away, banned), before, strict=True)]
            assert more[2] == 0
            assert all(count <= MOST for count in more), more
            now = state()
            for name, words in (("busy", "Server busy"), ("away", "Server unavailable")):
                text = rf"127\.0\.0\.1:{ports[name]} refused the session for now: {words}(; trying again in \d+ s)?"
                assert now[name].state in (State.WAITING, State.STARTING)
                assert now[name].state is State.STARTING or re.fullmatch(text, now[name].text)
            assert now["banned"].state is State.FAILED
            assert now["banned"].text.endswith("has banned this client; ask whoever runs the broker")
            assert told == ["!connect", "heard"]
    finally:
        await supervisor.stop()
        broker.kill()
