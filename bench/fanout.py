"""One message to a thousand browsers: deliveries per CPU second of the server, by way of a group.

**Measured.** 1,000 WebSocket members behind uvicorn, in one process of clients that counts every text and its order.
*raw* sends to each in turn, without a group. Then our in-memory layer, ours over MQTT on a mosquitto of its own,
Channels' own in memory, and channels_redis pub/sub on a Redis of its own, each where its server is installed (the
server's CPU is not counted). The same beside 20,000 channels that are open and idle. Last, 600 group sends to 20 rooms
of one member each, 20 under way at a time: how many arrived, and with a layer that processes share, how many of those
that another process sent.

**Not said.** The peers get fewer messages, as they take longer; all but our side drop for a full channel (100), and
are given no more than fit. Nobody of the thousand is slow: that is what `memory` and the tests look at.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.measure import Child, Effort, Series, Table, cpu_seconds, number, times

MEMBERS = 1_000
IDLE = 20_000
ROOMS, SENDS = 20, 600
SIDES = {
    "raw": "raw ASGI, sends in turn",
    "edge": "Edge",
    "edge-mqtt": "Edge over MQTT",
    "channels": "Channels in memory",
    "channels-pubsub": "channels_redis pub/sub",
    "channels-core": "channels_redis core",
}
SERVERS = {"edge-mqtt": "mosquitto", "channels-pubsub": "redis-server", "channels-core": "redis-server"}
SHARED = tuple(SERVERS)
MESSAGES = {"raw": (150, 40), "edge": (150, 40), "edge-mqtt": (60, 20), "channels": (10, 3), "channels-pubsub": (20, 6)}
MESSAGES_IDLE = {"edge": (150, 40), "channels": (1, 1)}  # the peer takes half a minute for one


def run(effort: Effort) -> list[Table]:
    """Measure."""
    with _redis() as redis, _mosquitto() as mosquitto:
        found = {"redis-server": redis, "mosquitto": mosquitto}
        addresses = {side: [found[program]] for side, program in SERVERS.items() if found[program]}
        sides = [side for side in SIDES if side not in SERVERS or side in addresses]
        series = Series()
        for turn in range(effort.rounds):
            for side in sides:
                address = addresses.get(side, [])
                if side in MESSAGES:
                    series.add(side, **_crowd(side, 0, effort.of(*MESSAGES[side]), address))
                if side in MESSAGES_IDLE and (turn == 0 or side == "edge"):
                    series.add(f"{side} idle", **_crowd(side, IDLE, effort.of(*MESSAGES_IDLE[side]), address))
                if side != "raw":
                    series.add(f"{side} rooms", **_rooms(side, address))
                if side in SHARED:
                    series.add(f"{side} rooms apart", **_rooms(side, address, apart=True))
    return [_table(series, sides), _rooms_table(series, sides)]


def _crowd(side: str, idle: int, messages: int, address: list[str]) -> dict[str, float]:
    with Child("crowd", "fanout", side, idle, *address) as server:
        url = server.hear()["url"]
        with Child("clients", url, MEMBERS) as clients:
            clients.hear()
            time.sleep(0.5)  # until the last one has joined
            clients.ask(count=messages, late=60, seconds=60)
            began = cpu_seconds(server.pid)
            server.tell(numbered=messages)
            found = clients.hear(90)
            spent = cpu_seconds(server.pid) - began
    share = found["delivered"] / (messages * MEMBERS)
    return {"rate": found["delivered"] / spent, "share": share, "disorder": found["disorder"]}


def _rooms(side: str, address: list[str], *, apart: bool = False) -> dict[str, float]:
    """Send to rooms from the process that has their members, or from another."""
    with Child("crowd", "fanout", side, 0, *address) as server, ExitStack() as stack:
        url = server.hear()["url"]
        sender = server
        if apart:
            sender = stack.enter_context(Child("crowd", "fanout", side, 0, *address))
            sender.hear()
        with Child("clients", f"{url}room*", ROOMS) as clients:
            clients.hear()
            time.sleep(0.3)  # until the last one is in its room
            clients.ask(count=SENDS // ROOMS, late=60, seconds=30)
            sender.tell(rooms=SENDS)
            found = clients.hear(60)
    return {"delivered": found["delivered"], "disorder": found["disorder"]}


@contextmanager
def _redis() -> Iterator[str]:
    """Run a Redis of our own and give its address; nothing where there is none on this machine."""
    program = shutil.which("redis-server")
    if program is None:
        yield ""
        return
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)  # Redis listens by then; a bench that finds nobody fails
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def _mosquitto() -> Iterator[str]:
    """Run a mosquitto of our own and give its address; nothing where there is none on this machine."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        yield ""
        return
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    process = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)  # mosquitto likewise
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _table(series: Series, sides: list[str]) -> Table:
    rows = []
    for side in sides:
        for row, label in ((side, SIDES[side]), (f"{side} idle", f"{SIDES[side]}, {IDLE:,} idle channels beside")):
            if row not in series.samples:
                continue
            get = lambda column, row=row: series.median(row, column)  # noqa: E731  (thrice below)
            ratios = [series.paired(row, other, "rate") for other in ("raw", "channels", "channels-pubsub")]
            cells = [number(ratios[0], 2), *(times(ratio) for ratio in ratios[1:])]
            rows.append((label, number(get("rate")), *cells, number(get("share"), 3), number(get("disorder"))))
    columns = (
        f"one group, {MEMBERS:,} members",
        "deliveries/CPU-s",
        "of raw",
        "of Channels in memory",
        "of channels_redis pub/sub",
        "arrived",
        "out of order",
    )
    return Table(title="fanout: one message to a thousand", columns=columns, rows=tuple(rows))


def _rooms_table(series: Series, sides: list[str]) -> Table:
    kinds = [(side, "rooms", SIDES[side]) for side in sides if side != "raw"]
    kinds += [(side, "rooms apart", f"{SIDES[side]}, sent by another process") for side in sides if side in SHARED]
    rows = [(label, number(series.median(f"{side} {kind}", "delivered")), number(SENDS)) for side, kind, label in kinds]
    columns = (f"{SENDS} group sends to {ROOMS} rooms, 20 at a time", "delivered", "of")
    return Table(title="fanout: rooms", columns=columns, rows=tuple(rows))
