"""A box's data in one file, and out of it again."""

import io
import sqlite3
import tarfile
from contextlib import closing

import pytest
from backup import archive


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "edge"
    made.mkdir()
    (made / "secret-key").write_text("key")
    (made / "lock").write_text("process 7")
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
