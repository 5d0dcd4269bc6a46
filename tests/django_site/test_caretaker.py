"""Who looks after damaged files, where several processes have them open."""

import sqlite3
from contextlib import closing

import pytest
from django.conf import settings

from django_site.caretaker import take_files


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a whole database and a damaged one."""
    for name, file in (("default", "edge"), ("history", "history")):
        path = tmp_path / f"{file}.sqlite3"
        monkeypatch.setitem(settings.DATABASES[name], "NAME", path)
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE notes (text)")
            database.commit()
    (tmp_path / "history.sqlite3").write_bytes(b"no database " * 1000)
    return tmp_path


def test_the_first_looks_after_what_is_damaged_and_the_next_finds_all_well(data):
    first, said = take_files(data)
    second, nothing = take_files(data)
    with first, second:
        assert len(said) == 1
        assert "begins anew" in said[0]
        assert nothing == []


def test_what_another_process_has_open_is_left_alone_and_told(data):
    whole = (data / "history.sqlite3").read_bytes()
    (data / "history.sqlite3").rename(data / "damaged")
    first, _ = take_files(data)
    (data / "damaged").rename(data / "history.sqlite3")
    second, said = take_files(data)
    with first, second:
        assert (data / "history.sqlite3").read_bytes() == whole
        assert "another process has it open" in said[0]
        assert "stop all that runs" in said[0]


def test_once_all_have_let_go_it_is_looked_after(data):
    first, _ = take_files(data)
    first.close()
    (data / "history.sqlite3").write_bytes(b"no database " * 1000)
    again, said = take_files(data)
    with again:
        assert "begins anew" in said[0]
