"""Who has a serial port, and whether a pty is still the TNC's: read from /proc, never by opening anything.

Blocks for milliseconds (a look at each process): not for the loop.
"""

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PTYS = "/dev/pts/"
MAX_HOLDERS = 5  # that are named
TTY_FIELD = 4  # of what stands behind the name in /proc/<pid>/stat: the controlling terminal (proc(5), tty_nr)
LATER = 2.0  # seconds by which a pty may be younger than the name that points at it; clocks of file systems are coarse
GREEDY = {
    "ModemManager": "it looks for modems; on a box without one: sudo systemctl disable --now ModemManager",
    "brltty": "it takes the adapter for a braille display; without one: sudo apt remove brltty",
    "gpsd": "it takes the port for a GPS; name its own port in /etc/default/gpsd",
    "agetty": "it offers a login there; sudo systemctl disable --now serial-getty@{name}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has the port open."""

    process: int
    name: str


def holders(path: str) -> list[Holder]:
    """List the other processes that have a port open. Those of other users are seen by root alone."""
    try:
        wanted = Path(path).stat()
    except OSError:
        return []
    if not stat.S_ISCHR(wanted.st_mode):
        return []
    found: list[Holder] = []
    for process in PROC.glob("[0-9]*"):
        number = int(process.name)
        if number != os.getpid() and len(found) < MAX_HOLDERS and _has_open(process, wanted.st_rdev):
            found.append(Holder(process=number, name=_name(process)))
    return found


def holder_words(path: str) -> str:
    """Name who has a port, and what to do where we know them; empty where nobody is seen."""
    found = holders(path)
    listed = ", ".join(f"{holder.name} (process {holder.process})" for holder in found)
    advice = next((GREEDY[holder.name] for holder in found if holder.name in GREEDY), "")
    return listed + (f"; {advice.format(name=Path(path).name)}" if advice else "")


def permission_words(path: str) -> str:
    """Say which group may open a port, and how to get into it."""
    try:
        found = Path(path).stat()
        group = grp.getgrgid(found.st_gid)
    except (OSError, KeyError):
        return "add this program's user to the group that owns it (often dialout)"
    if not found.st_mode & stat.S_IRGRP or not found.st_mode & stat.S_IWGRP:
        return f"only its owner may; a udev rule can give it to the group dialout (ls -l {path} shows who owns it)"
    user = _user()
    if user in group.gr_mem and found.st_gid not in os.getgroups():
        return f"{user} is in the group {group.gr_name} that owns it, but was not when this program began: restart it"
    return f"the group {group.gr_name} owns it: sudo usermod -aG {group.gr_name} {user}, then restart"


def pty_problem(path: str) -> str:
    """Say why a pty is not what it was given out for, or nothing: its number may belong to another program by now.

    A program that puts a TNC on a pty (Direwolf's ``/tmp/kisstnc``) leaves its name behind when it dies, and the kernel
    gives the number to the next one who asks: somebody's terminal, into which frames would be written.
    """
    device = os.path.realpath(path)
    if not device.startswith(PTYS):
        return ""
    try:
        pty = Path(device).stat()
        link = Path(path).lstat()
    except OSError:
        return ""  # opening it will say so
    if owner := _terminal_of(pty.st_rdev):
        return f"{device} is the terminal of {owner}; who made {path} is gone"
    if stat.S_ISLNK(link.st_mode) and pty.st_ctime > link.st_mtime + LATER:
        return f"{device} is younger than the name that points at it, so it is another program's; start who made {path}"
    return ""


def _terminal_of(device: int) -> str:
    """Name a process whose controlling terminal this is, or nothing."""
    for process in PROC.glob("[0-9]*"):
        fields = _read(process / "stat").rpartition(")")[2].split()
        if len(fields) > TTY_FIELD and int(fields[TTY_FIELD]) == device:
            return f"{_name(process)} (process {process.name})"
    return ""


def _has_open(process: Path, device: int) -> bool:
    return any(stat.S_ISCHR(found.st_mode) and found.st_rdev == device for found in _open_files(process))


def _open_files(process: Path) -> Iterator[os.stat_result]:
    try:
        with os.scandir(process / "fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # closed meanwhile
                    yield entry.stat()
    except OSError:
        return  # another user's, or it has ended


def _name(process: Path) -> str:
    return _read(process / "comm").strip() or "a process"


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
