import os
import stat

import pytest

from edge.files import settle, write_whole


def test_a_file_is_written_with_its_mode_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "page", "hello\n", mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "page").read_text() == "hello\n"
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o644


def test_a_file_is_replaced_whole_and_nothing_is_left_beside(tmp_path):
    write_whole(tmp_path / "key", b"one")
    write_whole(tmp_path / "key", b"two")
    assert (tmp_path / "key").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    write_whole(tmp_path / "key", b"one")
    (tmp_path / f".key.{os.getpid()}.new").mkdir()
    with pytest.raises(OSError, match="key"):
        write_whole(tmp_path / "key", b"two")
    assert (tmp_path / "key").read_bytes() == b"one"


def test_a_draft_of_a_process_that_died_is_in_nobodys_way(tmp_path):
    (tmp_path / f".key.{os.getpid()}.new").write_bytes(b"half")
    write_whole(tmp_path / "key", b"whole")
    assert (tmp_path / "key").read_bytes() == b"whole"


def test_a_file_that_was_written_beside_gets_its_name(tmp_path):
    (tmp_path / "draft").write_bytes(b"copy")
    settle(tmp_path / "draft", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"copy"
    assert not (tmp_path / "draft").exists()
