"""Updates with a way back: every loss of power, every kind of bad package, ends with a box that runs."""

import itertools
import json
import sqlite3
import subprocess
from contextlib import closing

import pytest
from update import data
from update.course import MOST_TRIES, carry_on
from update.machine import Machine
from update.progress import Phase, Progress, read, write


class PowerCutError(Exception):
    """The power went."""


class Box:
    """A box with a card that keeps what was written, and a power supply that fails at the step that a test names.

    The fate of the new version: "good", "broken" (never ready), "refused" (dpkg fails half way), "deadly" (takes the
    machine down as soon as it is started).
    """

    def __init__(self, fate="good", *, cut_at=None):
        self.fate, self.cut_at, self.steps = fate, cut_at, 0
        self.kept = Progress(phase=Phase.STAGED)
        self.packages = {"running.deb": "old", "next.deb": "new"}
        self.installed, self.running, self.halted, self.tables = "old", "old", False, "old"
        self.copied = None

    def boot(self):
        """Come up again: what was enabled is started, unless it is held back."""
        self.cut_at = None
        self.running = None if self.halted else self.installed

    def tick(self):
        """Before and after each effect the power may go."""
        self.steps += 1
        if self.steps == self.cut_at:
            raise PowerCutError

    def progress(self):
        return self.kept

    def remember(self, progress):
        self.tick()
        self.kept = progress
        self.tick()

    def halt(self):
        self.tick()
        self.halted, self.running = True, None
        self.tick()

    def start(self):
        self.tick()
        assert self.installed in ("old", "new"), "half a package was started"
        self.halted, self.running = False, self.installed
        if self.installed == "new":
            self.tables = "new"
            if self.fate == "deadly":
                raise PowerCutError
        self.tick()

    def snapshot(self):
        self.tick()
        assert self.running is None
        self.copied = self.tables
        self.tick()

    def put_back_data(self):
        assert self.running is None
        self.tick()
        changed = self.tables != self.copied
        self.tables = self.copied
        self.tick()
        return ["edge.sqlite3"] if changed else []

    def install(self, name):
        assert self.halted, "a package was replaced under a running service"
        self.installed = "half"
        self.tick()
        if self.packages[name] == "new" and self.fate == "refused":
            raise subprocess.CalledProcessError(
                1, "dpkg", stderr="unpacking\ndpkg: error: no\nErrors were encountered while processing:\n edge\n"
            )
        self.installed = self.packages[name]
        self.tick()

    def accept(self):
        self.tick()
        if "next.deb" in self.packages:
            self.packages |= {"previous.deb": "old", "running.deb": self.packages.pop("next.deb")}
        self.tick()

    def trouble(self):
        self.tick()
        assert self.running == self.installed
        return "it was not ready" if self.running == "new" and self.fate == "broken" else ""


def update(box, boots=10):
    """Carry on, boot after boot, until it is over; return how many boots that took."""
    for count in range(boots):
        try:
            carry_on(box, lambda line: None)
        except PowerCutError:
            box.boot()
        else:
            return count
    raise AssertionError(f"no end after {boots} boots, in {box.kept}")


def test_a_good_version_stays_and_the_old_one_is_kept():
    box = Box()
    assert update(box) == 0
    assert (box.running, box.kept.text) == ("new", "the new version runs")
    assert box.packages == {"running.deb": "new", "previous.deb": "old"}


@pytest.mark.parametrize(
    ("fate", "words"),
    [("broken", "it was not ready"), ("refused", "could not be installed: dpkg: error: no"), ("deadly", "went down 2")],
)
def test_a_bad_version_goes_and_the_box_is_as_before(fate, words):
    box = Box(fate)
    update(box)
    assert (box.running, box.installed, box.tables, box.halted) == ("old", "old", "old", False)
    assert box.kept.phase is Phase.IDLE
    assert words in box.kept.text
    assert box.packages["running.deb"] == "old"


@pytest.mark.parametrize("fate", ["good", "broken", "refused", "deadly"])
def test_the_power_may_go_at_any_step(fate):
    whole = Box(fate)
    update(whole)
    assert whole.steps > 12
    for cut in range(1, whole.steps + 1):
        box = Box(fate, cut_at=cut)
        assert update(box) <= MOST_TRIES + 2
        assert box.running == box.installed == box.packages["running.deb"], f"cut at step {cut}"
        assert box.tables == box.running or fate == "good"
        assert not box.halted
        assert box.running == "old" or fate == "good"


def test_the_power_may_go_at_any_two_steps():
    for first, second in itertools.product(range(1, 16), range(1, 16)):
        box = Box("broken", cut_at=first)
        with pytest.raises(PowerCutError):
            carry_on(box, lambda line: None)
        box.boot()
        box.cut_at = box.steps + second
        update(box)
        assert (box.running, box.tables, box.halted) == ("old", "old", False), f"cut at {first} and {second} after"


def test_a_way_back_that_dpkg_refuses_ends_with_whatever_there_is():
    box = Box("broken")
    box.kept = Progress(phase=Phase.RETURNING, text="x")
    box.packages["running.deb"], box.fate = "new", "refused"
    box.start = lambda: setattr(box, "halted", False)
    update(box)
    assert "could not go back: dpkg: error: no; before that: x" in box.kept.text
    assert not box.halted


def test_progress_is_kept_and_what_cannot_be_read_is_that_nothing_goes_on(tmp_path):
    path = tmp_path / "update.json"
    assert read(path) == Progress()
    wanted = Progress(phase=Phase.TRIAL, tries=1, text="ü")
    write(path, wanted)
    assert read(path) == wanted
    for text in ("", "{", "[]", json.dumps({"phase": "dancing", "tries": 0, "text": ""}), '{"phase": "trial"}'):
        path.write_text(text)
        assert read(path) == Progress()


def database(path, *, migrations, rows=(), wal=True):
    with closing(sqlite3.connect(path)) as made:
        if wal:
            made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE IF NOT EXISTS django_migrations (app, name)")
        made.execute("CREATE TABLE IF NOT EXISTS device (name)")
        made.execute("DELETE FROM django_migrations")
        made.executemany("INSERT INTO django_migrations VALUES ('devices', ?)", [(name,) for name in migrations])
        made.executemany("INSERT INTO device VALUES (?)", [(row,) for row in rows])
        made.commit()


def devices(path):
    with closing(sqlite3.connect(path)) as read_only:
        return [row[0] for row in read_only.execute("SELECT name FROM device")]


@pytest.fixture
def stored(tmp_path):
    folder = tmp_path / "edge"
    folder.mkdir()
    database(folder / "edge.sqlite3", migrations=["0001"], rows=["before"])
    data.take(folder, tmp_path / "snapshot")
    return folder


def test_what_was_saved_since_stays_where_the_tables_are_the_same(stored, tmp_path):
    database(stored / "edge.sqlite3", migrations=["0001"], rows=["since"])
    assert data.put_back(stored, tmp_path / "snapshot") == []
    assert devices(stored / "edge.sqlite3") == ["before", "since"]


def test_tables_that_the_old_version_cannot_read_go_and_are_kept_beside(stored, tmp_path):
    database(stored / "edge.sqlite3", migrations=["0001", "0002"], rows=["since"])
    assert data.put_back(stored, tmp_path / "snapshot") == ["edge.sqlite3"]
    assert devices(stored / "edge.sqlite3") == ["before"]
    assert devices(stored / "edge.sqlite3.replaced") == ["before", "since"]
    assert data.put_back(stored, tmp_path / "snapshot") == [], "twice is once"
    assert {path.name for path in stored.iterdir()} == {"edge.sqlite3", "edge.sqlite3.replaced"}


def test_a_log_that_was_left_is_not_applied_to_what_was_put_back(stored, tmp_path):
    """A service that was killed leaves its write-ahead log; beside the snapshot's file it would be another file's."""
    with sqlite3.connect(stored / "edge.sqlite3") as held:
        held.execute("INSERT INTO django_migrations VALUES ('devices', '0002')")
        held.execute("INSERT INTO device VALUES ('since')")
        held.commit()
        for name in ("edge.sqlite3", "edge.sqlite3-wal", "edge.sqlite3-shm"):
            (tmp_path / name).write_bytes((stored / name).read_bytes())
    held.close()
    for name in ("edge.sqlite3", "edge.sqlite3-wal", "edge.sqlite3-shm"):
        (tmp_path / name).replace(stored / name)
    assert data.put_back(stored, tmp_path / "snapshot") == ["edge.sqlite3"]
    assert devices(stored / "edge.sqlite3") == ["before"]
    assert devices(stored / "edge.sqlite3.replaced") == ["before", "since"]


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_database_that_is_broken_is_put_back(stored, tmp_path, content):
    (stored / "edge.sqlite3").write_bytes(content)
    assert data.put_back(stored, tmp_path / "snapshot") == ["edge.sqlite3"]
    assert devices(stored / "edge.sqlite3") == ["before"]


def test_a_snapshot_that_was_not_finished_is_none(stored, tmp_path):
    (tmp_path / "snapshot.new").mkdir()
    (tmp_path / "snapshot.new" / "edge.sqlite3").write_bytes(b"half")
    database(stored / "edge.sqlite3", migrations=["0001"], rows=["later"])
    data.take(stored, tmp_path / "snapshot")
    assert devices(tmp_path / "snapshot" / "edge.sqlite3") == ["before", "later"]
    assert not (tmp_path / "snapshot.new").exists()


def test_the_packages_change_their_names_once_however_often_it_is_done(tmp_path):
    machine = Machine(tmp_path, tmp_path)
    machine.packages.mkdir()
    (machine.packages / "running.deb").write_text("old")
    (machine.packages / "next.deb").write_text("new")
    for _ in range(2):
        machine.accept()
        there = {path.name: path.read_text() for path in machine.packages.iterdir()}
        assert there == {"running.deb": "new", "previous.deb": "old"}
