"""How the image is made: the shell is sound, and what is made twice is the same."""

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EPOCH = 1793491200
SCRIPTS = ["image/build", "image/base", "image/assemble", "image/tree/usr/sbin/edge-update", "scripts/appliance-test"]


def program(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "image" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_shell_is_sound(script):
    checked = subprocess.run(["shellcheck", "-x", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_what_dumpe2fs_says_of_free_inodes_leaves_those_in_use():
    described = "Inode count:              20\nGroup 0\n  Free inodes: 5, 7-9, 15-16\nGroup 1\n  Free inodes: \n"
    assert program("settle-times").used_inodes(described) == [1, 2, 3, 4, 6, 10, 11, 12, 13, 14, 17, 18, 19, 20]


@pytest.mark.needs("mke2fs", "debugfs", "dumpe2fs")
def test_a_file_system_that_is_made_twice_is_the_same(tmp_path):
    """From two folders of the same content that were made in another order, at another time."""
    made = []
    for number, order in enumerate((range(40), reversed(range(40)))):
        folder, image = tmp_path / f"root{number}", tmp_path / f"{number}.ext4"
        folder.mkdir()
        for name in order:
            (folder / str(name)).write_text(f"file {name}")
            os.utime(folder / str(name), (EPOCH + number, EPOCH))
        (folder / "link").symlink_to("1")
        os.utime(folder / "link", (EPOCH, EPOCH), follow_symlinks=False)
        os.utime(folder, (EPOCH, EPOCH))
        uuid = "12345678-1234-4234-8234-123456789abc"
        words = [shutil.which("mke2fs"), "-q", "-t", "ext4", "-U", uuid, "-E", f"hash_seed={uuid},lazy_itable_init=0"]
        words += ["-O", "^metadata_csum_seed", "-d", str(folder), str(image), "16M"]
        subprocess.run(words, check=True, env={**os.environ, "E2FSPROGS_FAKE_TIME": str(EPOCH)}, capture_output=True)
        assert program("settle-times").main(str(image), EPOCH) == 0
        made.append(image.read_bytes())
    assert made[0] == made[1]


def test_each_package_of_the_image_is_named_once():
    lines = [line.partition("#")[0].strip() for line in (ROOT / "image/packages").read_text("utf-8").splitlines()]
    named = [line for line in lines if line]
    assert len(named) == len(set(named)) > 20
    assert all(" " not in name for name in named)
