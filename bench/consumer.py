"""What a consumer costs for each event, beside the same echo written for Django Channels 4.3.

**Measured.** First without a server, in a process for each: the app is called with the least ``receive`` and ``send``
that can be (`inprocess`), one echo at a time on uvloop; CPU µs an event, and what is left without the driver (the raw
row). Then over real WebSockets: uvicorn as we embed it, one echo under way on each of 1 or 50 connections, clients in
another process; echoes per CPU second of the server, and the time of an echo. Both sides have Django set up and their
in-memory layer configured, and close old database connections around sync handlers, as Channels does and as
`edge.apps` has us do.

**Not said.** No handler touches the ORM: what does, pays for its thread on both sides. Nobody signs in.
"""

from contextlib import ExitStack

from bench.measure import Child, Effort, Series, Table, cpu_seconds, number, times

NAMES = {
    "raw": "raw ASGI",
    "edge-async": "Edge async",
    "channels-async": "Channels async",
    "edge-sync": "Edge sync",
    "channels-sync": "Channels sync",
}
PEERS = {"edge-async": "channels-async", "edge-sync": "channels-sync"}
LAYERS = {"none": "no layer", "idle": "layer not used", "group": "through a group"}
CASES = [(name, layer) for layer in LAYERS for name in NAMES if layer == "none" or name != "raw"]
CASES = [(name, layer) for name, layer in CASES if layer != "group" or name.endswith("async")]
CONNECTIONS = (1, 50)
TURNS = 4  # of each server in a round


def run(effort: Effort) -> list[Table]:
    """Measure."""
    return [_alone(effort), _served(effort)]


def _alone(effort: Effort) -> Table:
    series = Series()
    events = effort.of(5_000, 3_000)
    for _ in range(effort.rounds):
        for name, layer in CASES:
            with Child("inprocess", name, layer, events) as child:
                series.add(f"{name} {layer}", micros=child.hear(90)["micros"])
    driver = series.median("raw none", "micros") or 0.0
    rows = []
    for name, layer in CASES:
        micros = series.median(f"{name} {layer}", "micros")
        peer = PEERS.get(name)
        ratio = series.paired(f"{peer} {layer}", f"{name} {layer}", "micros") if peer else None
        own = None if micros is None or name == "raw" else micros - driver
        label = f"{NAMES[name]}, {LAYERS[layer]}" if name != "raw" else "raw ASGI, and the driver itself"
        raw = None if name == "raw" else series.paired(f"{name} {layer}", "raw none", "micros")
        rows.append((label, number(micros, 1), number(own, 1), times(raw), times(ratio)))
    columns = ("echo without a server", "CPU µs an event", "without the driver", "of raw", "Channels costs")
    return Table(title="consumer: one echo, in process", columns=columns, rows=tuple(rows))


def _served(effort: Effort) -> Table:
    series = Series()
    for count in CONNECTIONS:
        with ExitStack() as stack:
            lines = {name: _Line(stack, name, count) for name in NAMES}
            # All are up at once and take turns: what else the machine does meets each of them alike.
            for _ in range(effort.rounds * TURNS):
                for name, line in lines.items():
                    series.add(f"{name} {count}", **line.echo(effort))
    rows = []
    for name, label in NAMES.items():
        cells = []
        for count in CONNECTIONS:
            peer = PEERS.get(name)
            ratio = series.paired(f"{name} {count}", f"{peer} {count}", "rate") if peer else None
            raw = None if name == "raw" else series.paired(f"{name} {count}", f"raw {count}", "rate")
            cells += [number(series.median(f"{name} {count}", "rate")), number(raw, 2), times(ratio)]
        rows.append((label, *cells, number(series.median(f"{name} 1", "p50"))))
    columns = (
        "WebSocket echo by uvicorn",
        "1 connection: echoes/CPU-s",
        "of raw",
        "of Channels",
        "50: echoes/CPU-s",
        "of raw",
        "of Channels",
        "p50 at 1, µs",
    )
    return Table(title="consumer: WebSocket echo", columns=columns, rows=tuple(rows))


class _Line:
    """One server and the clients of one count, held open from turn to turn."""

    def __init__(self, stack: ExitStack, name: str, count: int) -> None:
        self._server = stack.enter_context(Child("servers", "echo", name))
        self._clients = stack.enter_context(Child("clients", self._server.hear()["url"], count))
        self._clients.hear()
        self._clients.ask(echo=count * 4, size=40)
        self._clients.hear()
        self._count = count

    def echo(self, effort: Effort) -> dict[str, float]:
        echoes = effort.of(4_000, 2_000) if self._count > 1 else effort.of(1_500, 750)
        self._clients.ask(echo=echoes, size=40)
        began = cpu_seconds(self._server.pid)
        found = self._clients.hear(90)
        spent = cpu_seconds(self._server.pid) - began
        return {"rate": found["came"] / spent, "p50": found["p50"]}
