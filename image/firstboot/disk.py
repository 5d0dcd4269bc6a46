"""The card: which partition the root is on, and whether it may grow."""

import re
import subprocess
from pathlib import Path

SECTOR = 512  # bytes, in sysfs and in sfdisk's scripts
WORTH = 64 * 1024 * 1024  # bytes of free card that are worth growing for


def partition_of(device: str) -> tuple[str, int] | None:
    """Split a partition's device into disk and number: /dev/mmcblk0p2 → /dev/mmcblk0, 2. None where it is none."""
    found = re.fullmatch(r"(/dev/(?:mmcblk|nvme\d+n|loop)\d+)p(\d+)|(/dev/(?:sd|vd|xvd)[a-z]+)(\d+)", device)
    if found is None:
        return None
    return found[1] or found[3], int(found[2] or found[4])


def room_behind(sys: Path, disk: str, number: int) -> int:
    """Return how many bytes of the disk lie behind a partition; ``sys`` is /sys/class/block."""
    name = Path(disk).name
    partition = next((f"{name}{infix}{number}" for infix in ("p", "") if (sys / f"{name}{infix}{number}").exists()), "")
    if not partition:
        return 0
    sectors = [int((sys / each).read_text()) for each in (f"{name}/size", f"{partition}/start", f"{partition}/size")]
    return (sectors[0] - sectors[1] - sectors[2]) * SECTOR


def grow(device: str) -> str:
    """Let the partition and its ext4 have the rest of the card; return what was done, for the report.

    The partition table is one sector, written at once; the file system grows online, and its journal sees it through a
    loss of power. Raises OSError or CalledProcessError, with which a box lives.
    """
    place = partition_of(device)
    if place is None or room_behind(Path("/sys/class/block"), *place) < WORTH:
        return ""
    disk, number = place
    _run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--force", "-N", str(number), disk, given=", +\n")
    _run("partx", "--update", disk)
    _run("resize2fs", device)
    return f"{device} has the whole card now"


def _run(*words: str, given: str = "") -> None:
    subprocess.run(words, input=given, text=True, check=True, capture_output=True, timeout=300)  # noqa: S603  (our own words)
