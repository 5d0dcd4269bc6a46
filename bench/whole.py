"""**The whole way**: KISS frames on a pty, to the WebSocket clients that show them.

**Measured.** One server process, and beside it a writer and a process of clients whose time does not count. *Edge*:
serial link, AX.25, supervisor, tap and gate, a route to an async `Ax25Consumer` that sends one line of text to a
group, an `AsyncWebsocketConsumer` in that group, uvicorn. *Peer*: kiss3 read as its documentation says, Channels'
in-memory layer and `AsyncWebsocketConsumer`, on the same uvicorn settings.

* Flood: as many frames as the host reads, written by a process that waits where the host does not read. Deliveries per
  CPU second of the server, from the first byte to the last delivery; ``late``, the share that came after 12 s by the
  clock, which on a busy machine is as much the machine's; ``lost``, what had not come when nothing had come for 3 s, or
  within 30 s.
* Pace: 50 frames a second, each with the moment of its writing: milliseconds from there to the client, and the
  server's CPU for a frame with all its deliveries.

Every frame has addresses from the air and an info field of plain text that kiss3 reads, so what is lost is lost on
the way, not to the decoder. The clients count every text, and that no number comes twice or out of order. What the
peer would log about full channels is switched off: it is not charged for its tracebacks.

**Not said.** No page, no user, no packet log: what those cost is not on this way. A real TNC gives a few frames a
second; the flood is for replay, TCP and for what a box has in reserve. The kernel's pty is no serial line.
"""

from bench.measure import Child, Effort, Series, Table, cpu_seconds, memory, number, times

LATE = 12.0  # seconds for a flood to arrive
LIMIT = 30.0  # seconds after which nobody waits any more
RATE = 50  # frames a second in the paced part
SIDES = {"whole-edge": "Edge", "whole-channels": "kiss3 + Channels"}


def run(effort: Effort) -> list[Table]:
    """Measure."""
    series = Series()
    floods = {1: effort.of(20_000, 5_000), 100: effort.of(2_000, 500)}
    for _ in range(effort.rounds):
        for members, frames in floods.items():
            for side in SIDES:
                _measure(series, side, members, frames, paced=RATE * effort.of(5, 2))
    return [_table(series, floods)]


def _measure(series: Series, side: str, members: int, frames: int, *, paced: int) -> None:
    with Child("writer") as writer:
        port = writer.hear()["port"]
        with Child("servers", side, port) as server:
            url = server.hear()["url"]
            with Child("clients", url, members) as clients:
                clients.hear()
                pace = _pace(server, writer, clients, paced)
            with Child("clients", url, members) as clients:
                clients.hear()
                flood = _flood(server, writer, clients, frames)
            series.add(f"{side} {members}", rss=memory(server.pid)[0], **flood, **pace)


def _flood(server: Child, writer: Child, clients: Child, frames: int) -> dict[str, float]:
    wanted = clients.ask(count=frames, late=LATE, seconds=LIMIT)["ready"]
    writer.tell(flood=frames)
    writer.hear()
    began = cpu_seconds(server.pid)
    found = clients.hear(LIMIT + 10)
    spent = cpu_seconds(server.pid) - began
    _finish(writer)
    return {
        "flood": found["delivered"] / spent,
        "lost": 1 - found["delivered"] / wanted,
        "late": (found["delivered"] - found["timely"]) / wanted,
        "disorder": found["disorder"],
        "seconds": found["seconds"],
    }


def _pace(server: Child, writer: Child, clients: Child, frames: int) -> dict[str, float]:
    clients.ask(times=frames, seconds=frames / RATE + 10)
    writer.tell(pace=frames, rate=RATE)
    writer.hear()
    began = cpu_seconds(server.pid)
    found = clients.hear(frames / RATE + 20)
    spent = cpu_seconds(server.pid) - began
    _finish(writer)
    return {"p50": found["p50"], "p99": found["p99"], "cpu": 1e3 * spent / frames}


def _finish(writer: Child) -> None:
    """Wait until everything is written, which a server that fell behind may hold up."""
    writer.hear(60)


def _table(series: Series, floods: dict[int, int]) -> Table:
    rows = []
    for members, frames in floods.items():
        for side, label in SIDES.items():
            row = f"{side} {members}"
            ratio = series.paired(row, f"whole-channels {members}", "flood")
            get = lambda column, row=row: series.median(row, column)  # noqa: E731  (nine times below)
            rows.append(
                (
                    f"{label}, {frames:,} to {members}",
                    number(get("flood")),
                    times(ratio),
                    number(get("lost"), 3),
                    number(get("late"), 3),
                    number(get("disorder")),
                    number(get("seconds"), 2),
                    number(get("p50"), 2),
                    number(get("p99"), 2),
                    number(get("cpu"), 2),
                    number(get("rss")),
                )
            )
    columns = (
        "the whole way, frames to clients",
        "flood: deliveries/CPU-s",
        "ratio",
        "lost",
        "late",
        "out of order",
        "wall s",
        "50/s: p50 ms",
        "p99 ms",
        "CPU ms a frame",
        "RSS MiB",
    )
    return Table(title="whole: KISS on a pty → WebSocket clients", columns=columns, rows=tuple(rows))
