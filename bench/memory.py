"""What a connection weighs, and what grows when a client does not read, or sends too much.

**Measured.** Idle connections: 2,000 of them called without a server, and 500 behind uvicorn (after 100 that pay for
what only the first ones cost); private memory and tasks for each. Raw ASGI is the same without a consumer, so that the
driver, or the server, is in all rows. Then how much the resident memory of the server grows at its peak, within some
seconds: while a handler sends 1,600 messages of 64 KiB (100 MiB) to a client that reads nothing, and while a client
sends as many to a handler that takes 50 ms for each.

**Not said.** What the kernel keeps for a socket is in no process. What a group does with a member that does not read
is dropping and counting, which the tests look at.
"""

import threading
import time
from typing import Self

import psutil

from bench.measure import Child, Effort, Series, Table, memory, number

NAMES = {
    "raw": "raw ASGI",
    "edge-async": "Edge async",
    "edge-sync": "Edge sync",
    "edge-group": "Edge async, in a group",
    "channels-async": "Channels async",
    "channels-sync": "Channels sync",
}
GROWING = ("raw", "edge-async", "edge-sync", "edge-group", "channels-async")
FIRST, HELD = 100, 500  # connections
PIECES, PIECE = 1_600, 65_536  # messages, and bytes of each
EVERY = 0.02  # seconds between two looks at a memory that may grow


def run(effort: Effort) -> list[Table]:
    """Measure."""
    series = Series()
    for _ in range(effort.rounds):
        for name in NAMES:
            with Child("crowd", "alone", name, 2_000) as child:
                found = child.hear()
            series.add(name, alone=found["kib"], tasks=found["tasks"], **_served(name))
    growth = Series()
    for _ in range(min(effort.rounds, 2)):
        for name in GROWING:
            growth.add(name, push=_push(name, effort.of(5, 3)), **_sink(name, effort.of(6, 3)))
    return [_idle_table(series), _growth_table(growth)]


def _served(name: str) -> dict[str, float]:
    with Child("crowd", "idle", name) as server:
        url = server.hear()["url"]
        with Child("clients", url, FIRST) as first:
            first.hear()
            time.sleep(0.5)  # until the accepted connections are at rest
            tasks, before = server.ask(tasks=0)["tasks"], memory(server.pid)[1]
            with Child("clients", url, HELD) as more:
                more.hear()
                time.sleep(0.5)  # likewise
                after_tasks, after = server.ask(tasks=0)["tasks"], memory(server.pid)[1]
    return {"served": (after - before) * 1024 / HELD, "served_tasks": (after_tasks - tasks) / HELD}


def _push(name: str, seconds: float) -> float:
    """Let the server send to a client that reads nothing; return the growth in MiB."""
    with Child("crowd", "push", name) as server:
        url = server.hear()["url"]
        with Child("clients", url, 1) as clients:
            clients.hear()
            with _Peak(server.pid) as peak:
                clients.tell(say="go")
                time.sleep(seconds)
    return peak.growth


def _sink(name: str, seconds: float) -> dict[str, float]:
    with Child("crowd", "sink", name) as server:
        url = server.hear()["url"]
        with Child("clients", url, 1) as clients:
            clients.hear()
            with _Peak(server.pid) as peak:
                clients.ask(flood=PIECES, size=PIECE, seconds=seconds)
                sent = clients.hear(seconds + 10)["sent"]
    return {"sink": peak.growth, "sent": sent}


class _Peak:
    """The most by which a process grows meanwhile, in MiB."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._first = self._most = self._process.memory_info().rss

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def growth(self) -> float:
        return (self._most - self._first) / 2**20

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            self._most = max(self._most, self._process.memory_info().rss)


def _idle_table(series: Series) -> Table:
    rows = []
    for name, label in NAMES.items():
        cells = []
        for size, tasks in (("alone", "tasks"), ("served", "served_tasks")):
            kib, raw = series.median(name, size), series.median("raw", size)
            more = None if kib is None or raw is None or name == "raw" else kib - raw
            cells += [number(kib, 1), number(more, 1), number(series.median(name, tasks), 1)]
        rows.append((label, *cells))
    columns = (
        "an idle connection",
        "without a server: KiB",
        "beyond raw",
        "tasks",
        "behind uvicorn: KiB",
        "beyond raw",
        "tasks",
    )
    return Table(title="memory: an idle connection", columns=columns, rows=tuple(rows))


def _growth_table(series: Series) -> Table:
    rows = []
    for name in GROWING:
        push, sink, sent = (series.median(name, column) for column in ("push", "sink", "sent"))
        rows.append((NAMES[name], number(push, 1), number(sink, 1), number(sent)))
    columns = ("growth of the server, MiB", "a client that does not read", "a client that floods", "messages taken")
    return Table(title="memory: what grows", columns=columns, rows=tuple(rows))
