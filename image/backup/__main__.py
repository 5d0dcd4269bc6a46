"""``edge-backup >FILE`` and ``edge-restore <FILE``, as root."""

import shutil
import sys
from pathlib import Path

from update.machine import DATA, Machine

from . import archive


def main(words: list[str]) -> int:
    """Do the one or the other: exit code 0 done, 1 not, and nothing was changed, 2 not understood."""
    if words == ["backup"] and not sys.stdout.isatty():
        archive.write(DATA, sys.stdout.buffer)
        return 0
    if words == ["restore"] and not sys.stdin.isatty():
        return restore(Machine(), DATA)
    sys.stderr.write("sudo edge-backup >FILE writes all data of this box; sudo edge-restore <FILE puts it back\n")
    return 2


def restore(box: Machine, folder: Path) -> int:
    """Put an archive in the place of the data folder, and that beside it; back again where the box gets no ready."""
    fresh, replaced = folder.with_name("edge.restored"), folder.with_name("edge.replaced")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        archive.unpack(sys.stdin.buffer, fresh)
    except archive.NotABackupError as error:
        sys.stderr.write(f"edge-restore: {error}\n")
        return 1
    archive.give_to(fresh, folder.stat())
    box.halt()
    shutil.rmtree(replaced, ignore_errors=True)
    folder.rename(replaced)
    fresh.rename(folder)
    box.start()
    if trouble := box.trouble():
        sys.stderr.write(f"edge-restore: with this data the box does not run: {trouble}; the old data is back\n")
        box.halt()
        folder.rename(fresh)
        replaced.rename(folder)
        box.start()
        return 1
    sys.stdout.write(f"the data is that of the backup; what was there before is in {replaced}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
