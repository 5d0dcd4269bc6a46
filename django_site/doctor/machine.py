"""What the machine gives the box: its folder, the disk beneath it, the clock, the service. Knows nothing of Django."""

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import edge
from django_site.clock import trusted
from django_site.doctor import Finding, Level

LITTLE_SPACE, NO_SPACE = 500, 50  # MB that are left
MEGA = 1_000_000
WORN = 8  # of 10, in steps of a tenth of its life, as eMMC and some SD cards tell (JEDEC JESD84-B51, 7.4.51)
ANSWER = 10.0  # seconds for a program to answer
RESTARTS = 3  # of the service since it was started, beyond which something is wrong with it
OPEN_TO_OTHERS = 0o077

SYSTEMD = Path("/run/systemd/system")
UNITS = ("edge.service", "edge-devices.service", "edge-web.service")  # all in one, or one each


def folder(data: Path) -> Iterator[Finding]:
    """Look at who owns the data folder and what is in it."""
    us, owner = os.geteuid(), data.stat().st_uid
    strangers = [path for path in (data, *data.glob("*")) if path.stat().st_uid != owner]
    if strangers:
        do = f"sudo chown -R {_name(owner)}: {data}"
        text = f"{strangers[0]} belongs to {_name(strangers[0].stat().st_uid)}, and the box cannot write to it"
        yield Finding(about="folder", level=Level.ERROR, text=text, do=do)
    elif us not in (owner, 0):
        text = f"{data} belongs to {_name(owner)}, and you are {_name(us)}"
        yield Finding(about="folder", level=Level.ERROR, text=text, do="sudo edge doctor")
    elif not os.access(data, os.W_OK):
        text = f"{data} cannot be written to"
        yield Finding(about="folder", level=Level.ERROR, text=text, do="look at the lines about the disk")
    elif data.stat().st_mode & OPEN_TO_OTHERS:
        text = f"others may look into {data}, which holds passwords of brokers"
        yield Finding(about="folder", level=Level.WARNING, text=text, do=f"chmod 700 {data}")
    else:
        yield Finding(about="folder", text=f"{data} belongs to {_name(owner)} alone")


def disk(data: Path) -> Iterator[Finding]:
    """Look at the room that is left, and at what the disk says of its own health."""
    if os.statvfs(data).f_flag & os.ST_RDONLY:
        text = "the file system is read-only, as Linux makes one that has errors"
        yield Finding(
            about="disk", level=Level.ERROR, text=text, do="back up what you can, restart; then a new SD card"
        )
        return
    left = shutil.disk_usage(data).free // MEGA
    if left < LITTLE_SPACE:
        level = Level.ERROR if left < NO_SPACE else Level.WARNING
        do = "sudo apt clean; EDGE_KEEP_PACKETS keeps fewer packets; or a larger card"
        yield Finding(about="disk", level=level, text=f"{left} MB are left", do=do)
    else:
        yield Finding(about="disk", text=f"{left} MB are left")
    yield from _health()


def _health(sys: Path = Path("/sys")) -> Iterator[Finding]:
    for path in sys.glob("fs/ext4/*/errors_count"):
        if count := int(path.read_text()):
            text = f"{path.parent.name} has had {count} errors of its file system"
            do = f"back up; then, with the disk not in use: fsck -f /dev/{path.parent.name}"
            yield Finding(about="disk", level=Level.ERROR, text=text, do=do)
    for path in sys.glob("block/mmcblk*/device/life_time"):
        worn = max(int(word, 16) for word in path.read_text().split())
        if worn > WORN:
            text = f"{path.parts[-3]} has {min(worn, 10) * 10} % of its life behind it"
            yield Finding(about="disk", level=Level.WARNING, text=text, do="back up, and have a new card ready")


def clock(data: Path) -> Iterator[Finding]:
    """Look at whether the clock can be believed. An hour does not show; years do."""
    del data
    made = Path(edge.__file__).stat().st_mtime
    if time.time() < made:
        text = f"it is {time.strftime('%Y-%m-%d %H:%M')}, it says, which was before Edge was made"
        do = "connect a network (timedatectl tells), or set it: sudo date -s 'YYYY-MM-DD HH:MM'"
        yield Finding(about="clock", level=Level.ERROR, text=text, do=do)
    elif not SYSTEMD.is_dir():
        yield Finding(about="clock", text=f"it is {time.strftime('%Y-%m-%d %H:%M')}; nobody here says who sets it")
    elif not trusted() and _systemctl("timedatectl", "show", "-p", "NTPSynchronized") != "yes":
        text = "it has not been set by the network since the start; times may be wrong"
        do = "timedatectl timesync-status; a network that lets NTP through (port 123/udp)"
        yield Finding(about="clock", level=Level.WARNING, text=text, do=do)
    else:
        yield Finding(about="clock", text="it is set by the network")


def service(data: Path) -> Iterator[Finding]:
    """Look at what systemd says of the service, or of the two, where there are any."""
    del data
    if SYSTEMD.is_dir() and _systemctl("systemctl", "show", "-p", "LoadState", UNITS[0]) == "loaded":
        for unit in enabled_units() or UNITS[:1]:
            yield _service(unit)


def enabled_units() -> list[str]:
    """Name the units that a boot starts."""
    return [unit for unit in UNITS if _systemctl("systemctl", "show", "-p", "UnitFileState", unit) == "enabled"]


def _service(unit: str) -> Finding:
    state = _systemctl("systemctl", "show", "-p", "ActiveState", unit)
    restarts = int(_systemctl("systemctl", "show", "-p", "NRestarts", unit) or 0)
    if state != "active":
        do = f"journalctl -u {unit} -n 50 says why; sudo systemctl start {unit}"
        return Finding(about="service", level=Level.ERROR, text=f"{unit} is {state or 'not there'}", do=do)
    if restarts > RESTARTS:
        text = f"{unit} was started again {restarts} times"
        return Finding(about="service", level=Level.WARNING, text=text, do=f"journalctl -u {unit} says why")
    return Finding(about="service", text=f"{unit} is active")


def _systemctl(program: str, *words: str) -> str:
    """Return the value of what a program shows as Name=value; empty where it does not answer."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        told = subprocess.run([program, *words], capture_output=True, text=True, timeout=ANSWER, check=False)  # noqa: S603
        return told.stdout.strip().partition("=")[2]
    return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
