"""What makes a box the one that was asked for, step by step, on a root folder.

Each function writes files below ``root``, or returns the commands that remain for `__main__` to run.
Each may be done twice: a box that lost its power in the middle begins again.
"""

import hashlib
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .wanted import Account, Wanted, Wifi

PRIVATE, PUBLIC = 0o600, 0o644
KEY_ROUNDS, KEY_BYTES = 4096, 32  # of a WPA passphrase (IEEE 802.11, J.4.1)
AVAHI = "etc/avahi/avahi-daemon.conf"
WIFI = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf"  # systemd/… of wpasupplicant reads it by the interface's name


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run, and what it reads from its standard input; that may be a secret, so it is never shown."""

    words: tuple[str, ...]
    given: str = field(default="", repr=False)


def write_whole(path: Path, text: str, mode: int = PUBLIC) -> None:
    """Write a file so that it is the old one or the new one, whole, whenever the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last. A folder that cannot be synced (FAT by some drivers) is left to the kernel."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        os.sync()
    finally:
        os.close(descriptor)


def default_name(serial: str) -> str:
    """Name a box that nobody named after the end of its board's serial number, or of its machine id: edge-1a2b."""
    digits = re.sub(r"[^0-9a-f]", "", serial.lower())
    return f"edge-{digits[-4:] or 'box'}"


def name_host(root: Path, name: str, *, chosen: bool) -> None:
    """Give the box its host name. A name that a person chose is its name on mDNS too; else it is edge.local there."""
    write_whole(root / "etc/hostname", f"{name}\n")
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n"
    write_whole(root / "etc/hosts", hosts)
    path = root / AVAHI
    if path.exists():
        text = re.sub(r"(?m)^#?host-name=.*$", f"host-name={name if chosen else 'edge'}", path.read_text("utf-8"))
        write_whole(path, text)


def join_wifi(root: Path, wifi: Wifi) -> None:
    """Write the network down; a udev rule of the image starts wpa_supplicant once there is a wlan0."""
    write_whole(root / WIFI, wpa_configuration(wifi), PRIVATE)


def wpa_configuration(wifi: Wifi) -> str:
    """Return wpa_supplicant.conf(5) for one network. The name is in hexadecimal, the phrase as the key made of it."""
    lines = ["ctrl_interface=DIR=/run/wpa_supplicant", f"country={wifi.country}", "network={"]
    lines.append(f"    ssid={wifi.ssid.encode().hex()}")
    lines += ["    scan_ssid=1"] if wifi.hidden else []
    lines.append(f"    psk={wpa_key(wifi)}" if wifi.password else "    key_mgmt=NONE")
    return "\n".join([*lines, "}", ""])


def wpa_key(wifi: Wifi) -> str:
    """Return the network's key, 64 hexadecimal digits (IEEE 802.11, J.4.1)."""
    if wifi.is_key:
        return wifi.password.lower()
    key = hashlib.pbkdf2_hmac("sha1", wifi.password.encode(), wifi.ssid.encode(), KEY_ROUNDS, KEY_BYTES)
    return key.hex()


def account_commands(account: Account, *, exists: bool) -> list[Command]:
    """Return what makes the account, in the groups of people who own the box; its password is only ever piped."""
    groups = "sudo,dialout,systemd-journal"
    make = ("useradd", "--create-home", "--shell", "/bin/bash", "--groups", groups, account.name)
    join = ("usermod", "--append", "--groups", groups, account.name)
    commands = [Command(join if exists else make)]
    if account.password:
        encrypted = ("--encrypted",) if account.is_crypted else ()
        commands.append(Command(("chpasswd", *encrypted), f"{account.name}:{account.password}\n"))
    return commands


def allow_keys(home: Path, keys: tuple[str, ...], user: int, group: int) -> None:
    """Let these SSH keys in, beside those that are let in already. Numbers of -1 leave the owner as it is."""
    if not keys:
        return
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "authorized_keys"
    there = path.read_text("utf-8").splitlines() if path.exists() else []
    write_whole(path, "\n".join([*there, *(key for key in keys if key not in there)]) + "\n", PRIVATE)
    for each in (folder, path):
        os.chown(each, user, group)


def set_password_login(root: Path, account: Account) -> None:
    """Let SSH take a password only where a person asked for one (sshd_config.d(5))."""
    answer = "yes" if account.password_login and account.password else "no"
    write_whole(root / "etc/ssh/sshd_config.d/50-edge-owner.conf", f"PasswordAuthentication {answer}\n")


def site_request(wanted: Wanted) -> dict[str, Any]:
    """Return what `edge provision` is to make of it, as plain values; empty where nothing is."""
    parts = {"owner": wanted.owner, "station": wanted.station}
    return {name: asdict(part) for name, part in parts.items() if part is not None}


def wipe(path: Path) -> None:
    """Take a file with secrets away, its bytes first. A card may keep old blocks; what it keeps no file leads to."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(b"\n" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)


def report(name: str, done: list[str], mistakes: list[str]) -> str:
    """Return what a person finds on the boot partition afterwards, lines ended as every editor shows them."""
    lines = [f"This box is {name}.", "", *(f"done: {line}" for line in done)]
    if mistakes:
        lines += ["", "What could not be taken (put a corrected edge.toml here and start the box again):"]
        lines += [f"  {line}" for line in mistakes]
    lines += ["", "The file itself was removed, because it held passwords."]
    return "\r\n".join([*lines, ""])
