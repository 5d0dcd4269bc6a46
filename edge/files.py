"""Files that are whole or not there, also when the power goes: written beside, flushed, renamed, the folder flushed.

Each step is needed. Without the flush of the file the new name may come up empty; without the flush of the folder the
old file may come back after we said that the new one is there.
"""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file. Once this returns, the content outlives a power cut; before, the file is the old one or this.

    Raises OSError, and then the old file is as it was. Of several writers at once the last one wins, whole.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)  # left by a process of this number that lost its power
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask says
            file.write(content.encode() if isinstance(content, str) else content)
        settle(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def settle(draft: Path, path: Path) -> None:
    """Give a file that was written beside ``path`` its name, so that it outlives a power cut."""
    _flush(draft)
    draft.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder outlive a power cut."""
    _flush(folder)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
