"""What the settings need of the box: its environment, its data folder, its names. Knows nothing of Django."""

import os
import secrets
import socket
from pathlib import Path

FOLDER_MODE = 0o700  # rows hold passwords of brokers
KEY_MODE = 0o600
KEY_BYTES = 50  # Django's own length


def flag(name: str) -> bool:
    """Tell whether a variable says yes: 1, true, yes or on."""
    return os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on")


def words(name: str) -> list[str]:
    """Return a variable's words, between commas or spaces."""
    return os.environ.get(name, "").replace(",", " ").split()


def number(name: str, default: int) -> int:
    """Return a variable's whole number of at least 1, or the default where it is not set."""
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(f"{name}: expected a whole number of at least 1; got {text!r}")
    return int(text)


def data_folder() -> Path:
    """Return the folder of everything that must outlive a restart (``EDGE_DATA``); make it where there is none."""
    folder = Path(os.environ.get("EDGE_DATA") or "edge-data").absolute()
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return folder


def secret_key(folder: Path) -> str:
    """Return this box's own key, made at first use.

    Two processes may come here at once, and the power may go: the key is whole on the disk before it gets its name,
    and the name is given once.
    """
    path = folder / "secret-key"
    if not path.exists():
        draft = folder / f".secret-key-{os.getpid()}"
        _write_whole(draft, secrets.token_urlsafe(KEY_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first; its key is the key
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


def host_names() -> list[str]:
    """Name what this box is called on its network: by itself, and by mDNS."""
    name = socket.gethostname().lower()
    return [name, f"{name}.local"] if name and "." not in name else [name] if name else []


def _write_whole(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # left by a process of this number that lost its power
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
