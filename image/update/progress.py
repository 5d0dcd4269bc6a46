"""How far an update has come, as one small file that is whole whenever the power goes."""

import json
import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path


class Phase(Enum):
    """Where an update stands. An interrupted run goes on from here (`course`)."""

    IDLE = "idle"
    STAGED = "staged"  # the new package is on the card, whole; nothing else has happened
    INSTALLING = "installing"  # what is installed is neither: never started like that
    TRIAL = "trial"  # the new version runs, and has to prove itself
    ACCEPTED = "accepted"  # it has; the packages change their names
    RETURNING = "returning"  # the old version is being put back


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The phase, how often the trial was begun, and what came of the last update, in words."""

    phase: Phase = Phase.IDLE
    tries: int = 0
    text: str = ""


def read(path: Path) -> Progress:
    """Return the progress; of a file that is not there or not ours, that nothing goes on."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        return Progress(phase=Phase(stored["phase"]), tries=int(stored["tries"]), text=str(stored["text"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Progress()


def write(path: Path, progress: Progress) -> None:
    """Remember it, on the disk when this returns."""
    write_whole(path, json.dumps({**asdict(progress), "phase": progress.phase.value}).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is the old one or the new one, whole, whenever the power goes."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
