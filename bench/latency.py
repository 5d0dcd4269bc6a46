"""From a write on a pty to a consumer's handler, at 50 frames a second.

**Measured.** The writer puts the moment of its writing into each frame; the handler of an async `Ax25Consumer`,
behind serial link, AX.25 session, tap, fan-out and route, takes the time. Beside it a callback of ``loop.add_reader``
that reads and takes the time, and does nothing else: what the kernel, the scheduler and uvloop cost. CPU is the
server's, for one frame. *Of raw* is the median of the ratios of neighbouring turns.

**Not said.** A real adapter adds what no program can take away: the frame's own time on the line, and on FTDI chips a
timer of up to 16 ms. Both sides wake up from sleep for each frame, which is most of what is seen here on a quiet
machine. Each station has been heard before, as most have on most days; its very first frame takes about 0.1 ms more.
"""

import time
from contextlib import ExitStack

from bench.measure import Child, Effort, Series, Table, cpu_seconds, number, times

RATE = 50  # frames a second
QUICK = 500  # frames a second, before the measuring
SETTLE = 0.3  # seconds, in which the last frame arrives however busy the machine is
SIDES = {"latency-edge": "Edge: link, AX.25, route, consumer", "latency-raw": "raw: os.read in add_reader"}


def run(effort: Effort) -> list[Table]:
    """Measure: both sides are up all the time, and take turns of some seconds."""
    series = Series()
    frames = RATE * effort.of(4, 2)
    with ExitStack() as stack:
        sides = {side: _begin(stack, side, frames) for side in SIDES}
        for _ in range(2 * max(effort.rounds, 3)):
            for side, (writer, server) in sides.items():
                found, spent = _paced(server, writer, frames)
                if found["count"] != frames:
                    raise RuntimeError(f"{side}: expected {frames} frames, came {found['count']}")
                series.add(side, p50=found["p50"], p99=found["p99"], cpu=1e6 * spent / frames)
    rows = []
    for side, label in SIDES.items():
        p50, p99, cpu = (series.median(side, column) for column in ("p50", "p99", "cpu"))
        more = (p50 or 0) - (series.median("latency-raw", "p50") or 0)
        ratio = series.paired(side, "latency-raw", "p50") if side != "latency-raw" else None
        rows.append((label, number(p50), number(p99), number(more), times(ratio), number(cpu)))
    columns = ("pty → handler, 50 frames/s", "p50 µs", "p99 µs", "p50 beyond raw, µs", "p50 of raw", "CPU µs a frame")
    return [Table(title="latency: pty → consumer", columns=columns, rows=tuple(rows))]


def _begin(stack: ExitStack, side: str, frames: int) -> tuple[Child, Child]:
    """Start a writer and its reader, and let each station be heard once."""
    writer = stack.enter_context(Child("writer"))
    server = stack.enter_context(Child("servers", side, writer.hear()["port"]))
    server.hear()
    _paced(server, writer, frames, QUICK)
    return writer, server


def _paced(server: Child, writer: Child, frames: int, rate: int = RATE) -> tuple[dict[str, float], float]:
    writer.ask(pace=frames, rate=rate)
    began = cpu_seconds(server.pid)
    writer.hear(frames / rate + 10)
    time.sleep(SETTLE)
    spent = cpu_seconds(server.pid) - began
    return server.ask(report=True), spent
