"""``edge-backup >FILE`` and ``edge-restore <FILE``, as root."""

import os
import shutil
import sys
from pathlib import Path

from update.machine import DATA, Machine
from update.progress import Phase, sync_folder

from . import archive


def main(words: list[str]) -> int:
    """Do the one or the other: exit code 0 done, 1 not, and nothing was changed, 2 not understood."""
    if words == ["backup"] and not sys.stdout.isatty():
        archive.write(DATA, sys.stdout.buffer)
        return 0
    if words == ["restore"] and not sys.stdin.isatty():
        return restore(Machine(), DATA)
    if words == ["carry-on"]:  # what edge-update.service runs
        return carry_on(Machine(), DATA)
    sys.stderr.write("sudo edge-backup >FILE writes all data of this box; sudo edge-restore <FILE puts it back\n")
    return 2


def restore(box: Machine, folder: Path) -> int:
    """Put an archive in the place of the data folder, and that beside it; back again where the box gets no ready."""
    if (phase := box.progress().phase) is not Phase.IDLE:
        sys.stderr.write(
            f"edge-restore: an update is under way ({phase.value}); wait until edge-update --status ends\n"
        )
        return 1
    fresh, replaced = _beside(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        archive.unpack(sys.stdin.buffer, fresh)
    except archive.NotABackupError as error:
        sys.stderr.write(f"edge-restore: {error}\n")
        return 1
    archive.give_to(fresh, folder.stat())
    os.sync()  # a folder's new name may reach the card before what is in it
    box.halt()
    shutil.rmtree(replaced, ignore_errors=True)
    folder.rename(replaced)
    fresh.rename(folder)
    sync_folder(folder.parent)
    return _prove(box, folder)


def carry_on(box: Machine, folder: Path) -> int:
    """After a loss of power in the middle of a restore: it has not begun, or it is done, and the box runs."""
    if not box.halted.exists() or box.progress().phase is not Phase.IDLE:
        return 0
    fresh, replaced = _beside(folder)
    if not folder.exists():
        replaced.rename(folder)
    if fresh.exists():
        shutil.rmtree(fresh)
        sync_folder(folder.parent)
        box.start()
        return 0
    return _prove(box, folder)


def _prove(box: Machine, folder: Path) -> int:
    fresh, replaced = _beside(folder)
    box.start()
    if (trouble := box.trouble()) and replaced.exists():
        sys.stderr.write(f"edge-restore: with this data the box does not run: {trouble}; the old data is back\n")
        box.halt()
        folder.rename(fresh)
        replaced.rename(folder)
        box.start()
        return 1
    sys.stdout.write(f"the data is that of the backup; what was there before is in {replaced}\n")
    return 0


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name("edge.restored"), folder.with_name("edge.replaced")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
