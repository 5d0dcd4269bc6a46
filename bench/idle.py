"""What the box costs while nothing happens: memory, CPU, and what it takes to come up.

**Measured.** ``edge serve``, the real command, on a data folder of its own that has run before: with no device; with
one whose port is not there, so that it waits and tries again; and with one that is up and hears nothing. Beside it
Django's admin and Channels, started by the uvicorn command with uvloop, httptools and websockets-sansio. Each has
served its sign-in page once. CPU ms a second over some seconds of rest; CPU s until the port answers.

**Not said.** No browser watches: an open status page asks for a look at the counters every two seconds. Memory is
that of this Python on this machine; on a 32-bit system it is about a third less.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.measure import ROOT, Child, Effort, Series, Table, cpu_seconds, memory, number

UP = 60.0  # seconds for a server to answer
SETTLE = 3.0  # seconds, in which a waiting device has made its first quick tries

ADD_DEVICE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "django_site.settings"
import django
django.setup()
from django_site.devices.models import Device
Device.objects.create(name="vhf", kind="ax25", link=sys.argv[1])
"""


def run(effort: Effort) -> list[Table]:
    """Measure."""
    series = Series()
    rest = float(effort.of(10, 4))
    for _ in range(min(effort.rounds, 2)):
        for label, link in (("Edge, no device", ""), ("Edge, a device that waits", "serial:///dev/tty-of-no-bench")):
            series.add(label, **_edge(link, rest))
        with Child("writer") as writer:
            series.add("Edge, a device that is up", **_edge(f"serial://{writer.hear()['port']}", rest))
        series.add("Django admin + Channels, uvicorn", **_peer(rest))
    rows = []
    for label in series.samples:
        rss, private, cpu, start = (series.median(label, column) for column in ("rss", "private", "cpu", "start"))
        rows.append((label, number(rss, 1), number(private, 1), number(cpu, 2), number(start, 2)))
    columns = ("idle", "RSS MiB", "private MiB", "CPU ms a second", "CPU s to come up")
    return [Table(title="idle: edge serve at rest", columns=columns, rows=tuple(rows))]


def _edge(link: str, rest: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder, ExitStack() as stack:
        env = {"EDGE_DATA": folder}
        command = [sys.executable, "-m", "edge.cli", "serve"]
        with _running([*command, "--port", str(port := _free_port())], env) as process:  # makes the tables
            _page(process, f"http://127.0.0.1:{port}/admin/login/")
        if link:
            adding = [sys.executable, "-c", ADD_DEVICE, link]
            subprocess.run(adding, check=True, cwd=ROOT, env={**os.environ, **env}, timeout=UP)
        process = stack.enter_context(_running([*command, "--port", str(port := _free_port())], env))
        return _rest(process, f"http://127.0.0.1:{port}/admin/login/", rest)


def _peer(rest: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder, ExitStack() as stack:
        options = ["--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio", "--no-access-log"]
        command = [sys.executable, "-m", "uvicorn", "bench.peer_site:application", *options]
        env = {"BENCH_DATABASE": str(Path(folder) / "site.sqlite3")}
        process = stack.enter_context(_running([*command, "--port", str(port := _free_port())], env))
        return _rest(process, f"http://127.0.0.1:{port}/admin/login/", rest)


def _rest(process: subprocess.Popen[bytes], url: str, rest: float) -> dict[str, float]:
    start = _page(process, url)
    time.sleep(SETTLE)
    began, then = cpu_seconds(process.pid), time.monotonic()
    time.sleep(rest)
    spent = (cpu_seconds(process.pid) - began) / (time.monotonic() - then)
    rss, private = memory(process.pid)
    return {"rss": rss, "private": private, "cpu": 1e3 * spent, "start": start}


def _page(process: subprocess.Popen[bytes], url: str) -> float:
    """Wait until the port answers, read the page; return what CPU the process had had by then."""
    until = time.monotonic() + UP
    host, port = url.split("/")[2].split(":")
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with code {process.returncode}")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.05)  # the port is not open yet; looked at until UP
            continue
        start = cpu_seconds(process.pid)
        with urllib.request.urlopen(url, timeout=20) as page:
            page.read()
        return start
    raise TimeoutError(f"{url} did not answer within {UP:g} s")


@contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
