"""Tables are brought up to date on real files: a data folder of its own, in a process of its own."""

import sqlite3
import subprocess
import sys
from contextlib import closing

from tests.scenarios.running import edge, environment

MIGRATE = """
import django
django.setup()
from django.core.management import call_command
from django.db import connections
from edge.errors import ConfigError
from django_site import tables
{before}
connections.close_all()
try:
    tables.bring_tables_up_to_date()
except ConfigError as error:
    print("ConfigError:", error)
connections.close_all()
"""
# One step back, as the version before had it; and that version's person had a row.
STEP_BACK = """
call_command("migrate", "outbox", "0001", verbosity=0)
from django.contrib.auth import get_user_model
get_user_model().objects.create(username="ada")
"""
# What a full card does in the middle of it: the rows are changed, then no more.
FAILING = (
    STEP_BACK
    + """
def broken(*words, **more):
    get_user_model().objects.all().delete()
    raise OSError("no space left on device")
tables.call_command = broken
"""
)


def run(folder, before=""):
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE.format(before=before)],
        env=environment(EDGE_DATA=str(folder)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def users(path):
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT username FROM auth_user")]


def test_a_new_folder_gets_its_tables_and_no_copy(tmp_path):
    assert edge("migrate", data=tmp_path).returncode == 0
    assert users(tmp_path / "edge.sqlite3") == []
    assert not (tmp_path / "backups").exists()


def test_before_tables_change_they_are_copied(tmp_path):
    edge("migrate", data=tmp_path)
    assert run(tmp_path, STEP_BACK) == ""
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name.startswith("edge-before-")
    assert users(copy) == ["ada"]
    assert copy.stat().st_mode & 0o077 == 0
    assert run(tmp_path) == ""  # nothing to change, so nothing is copied again
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_what_fails_leaves_the_tables_as_they_were(tmp_path):
    edge("migrate", data=tmp_path)
    said = run(tmp_path, FAILING)
    assert "are again as they were: OSError: no space left on device" in said
    assert users(tmp_path / "edge.sqlite3") == ["ada"]


def test_where_no_copy_can_be_made_nothing_is_changed(tmp_path):
    edge("migrate", data=tmp_path)
    (tmp_path / "backups").write_text("in the way")
    said = run(tmp_path, STEP_BACK)
    assert "so they were left alone" in said
    with closing(sqlite3.connect(tmp_path / "edge.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM django_migrations WHERE app='outbox'").fetchone() == (1,)


def test_what_has_to_change_is_told_and_left_alone(tmp_path):
    new = edge("migrate", "--check", data=tmp_path)
    assert (new.returncode, new.stdout) == (1, "Of another version are the tables of default, history.\n")
    edge("migrate", data=tmp_path)
    done = edge("migrate", "--check", data=tmp_path)
    assert (done.returncode, done.stdout) == (0, "No table has to change.\n")


def test_of_several_that_come_at_once_one_changes_the_tables_and_the_others_find_it_done(tmp_path):
    words = [sys.executable, "-m", "edge.cli", "migrate", "--data", tmp_path]
    env = environment(EDGE_DATA=str(tmp_path))
    running = [subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(4)]
    complaints = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, complaints
    assert users(tmp_path / "edge.sqlite3") == []
