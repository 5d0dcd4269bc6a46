"""``edge-update``: update Edge from a package, with a way back that needs nobody; or go back by hand."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .course import carry_on
from .machine import DATA, Machine
from .progress import Phase, Progress, sync_folder

UNIT = "edge-update.service"
SPARE = 200 * 1024 * 1024  # bytes that stay free beside what the update needs


class Refused(Exception):  # noqa: N818  (what it is)
    """The update cannot begin; the message says why, and nothing has been changed."""


def main() -> int:
    """Run ``edge-update``: exit code 0 the new version runs, 1 it does not and the old one does, 2 refused."""
    made = argparse.ArgumentParser(prog="edge-update", description=__doc__)
    made.add_argument("package", nargs="?", type=Path, help="the .deb of the new version")
    made.add_argument("--back", action="store_true", help="go back to the version before this one")
    made.add_argument("--status", action="store_true", help="say what came of the last update")
    made.add_argument("--carry-on", action="store_true", help=argparse.SUPPRESS)  # what edge-update.service runs
    options = made.parse_args()
    box = Machine()
    if options.carry_on:
        carry_on(box, lambda line: print(line, flush=True))  # noqa: T201  (a command line talks by printing)
        return 0
    if options.status:
        return say(box.progress())
    if os.geteuid():
        sys.stderr.write("edge-update: only root may do that: sudo edge-update …\n")
        return 2
    try:
        stage_back(box) if options.back else stage(box, options.package)
    except Refused as refusal:
        sys.stderr.write(f"edge-update: {refusal}\n")
        return 2
    print("The box is on its way; it goes on if this terminal does not. One to six minutes …", flush=True)  # noqa: T201  (as above)
    with contextlib.suppress(subprocess.CalledProcessError):  # what came of it is remembered
        _run("systemctl", "restart", UNIT)
    return say(box.progress())


def say(progress: Progress) -> int:
    """Print what came of it; exit code 0 where the last update was accepted, or there was none."""
    print(progress.text or f"nothing to tell; {progress.phase.value}")  # noqa: T201  (as above)
    return 0 if progress.phase is Phase.IDLE and not progress.text.startswith(("went back", "could not")) else 1


def stage(box: Machine, package: Path | None) -> None:
    """Look at a package as hard as one can without installing it, and put it on the card. Raises `Refused`."""
    if package is None or not package.is_file():
        raise Refused(f"{package or 'PACKAGE'}: expected the .deb of the new version")
    _expect_idle(box)
    if not (box.packages / "running.deb").is_file():
        raise Refused(f"{box.packages}/running.deb is missing: there would be no way back")
    try:
        name, machine = field(package, "Package"), field(package, "Architecture")
        _run("dpkg-deb", "--contents", str(package))  # reads it to its end
        own, here = field(box.packages / "running.deb", "Package"), _run("dpkg", "--print-architecture")
    except subprocess.CalledProcessError as error:
        raise Refused(f"{package}: it is no whole package: {error.stderr.strip() or error}") from error
    if name != own or machine not in (here, "all"):
        raise Refused(f"{package}: expected {own} for {here}; got {name} for {machine}")
    needed = package.stat().st_size * 8 + sum(path.stat().st_size for path in DATA.glob("*.sqlite3")) * 2 + SPARE
    if (free := shutil.disk_usage(box.home).free) < needed:
        raise Refused(f"the card has {free // 2**20} MiB free; expected {needed // 2**20} MiB")
    draft = box.packages / ".next.new"
    shutil.copyfile(package, draft)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(box.packages / "next.deb")
    sync_folder(box.packages)
    box.remember(Progress(phase=Phase.STAGED))


def stage_back(box: Machine) -> None:
    """Make the version before the running one, and have it put back. Raises `Refused`."""
    _expect_idle(box)
    previous = box.packages / "previous.deb"
    if not previous.is_file():
        raise Refused("there is no version before this one on the card")
    previous.replace(box.packages / "running.deb")
    sync_folder(box.packages)
    box.remember(Progress(phase=Phase.RETURNING, text="you asked for it"))


def field(package: Path, name: str) -> str:
    """Return a field of a package."""
    return _run("dpkg-deb", "--field", str(package), name)


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603  (our own words)


def _expect_idle(box: Machine) -> None:
    if (phase := box.progress().phase) is not Phase.IDLE:
        raise Refused(f"an update is under way already ({phase.value}); see: journalctl -u {UNIT}")
    if box.halted.exists():
        raise Refused("a restore is under way; wait until edge-restore has ended")


if __name__ == "__main__":
    sys.exit(main())
