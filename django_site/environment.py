"""What the settings need of the box: its environment, its data folder, its names. Knows nothing of Django."""

import hashlib
import ipaddress
import os
import secrets
import socket
from pathlib import Path
from typing import Any, Self

from edge.errors import ConfigError
from edge.files import flush_folder, write_whole

FOLDER_MODE = 0o700  # rows hold passwords of brokers
KEY_MODE = 0o600
KEY_BYTES = 50  # Django's own length
BOX_DIGITS = 16  # of 64 bits, that tell boxes at one broker apart


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
        raise ConfigError(f"{name}: expected a whole number of at least 1; got {text!r}")
    return int(text)


def data_path() -> Path:
    """Return where the folder of everything that must outlive a restart is (``EDGE_DATA``), or is to be."""
    return Path(os.environ.get("EDGE_DATA") or "edge-data").absolute()


def data_folder() -> Path:
    """Return that folder; make it where there is none."""
    folder = data_path()
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return folder


def tls_files() -> tuple[Path | None, Path | None]:
    """Return the files of a person's own certificate and of its key, None for each that is not named."""
    certificate, key = os.environ.get("EDGE_TLS_CERT", "").strip(), os.environ.get("EDGE_TLS_KEY", "").strip()
    return Path(certificate) if certificate else None, Path(key) if key else None


def secret_key(folder: Path) -> str:
    """Return this box's own key, made at first use.

    Two processes may come here at once, and the power may go: the key is whole on the disk before it gets its name,
    and the name is given once.
    """
    path = folder / "secret-key"
    if not path.exists():
        draft = folder / f".secret-key-{os.getpid()}"
        write_whole(draft, secrets.token_urlsafe(KEY_BYTES) + "\n", mode=KEY_MODE)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first; its key is the key
        finally:
            draft.unlink()
            flush_folder(folder)
    return path.read_text(encoding="ascii").strip()


def channel_layers(key: str) -> dict[str, Any]:
    """Return the ``CHANNEL_LAYERS`` of the broker that ``EDGE_LAYER`` names; empty where it names none.

    The processes of one box have its key, and so one prefix; boxes that share a broker by this do not meet, for a
    device's name is the same on many. Whoever wants them to writes settings of their own.
    """
    url = os.environ.get("EDGE_LAYER", "").strip()
    if not url:
        return {}
    box = hashlib.sha256(f"channel layer of {key}".encode()).hexdigest()[:BOX_DIGITS]
    config = {"url": url, "prefix": f"edge-box/{box}"}
    return {"default": {"BACKEND": "edge.layers.mqtt.MqttChannelLayer", "CONFIG": config}}


class AnyAddress(str):
    """An entry of ``ALLOWED_HOSTS`` that every IP address matches: a box is called by its address, which DHCP changes.

    The check of the Host header is against names that a stranger points at this box (DNS rebinding); an address cannot
    be pointed anywhere. It matches as a Host only: as an Origin (`edge.security`) it is a name that nobody has.
    """

    __slots__ = ()

    def __new__(cls) -> Self:
        """Make it, with a name that is reserved for never being one (RFC 6761)."""
        return super().__new__(cls, "any-address.invalid")

    def lower(self) -> Self:
        """Stay what it is: Django compares in lower case."""
        return self

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, str) and bool(ipaddress.ip_address(other.removeprefix("[").removesuffix("]")))
        except ValueError:
            return False

    def __hash__(self) -> int:
        return super().__hash__()


def host_names() -> list[str]:
    """Name what this box is called on its network: by itself, and by mDNS."""
    name = socket.gethostname().lower()
    return [name, f"{name}.local"] if name and "." not in name else [name] if name else []
