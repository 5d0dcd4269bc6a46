"""From a write on a pty to a consumer's handler, at the rates of a radio and of a busy line.

**Measured.** The writer puts the moment of its writing into each frame; the handler of an async `Ax25Consumer`,
behind serial link, AX.25 session, tap, fan-out and route, takes the time. Beside it two that read, take the time, and
do nothing else: a callback of ``loop.add_reader``, which is what any program on asyncio has to pay to the kernel, the
scheduler and uvloop; and a thread that blocks in ``os.read``, which can serve nobody else. CPU is the server's, for one
frame. A ratio is the median of those of neighbouring turns.

**Not said.** A real adapter adds what no program can take away: the frame's own time on the line, and on FTDI chips a
timer of up to 16 ms. All sides wake up from sleep for each frame, which is most of what is seen here on a quiet
machine. Each station has been heard before, as most have on most days; its very first frame takes about 0.1 ms more.
"""

import random
import time
from contextlib import ExitStack

from bench.measure import Child, Effort, Series, Table, cpu_seconds, number, times

RATES = (10, 50, 200, 1000)  # frames a second
QUICK = 500  # frames a second, before the measuring
STATIONS = 2 * RATES[-1]  # frames before the measuring: as many as are measured at once
SETTLE = 0.3  # seconds, in which the last frame arrives however busy the machine is
READER, BLOCKING = "latency-raw", "latency-blocking"
SIDES = {
    "latency-edge": "Edge: link, AX.25, route, consumer",
    READER: "os.read in add_reader",
    BLOCKING: "os.read in a thread that blocks",
}
COLUMNS = ("pty → handler", "frames/s", "p50 µs", "p99 µs", "of add_reader", "of blocking", "CPU µs a frame")


def run(effort: Effort) -> list[Table]:
    """Measure: all sides are up all the time, and take turns of two seconds in a random order."""
    rows: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        sides = {side: _begin(stack, side) for side in SIDES}
        for rate in RATES:
            series = Series()
            for _ in range(4 * effort.of(max(effort.rounds, 3), 1)):
                for side in random.sample([*sides], len(sides)):
                    series.add(side, **_paced(side, *sides[side], frames=2 * rate, rate=rate))
            rows += (_row(series, side, rate) for side in SIDES)
    return [Table(title="latency: pty → consumer", columns=COLUMNS, rows=tuple(rows))]


def _row(series: Series, side: str, rate: int) -> tuple[str, ...]:
    p50, p99, cpu = (number(series.median(side, column)) for column in ("p50", "p99", "cpu"))
    ratios = (times(series.paired(side, other, "p50")) for other in (READER, BLOCKING))
    return (SIDES[side], number(rate), p50, p99, *ratios, cpu)


def _begin(stack: ExitStack, side: str) -> tuple[Child, Child]:
    """Start a writer and its reader, and let each station be heard once."""
    writer = stack.enter_context(Child("writer"))
    server = stack.enter_context(Child("servers", side, writer.hear()["port"]))
    server.hear()
    _paced(side, writer, server, frames=STATIONS, rate=QUICK)
    return writer, server


def _paced(side: str, writer: Child, server: Child, *, frames: int, rate: int) -> dict[str, float]:
    """Let frames be written at a rate; return their p50 and p99, and the server's CPU, all in µs."""
    writer.ask(pace=frames, rate=rate)
    began = cpu_seconds(server.pid)
    writer.hear(frames / rate + 10)
    time.sleep(SETTLE)
    spent = cpu_seconds(server.pid) - began
    found = server.ask(report=True)
    if found["count"] != frames:
        raise RuntimeError(f"{side}: expected {frames} frames, came {found['count']}")
    return {"p50": found["p50"], "p99": found["p99"], "cpu": 1e6 * spent / frames}
