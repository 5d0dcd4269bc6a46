"""From a write on a pty to a consumer's handler, at 50 frames a second.

**Measured.** The writer puts the moment of its writing into each frame; the handler of an async `Ax25Consumer`,
behind serial link, AX.25 session, tap, fan-out and route, takes the time. Beside it a callback of ``loop.add_reader``
that reads and takes the time, and does nothing else: what the kernel, the scheduler and uvloop cost. CPU is the
server's, for one frame.

**Not said.** A real adapter adds what no program can take away: the frame's own time on the line, and on FTDI chips a
timer of up to 16 ms. Both sides wake up from sleep for each frame, which is most of what is seen here on a quiet
machine. Each station has been heard before, as most have on most days; its very first frame takes about 0.1 ms more.
"""

import time

from bench.measure import Child, Effort, Series, Table, cpu_seconds, number

RATE = 50  # frames a second
QUICK = 500  # frames a second, before the measuring
SETTLE = 0.3  # seconds, in which the last frame arrives however busy the machine is
SIDES = {"latency-edge": "Edge: link, AX.25, route, consumer", "latency-raw": "raw: os.read in add_reader"}


def run(effort: Effort) -> list[Table]:
    """Measure."""
    series = Series()
    frames = RATE * effort.of(8, 4)
    for _ in range(effort.of(max(effort.rounds, 3), 1)):
        for side in SIDES:
            series.add(side, **_measure(side, frames))
    rows = []
    for side, label in SIDES.items():
        p50, p99, cpu = (series.median(side, column) for column in ("p50", "p99", "cpu"))
        more = (p50 or 0) - (series.median("latency-raw", "p50") or 0)
        rows.append((label, number(p50), number(p99), number(more), number(cpu)))
    columns = ("pty → handler, 50 frames/s", "p50 µs", "p99 µs", "p50 beyond raw, µs", "CPU µs a frame")
    return [Table(title="latency: pty → consumer", columns=columns, rows=tuple(rows))]


def _measure(side: str, frames: int) -> dict[str, float]:
    with Child("writer") as writer:
        port = writer.hear()["port"]
        with Child("servers", side, port) as server:
            server.hear()
            _paced(server, writer, frames, QUICK)  # so that each station has been heard before
            found, spent = _paced(server, writer, frames)
    if found["count"] != frames:
        raise RuntimeError(f"{side}: expected {frames} frames, came {found['count']}")
    return {"p50": found["p50"], "p99": found["p99"], "cpu": 1e6 * spent / frames}


def _paced(server: Child, writer: Child, frames: int, rate: int = RATE) -> tuple[dict[str, float], float]:
    writer.ask(pace=frames, rate=rate)
    began = cpu_seconds(server.pid)
    writer.hear(frames / rate + 10)
    time.sleep(SETTLE)
    spent = cpu_seconds(server.pid) - began
    return server.ask(report=True), spent
