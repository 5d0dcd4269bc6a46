"""A box's data in one file, and out of it again."""

import io
import sqlite3
import sys
import tarfile
from contextlib import closing
from types import SimpleNamespace

import pytest
from backup import __main__ as command
from backup import archive
from update.progress import Phase, Progress


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "edge"
    made.mkdir()
    (made / "secret-key").write_text("key")
    (made / "lock").write_text("process 7")
    (made / "files.lock").touch()
    (made / "certificates").mkdir()
    (made / "certificates" / "own.pem").write_text("pem")
    return made


def test_a_backup_of_a_box_that_writes_is_whole_and_comes_back(folder, tmp_path):
    with closing(sqlite3.connect(folder / "edge.sqlite3")) as held:
        held.execute("PRAGMA journal_mode=WAL")
        held.execute("CREATE TABLE device (name)")
        held.execute("INSERT INTO device VALUES ('radio')")
        held.commit()  # in the write-ahead log alone
        written = io.BytesIO()
        archive.write(folder, written)
    written.seek(0)
    archive.unpack(written, tmp_path / "back")
    back = sorted(str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*"))
    assert back == ["certificates", "certificates/own.pem", "edge.sqlite3", "secret-key"]
    assert [path for path in (tmp_path / "back").rglob("*") if path.stat().st_mode & 0o077] == []
    with closing(sqlite3.connect(tmp_path / "back" / "edge.sqlite3")) as read:
        assert read.execute("SELECT name FROM device").fetchall() == [("radio",)]
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("edge", "back")] == []


def tar_of(**files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tar at all" * 100,
        tar_of(holiday=b"photo"),
        tar_of(**{"edge.sqlite3": b"not SQLite" * 100}),
        tar_of(**{"..__x": b""}),
    ],
    ids=["nothing", "noise", "another tar", "a broken database", "a way out"],
)
def test_what_is_no_backup_leaves_nothing(content, tmp_path):
    with pytest.raises(archive.NotABackupError, match="no backup of a box"):
        archive.unpack(io.BytesIO(content), tmp_path / "back")
    assert list(tmp_path.iterdir()) == []


class Box:
    """A box whose data is one file: it runs on "good" data, and on no other. Its power may go at its next step."""

    def __init__(self, folder, phase=Phase.IDLE):
        self.data, self.phase, self.running, self.power_goes = folder / "edge", phase, True, False
        self.halted = folder / "halted"

    def progress(self):
        return Progress(phase=self.phase)

    def halt(self):
        self.halted.touch()
        self.running = False

    def start(self):
        if self.power_goes:
            raise PowerCutError
        self.halted.unlink(missing_ok=True)
        self.running = True

    def trouble(self):
        return "" if content(self.data).startswith("good") else "it ended 5 times"


class PowerCutError(Exception):
    """The power went."""


def content(folder):
    with closing(sqlite3.connect(folder / "edge.sqlite3")) as read:
        return read.execute("SELECT name FROM device").fetchone()[0]


def make_data(folder, name):
    folder.mkdir()
    with closing(sqlite3.connect(folder / "edge.sqlite3")) as made:
        made.execute("CREATE TABLE device (name)")
        made.execute("INSERT INTO device VALUES (?)", [name])
        made.commit()


@pytest.fixture
def box(tmp_path):
    make_data(tmp_path / "edge", "good, today's")
    return Box(tmp_path)


def give(name, tmp_path, monkeypatch):
    """Put the archive of such data where `edge-restore` reads it."""
    make_data(tmp_path / "another", name)
    written = io.BytesIO()
    archive.write(tmp_path / "another", written)
    written.seek(0)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=written))


def test_a_restore_puts_the_data_back_and_keeps_what_it_replaces(box, tmp_path, monkeypatch):
    give("good, of the backup", tmp_path, monkeypatch)
    assert command.restore(box, box.data) == 0
    assert content(box.data) == "good, of the backup"
    assert content(tmp_path / "edge.replaced") == "good, today's"
    assert box.running


def test_data_on_which_the_box_does_not_run_goes_again(box, tmp_path, monkeypatch, capsys):
    give("bad", tmp_path, monkeypatch)
    assert command.restore(box, box.data) == 1
    assert content(box.data) == "good, today's"
    assert box.running
    assert "it ended 5 times; the old data is back" in capsys.readouterr().err


def test_a_restore_waits_for_the_end_of_an_update(box, capsys):
    box.phase = Phase.TRIAL
    assert command.restore(box, box.data) == 1
    assert box.running
    assert "an update is under way (trial)" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "after"), [("good, of the backup", "good, of the backup"), ("bad", "good, today's")])
def test_power_that_goes_once_the_data_is_in_its_place_leaves_a_box_that_proves_it(
    name, after, box, tmp_path, monkeypatch
):
    give(name, tmp_path, monkeypatch)
    box.power_goes = True
    with pytest.raises(PowerCutError):
        command.restore(box, box.data)
    box.power_goes = False
    command.carry_on(box, box.data)
    assert content(box.data) == after
    assert box.running
    assert not box.halted.exists()


@pytest.mark.parametrize("moved", [False, True], ids=["before the old data is moved", "after it was"])
def test_power_that_goes_before_the_data_is_in_its_place_leaves_the_old_data(moved, box, tmp_path):
    box.halt()
    make_data(tmp_path / "edge.restored", "good, of the backup")
    if moved:
        box.data.rename(tmp_path / "edge.replaced")
    assert command.carry_on(box, box.data) == 0
    assert content(box.data) == "good, today's"
    assert box.running
    assert not (tmp_path / "edge.restored").exists()


def test_a_boot_without_an_interrupted_restore_touches_nothing(box, tmp_path):
    make_data(tmp_path / "edge.replaced", "good, of long ago")
    assert command.carry_on(box, box.data) == 0
    assert content(box.data) == "good, today's"
    box.halt()
    box.phase = Phase.INSTALLING  # the update's own matter
    assert command.carry_on(box, box.data) == 0
    assert not box.running
