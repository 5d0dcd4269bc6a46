"""**MQTT**: a broker's messages into a consumer, there and back, and at rest; beside a bare aiomqtt loop and mqttasgi.

**Measured.** mosquitto on loopback with TCP_NODELAY, one subscriber process at a time. *Edge* is the whole chain:
supervisor, tap,
fan-out, route, an async `MqttConsumer`. *aiomqtt* is the loop of its documentation, without anything around it, and the
same with TCP_NODELAY; *mqttasgi* its server and consumer.

* Ingest: messages of 20 bytes by mosquitto_pub as fast as it can; messages a CPU second of the subscriber until it has
  counted all, and a wall second.
* Trip: a publication on ``ping`` to the consumer's answer on ``pong``, one outstanding, from a plain socket with
  TCP_NODELAY; p50 and p99.
* Rest: CPU of the subscriber, connected, while nothing comes.

**Not said.** TLS, and a broker at the end of a network.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Child, Effort, Series, Table, cpu_seconds, number, percentile, times
from transports.codecs import mqtt as codec

SIDES = {"edge": "Edge", "bare": "aiomqtt", "nodelay": "aiomqtt + TCP_NODELAY", "mqttasgi": "mqttasgi + Channels"}
LIMIT = 120.0  # seconds for a flood


def run(effort: Effort) -> list[Table]:
    """Measure."""
    series = Series()
    with _broker() as port:
        for _ in range(effort.rounds):
            for qos in (0, 1):
                for side in SIDES:
                    _measure(series, side, port, qos, effort)
    return [_table(series, qos) for qos in (0, 1)]


def _measure(series: Series, side: str, port: int, qos: int, effort: Effort) -> None:
    messages = 200 if side == "mqttasgi" else effort.of(40_000, 10_000) // (1 + qos)
    trips = effort.of(600, 150) // (5 if side == "mqttasgi" or (side == "bare" and qos) else 1)
    with Child("mqtt_sides", side, port, qos) as child:
        child.hear()
        rest = _rest(child, effort.of(5, 2))
        waits = _trips(port, qos, trips)
        began, then = cpu_seconds(child.pid), time.monotonic()
        _publish(port, qos, messages)
        while child.ask(report=True)["count"] < messages:
            if time.monotonic() - then > LIMIT:
                raise TimeoutError(f"{side} has not counted {messages} messages within {LIMIT:g} s")
            time.sleep(0.005)  # looked at until LIMIT
        spent, wall = cpu_seconds(child.pid) - began, time.monotonic() - then
    row = f"{side} {qos}"
    p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
    series.add(row, cpu=messages / spent, wall=messages / wall, p50=1e3 * p50, p99=1e3 * p99, rest=rest)


def _rest(child: Child, seconds: float) -> float:
    began = cpu_seconds(child.pid)
    time.sleep(seconds)
    return 1e3 * (cpu_seconds(child.pid) - began) / seconds


def _publish(port: int, qos: int, messages: int) -> None:
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", str(qos), "-t", "flood", "-l"]
    lines = "".join(f"{index:020}\n" for index in range(messages))
    subprocess.run(command, input=lines.encode(), check=True, timeout=LIMIT)


def _trips(port: int, qos: int, count: int) -> list[float]:
    """Ask and wait for the answer, so many times; return how long each took in seconds."""
    waits = []
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = codec.Connect(
            client_id="bench-ping",
            v5=False,
            clean=True,
            keepalive=0,
            username=None,
            password=None,
            will=None,
            properties={},
        )
        sock.sendall(hello.encode() + codec.subscribe(1, "pong", qos, v5=False, properties={}))
        packets = codec.Packets(codec.MAX_LENGTH)
        _until_packet(sock, packets, codec.Type.SUBACK)
        for index in range(count):
            ask = codec.Publish("ping", b"%d" % index, qos, False, False, qos and index % 60_000 + 2, {})
            began = time.perf_counter()
            sock.sendall(codec.publish(ask, v5=False))
            found = codec.read_publish(_until_packet(sock, packets, codec.Type.PUBLISH), v5=False)
            waits.append(time.perf_counter() - began)
            if qos:
                sock.sendall(codec.answer(codec.Type.PUBACK, found.identifier))
    return waits


def _until_packet(sock: socket.socket, packets: codec.Packets, kind: int) -> codec.Packet:
    while True:
        data = sock.recv(65536)
        if not data:
            raise EOFError("the broker has closed the connection")
        found = [packet for packet in packets.feed(data) if packet.first & 0xF0 == kind]
        if found:
            return found[0]


@contextmanager
def _broker() -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None or shutil.which("mosquitto_pub") is None:
        raise FileNotFoundError("mosquitto and mosquitto_pub are missing (Debian: mosquitto, mosquitto-clients)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n"
        )
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([program, "-c", str(config)], stdout=quiet, stderr=quiet)
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.02)  # the broker does not listen yet
            yield port
        finally:
            process.kill()
            process.wait()


def _table(series: Series, qos: int) -> Table:
    rows = []
    for side, label in SIDES.items():
        row = f"{side} {qos}"
        get = lambda column, row=row: series.median(row, column)  # noqa: E731  (six times below)
        rows.append(
            (
                label,
                number(get("cpu")),
                times(series.paired(f"edge {qos}", row, "cpu")),
                number(get("wall")),
                times(series.paired(f"edge {qos}", row, "wall")),
                number(get("p50"), 3),
                number(get("p99"), 2),
                number(get("rest"), 2),
            )
        )
    columns = (
        f"MQTT, QoS {qos}",
        "ingest/CPU-s",
        "Edge to it",
        "ingest/wall-s",
        "Edge to it",
        "trip p50 ms",
        "p99 ms",
        "at rest, CPU ms/s",
    )
    return Table(title=f"mqtt: into a consumer and back, QoS {qos}", columns=columns, rows=tuple(rows))
