"""Damage as a dying card does it: pages of a real database filled with garbage."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from django_site import rescue
from tests.scenarios.running import ROOT, environment

PAGE = 4096
MAKE = """
import django
django.setup()
from django_site.tables import bring_tables_up_to_date
from django_site.devices.models import Device, Route
from django.contrib.auth.models import User
bring_tables_up_to_date()
for number in range(60):
    device = Device.objects.create(name=f"d{number}", kind="mqtt", link="mqtt://" + "x" * 400, options={"a": 1})
    Route.objects.create(device=device, consumer="edge.contrib.echo.Echo", match="t")
User.objects.create_superuser("operator")
from django_site.outbox.store import TableStore
from edge.outbox_store import Batch, Entry, Mark, Outcome
store = TableStore()
store.open()
entries = [Entry(id=n, device="d1", key=f"t/{n}", body=b'{"n": "%d"}' % n + b" " * 200, put_at=n, expires_at=n + 9)
           for n in range(1, 1001)]
store.write(Batch(puts=entries))
store.write(Batch(marks=[Mark(n, Outcome.SENT, "", 1.0) for n in range(1, 101)]))
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    command = [sys.executable, "-c", MAKE]
    subprocess.run(command, env=environment(EDGE_DATA=str(folder)), check=True, cwd=ROOT, timeout=60)
    path = folder / "edge.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def path(whole, tmp_path):
    path = tmp_path / "edge.sqlite3"
    path.write_bytes(whole.read_bytes())
    return path


@pytest.fixture
def copy(path):
    copy = path.with_name("edge.sqlite3.copy")
    assert rescue.keep_copy(path, copy)
    return copy


def content(path, table):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def pages_of(path, name, kind="leaf"):
    """Follow the tree of a table or an index (sqlite.org/fileformat2.html, section 1.6)."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()[0]
    data = path.read_bytes()

    def children(number):
        page = data[(number - 1) * PAGE : number * PAGE]
        start = 100 if number == 1 else 0
        if page[start] in (13, 10):
            return [number] if kind == "leaf" else []
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        places = [int.from_bytes(page[start + 12 + 2 * n : start + 14 + 2 * n], "big") for n in range(cells)]
        below = [int.from_bytes(page[at : at + 4], "big") for at in places]
        below.append(int.from_bytes(page[start + 8 : start + 12], "big"))
        return ([number] if kind == "interior" else []) + [leaf for child in below for leaf in children(child)]

    return children(root)


def spoil(path, *numbers, seed=1):
    garbage = random.Random(seed)
    data = bytearray(path.read_bytes())
    for number in numbers:
        data[(number - 1) * PAGE : number * PAGE] = garbage.randbytes(PAGE)
    path.write_bytes(data)


def waiting(path):
    return [row[0] for row in content(path, "outbox_entry") if row[4] == "waiting"]


def test_a_sound_database_is_left_alone(path, copy):
    before = path.read_bytes()
    assert rescue.look_after(path, copy) == ""
    assert path.read_bytes() == before
    assert rescue.look_after(path.with_name("none"), copy) == ""


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_page_of_the_outbox_loses_nothing_that_waits(path, copy, seed):
    leaves = pages_of(path, "outbox_entry")
    assert len(leaves) > 20
    spoil(path, random.Random(seed).choice(leaves), seed=seed)
    said = rescue.look_after(path, copy)
    assert "edge.sqlite3 was damaged" in said
    assert "not all could be read of outbox_entry" in said  # what was sent long ago stood there, too
    assert "900 entries wait in the outbox, none was lost" in said
    assert waiting(path) == list(range(101, 1001))
    assert rescue.damage_of(path) == ""


@pytest.mark.parametrize("name", ["outbox_waiting", "outbox_entry"])
def test_neither_does_a_bad_page_between_the_leaves(path, copy, whole, name):
    spoil(path, pages_of(path, name, "interior")[0])
    rescue.look_after(path, copy)
    assert waiting(path) == list(range(101, 1001))
    assert content(path, "devices_device") == content(whole, "devices_device")


def test_a_bad_page_of_the_second_copy_loses_nothing_at_all(path, copy, whole):
    spoil(path, *pages_of(path, "outbox_waiting")[:5])
    said = rescue.look_after(path, copy)
    assert "every row could be read; 900 entries wait in the outbox, none was lost" in said
    for table in ("outbox_entry", "devices_device", "devices_route", "auth_user", "django_migrations"):
        assert content(path, table) == content(whole, table)


def test_where_both_pages_are_bad_it_says_that_some_were_lost_and_keeps_all_others(path, copy):
    table, index = pages_of(path, "outbox_entry"), pages_of(path, "outbox_waiting")
    spoil(path, table[len(table) // 2], *index)
    said = rescue.look_after(path, copy)
    assert "some were lost" in said
    lost = set(range(101, 1001)) - set(waiting(path))
    assert 0 < len(lost) < 40


@pytest.mark.parametrize("table", ["devices_device", "devices_route", "auth_user"])
def test_what_a_person_decided_comes_from_the_copy_where_its_page_is_bad(path, copy, whole, table):
    spoil(path, pages_of(path, table)[0])
    said = rescue.look_after(path, copy)
    assert f"not all could be read of {table}" in said
    assert "rows came from the copy of 20" in said
    for each in ("devices_device", "devices_route", "auth_user", "outbox_entry"):
        assert content(path, each) == content(whole, each)


def test_without_a_copy_what_can_be_read_is_kept_and_nothing_points_to_what_is_gone(path):
    spoil(path, pages_of(path, "devices_device")[1])
    said = rescue.look_after(path, path.with_name("none"))
    assert "rows were left out" in said
    devices = {row[0] for row in content(path, "devices_device")}
    assert 0 < len(devices) < 60
    assert len(content(path, "devices_route")) == len(devices)


def test_a_file_whose_head_is_bad_is_rebuilt_from_the_copy_and_the_outbox_is_lost_with_words(path, copy, whole):
    spoil(path, 1)
    said = rescue.look_after(path, copy)
    assert "not a database" in said
    assert "some were lost" in said
    assert content(path, "devices_device") == content(whole, "devices_device")
    assert waiting(path) == []
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.stat().st_size == whole.stat().st_size


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_bad_a_sound_database_with_a_user_comes_of_it(path, copy, seed):
    chance = random.Random(seed)
    pages = path.stat().st_size // PAGE
    spoil(path, *(chance.randint(2, pages) for _ in range(chance.choice((1, 3, 30)))), seed=seed)
    rescue.look_after(path, copy)
    assert rescue.damage_of(path) == ""
    assert len(content(path, "auth_user")) == 1
    assert len(content(path, "devices_device")) == 60


def test_numbers_go_on_from_where_they_were(path, copy):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM outbox_entry WHERE id > 900")
        connection.commit()
    spoil(path, pages_of(path, "outbox_waiting")[0])
    rescue.look_after(path, copy)
    assert ("outbox_entry", 1000) in content(path, "sqlite_sequence")


def test_the_copy_is_written_only_when_something_changed_and_holds_no_outbox(path, copy):
    assert not rescue.keep_copy(path, copy)
    assert content(copy, "outbox_entry") == []
    assert len(content(copy, "devices_device")) == 60
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM outbox_entry")
        connection.commit()
        assert not rescue.keep_copy(path, copy)
        connection.execute("DELETE FROM devices_route")
        connection.commit()
    assert rescue.keep_copy(path, copy)
    assert content(copy, "devices_route") == []


def test_what_was_in_the_wal_of_a_box_that_was_killed_counts(path, copy):
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("UPDATE devices_route SET match = 'newest'")
    writer.commit()
    killed = path.with_name("killed.sqlite3")  # the files as they are now, with nobody to close them
    killed.write_bytes(path.read_bytes())
    killed.with_name("killed.sqlite3-wal").write_bytes(path.with_name("edge.sqlite3-wal").read_bytes())
    writer.close()
    spoil(killed, pages_of(killed, "outbox_waiting")[0])
    assert "damaged" in rescue.look_after(killed, copy)
    with closing(sqlite3.connect(killed)) as connection:
        assert connection.execute("SELECT DISTINCT match FROM devices_route").fetchall() == [("newest",)]


def test_three_damaged_files_are_kept(path, copy):
    for number in range(5):
        path.with_name(f"edge.sqlite3.damaged-2020010{number}-000000").write_bytes(b"old")
    spoil(path, 1)
    rescue.look_after(path, copy)
    kept = sorted(each.name for each in path.parent.glob("*.damaged-*"))
    assert len(kept) == 3
    assert kept[0].endswith("20200103-000000")


def test_a_damaged_history_begins_anew(path):
    assert rescue.begin_anew(path) == ""
    spoil(path, 1)
    assert "begins anew" in rescue.begin_anew(path)
    assert not path.exists()
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
