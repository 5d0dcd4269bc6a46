import os
import subprocess
import sys
import termios
import time

import pytest

from transports import holders

HOLD = "import os, sys; port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print(flush=True); sys.stdin.read()"


@pytest.fixture
def holder(pty):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, pty.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    yield process
    process.communicate()


def test_the_processes_that_have_a_port_are_named(pty, holder):
    (found,) = holders.holders(pty.path)
    assert found.process == holder.pid
    assert f"{found.name} (process {holder.pid})" in holders.holder_words(pty.path)


def test_nobody_has_what_is_not_there_or_is_no_device(tmp_path):
    (tmp_path / "file").touch()
    assert [holders.holders(str(path)) for path in (tmp_path / "file", tmp_path / "none")] == [[], []]
    assert holders.holder_words(str(tmp_path / "file")) == ""


def test_what_takes_ports_on_many_boxes_is_told_with_what_to_do(pty, holder, monkeypatch, tmp_path):
    process = tmp_path / str(holder.pid)
    process.mkdir()
    (process / "comm").write_text("ModemManager\n")
    (process / "fd").symlink_to(f"/proc/{holder.pid}/fd")
    monkeypatch.setattr(holders, "PROC", tmp_path)
    words = holders.holder_words(pty.path)
    assert words.startswith(f"ModemManager (process {holder.pid}); it looks for modems; ")
    assert "disable --now ModemManager" in words


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o660, "owns it"), (0o600, "only its owner may"), (0o640, "only its owner may")],
)
def test_the_group_that_may_is_named(tmp_path, mode, words):
    port = tmp_path / "port"
    port.touch()
    port.chmod(mode)
    assert words in holders.permission_words(str(port))
    assert "often dialout" in holders.permission_words(str(tmp_path / "none"))


def test_a_pty_is_the_tncs_while_its_name_was_made_after_it(pty, tmp_path):
    name = tmp_path / "kisstnc"
    name.symlink_to(pty.path)
    assert holders.pty_problem(str(name)) == holders.pty_problem(pty.path) == ""
    assert holders.pty_problem("/dev/null") == holders.pty_problem(str(tmp_path / "none")) == ""


def test_a_pty_that_is_younger_than_its_name_is_another_programs(pty, tmp_path):
    name = tmp_path / "kisstnc"
    name.symlink_to(pty.path)
    before = time.time() - 3600
    os.utime(name, (before, before), follow_symlinks=False)
    assert "is younger than the name that points at it" in holders.pty_problem(str(name))


def test_a_pty_that_is_somebodys_terminal_is_not_a_tnc(pty, tmp_path):
    name = tmp_path / "kisstnc"
    name.symlink_to(pty.path)
    slave = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    terminal = {"stdin": slave, "stdout": slave, "start_new_session": True}
    take = f"import fcntl, os; fcntl.ioctl(0, {termios.TIOCSCTTY}, 0); os.execvp('cat', ['cat'])"
    shell = subprocess.Popen([sys.executable, "-c", take], **terminal)
    os.close(slave)
    os.write(pty.master, b"hello\n")
    while pty.read().count(b"hello") == 0:  # it says again what it is told: it is cat by now
        time.sleep(0.01)
    words = holders.pty_problem(str(name))
    shell.kill()
    shell.wait()
    assert words == f"{pty.path} is the terminal of cat (process {shell.pid}); who made {name} is gone"
