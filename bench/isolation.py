"""What one consumer that blocks does to the others.

**Measured.** Ten connections, each with one echo under way, for some seconds: p99 of the time of an echo, alone and
beside one connection whose plain handler blocks its thread for 0.2 s with each message. With async and with plain
handlers on the ten. Then four connections whose plain handlers sleep for a second each: seconds until all four have
answered. Both sides have Django set up, on the same server.

**Not said.** The ten keep one core busy by themselves, so that p99 is mostly that of ten on one core; on a machine that
does other things it is theirs as much. Handlers that block the loop itself delay everyone, on every ASGI server.
"""

from bench.measure import Child, Effort, Series, Table, number, times

NAMES = {
    "edge-async": "Edge async",
    "channels-async": "Channels async",
    "edge-sync": "Edge sync",
    "channels-sync": "Channels sync",
}
ECHOING = 10  # connections
SLEEPING = 4
ENOUGH = 10**9  # echoes; the time is up before


def run(effort: Effort) -> list[Table]:
    """Measure."""
    series = Series()
    for _ in range(effort.rounds):
        for name in NAMES:
            series.add(name, **_measure(name, effort.of(4, 2)))
    rows = []
    for name, label in NAMES.items():
        get = lambda column, name=name: series.median(name, column)  # noqa: E731  (thrice below)
        rows.append(
            (label, number(get("alone"), 2), number(get("beside"), 2), times(get("ratio")), number(get("wall"), 2))
        )
    columns = (
        "ten echo connections",
        "p99 alone, ms",
        "beside one that blocks, ms",
        "ratio",
        "four that sleep 1 s: wall s",
    )
    return [Table(title="isolation: beside a handler that blocks", columns=columns, rows=tuple(rows))]


def _measure(name: str, seconds: int) -> dict[str, float]:
    with Child("crowd", "isolation", name) as server:
        url = server.hear()["url"]
        _p99(url, 1)
        alone = _p99(url, seconds)
        with Child("clients", f"{url}slow", 1) as slow:
            slow.hear()
            slow.ask(echo=ENOUGH, size=40, seconds=seconds + 2)
            beside = _p99(url, seconds)
        with Child("clients", f"{url}sleep", SLEEPING) as clients:
            clients.hear()
            clients.ask(echo=SLEEPING, size=40, seconds=20)
            wall = clients.hear()["seconds"]
    return {"alone": alone, "beside": beside, "ratio": beside / alone, "wall": wall}


def _p99(url: str, seconds: float) -> float:
    with Child("clients", url, ECHOING) as clients:
        clients.hear()
        clients.ask(echo=ENOUGH, size=40, seconds=seconds)
        return clients.hear()["p99"] / 1e3
