"""The service manager here is a socket that the test holds, and the descriptors that it opens."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys

import pytest

from edge.systemd import Progress, keep_alive, listening_sockets, notify, watchdog_seconds

SOON = 10.0


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    address = str(tmp_path / "notify") if request.param == "path" else f"\0edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(SOON)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        yield sock


def test_the_manager_is_told_line_by_line(manager):
    assert notify("READY=1", "STATUS=serving")
    assert manager.recv(100) == b"READY=1\nSTATUS=serving"


def test_without_a_manager_nothing_is_told(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


def test_a_manager_that_is_gone_is_no_error(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not notify("READY=1")
    assert "cannot be told READY=1" in caplog.text


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [("30000000", "", 30.0), ("30000000", "1", None), ("", "", None), ("0", "", None), ("soon", "", None)],
)
def test_the_watchdog_is_ours_if_it_names_nobody_else(monkeypatch, microseconds, pid, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", pid or str(os.getpid()))
    assert watchdog_seconds() == seconds


def test_what_turns_is_not_late_and_what_hangs_is():
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress.beat("rows", 10)
    progress.beat("status", 30)
    assert progress.late() == []
    now[0] = 11
    assert progress.late() == ["rows"]
    progress.beat("rows", 10)
    assert progress.late() == []


async def test_the_watchdog_is_fed_until_something_hangs_and_again_when_it_turns(manager, monkeypatch, caplog):
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    hung, asked = [], asyncio.Event()

    def late():
        asked.set()
        return list(hung)

    async def asked_again():
        asked.clear()
        await asyncio.wait_for(asked.wait(), SOON)

    feeding = asyncio.create_task(keep_alive(late))
    await asked_again()
    assert manager.recv(100) == b"WATCHDOG=1"
    hung.append("the supervisor")
    await asked_again()
    await asked_again()
    manager.setblocking(False)
    while True:  # what was fed before it hung
        try:
            manager.recv(100)
        except BlockingIOError:
            break
    await asked_again()
    await asked_again()
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    assert caplog.text.count("the supervisor hangs") == 1
    hung.clear()
    await asked_again()
    await asked_again()
    assert manager.recv(100) == b"WATCHDOG=1"
    feeding.cancel()


async def test_without_a_watchdog_nobody_is_fed(monkeypatch):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await asyncio.wait_for(keep_alive(list), SOON)


TAKE = """
import json, os
from edge.systemd import listening_sockets
found = {name: [sock.getsockname()[1] for sock in socks] for name, socks in listening_sockets().items()}
print(json.dumps([found, sorted(name for name in os.environ if name.startswith("LISTEN_"))]))
"""


def handed(names, *, owner=None):
    """Run a process that is handed sockets as systemd does it, and return what it took and the ports there were."""
    with contextlib.ExitStack() as opened:
        socks = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = [sock.getsockname()[1] for sock in socks]
        return json.loads(_take(socks, names, owner)), ports


def _take(socks, names, owner):
    script = (
        "import os, sys\n"
        f"kept = [os.dup(fd) for fd in {[sock.fileno() for sock in socks]}]\n"
        "for place, fd in enumerate(kept): os.dup2(fd, 3 + place); os.set_inheritable(3 + place, True)\n"
        f"os.environ.update(LISTEN_FDS='{len(names)}', LISTEN_PID=str({owner or 'os.getpid()'}),"
        f" LISTEN_FDNAMES='{':'.join(names)}')\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {TAKE!r}])\n"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        pass_fds=[sock.fileno() for sock in socks],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout


def test_sockets_are_taken_by_their_names_and_the_variables_go():
    (found, left), ports = handed(["https", "http"])
    assert found == {"https": [ports[0]], "http": [ports[1]]}
    assert left == []


def test_sockets_that_were_meant_for_somebody_else_are_left_alone():
    (found, left), _ = handed(["http"], owner=1)
    assert found == {}
    assert left == []


def test_without_sockets_there_are_none(monkeypatch):
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert listening_sockets() == {}
