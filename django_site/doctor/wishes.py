"""What the box is to do: its databases, what waits in the outbox, its devices' ports, brokers and certificates."""

import grp
import os
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min

from django_site import control
from django_site.devices.models import Device
from django_site.doctor import Finding, Level
from django_site.outbox.models import Entry
from edge import __version__
from edge.errors import ConfigError, LinkLost
from edge.registry import import_string
from edge.usb import SCHEME as USB

REACH = 3.0  # seconds for a broker to take a connection
LONG_WAIT = 3600  # seconds after which what waits in the outbox is worth a word
SOON = 30  # days before a certificate ends
ANSWER = 10.0  # seconds for openssl
DAY = 86_400
PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}  # where a link names none


def databases(data: Path) -> Iterator[Finding]:
    """Look at whether each database is whole, and of this version."""
    for path in (data / "edge.sqlite3", data / "history.sqlite3"):
        if not path.exists():
            yield Finding(about="database", text=f"{path.name} is made at the first start")
            continue
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=REACH)) as database:
                (told,) = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            told = str(error)
        if told != "ok":
            do = "restart the box, which rebuilds it and keeps the damaged file; then a new SD card"
            yield Finding(about="database", level=Level.ERROR, text=f"{path.name} is damaged: {told}", do=do)
        else:
            yield Finding(about="database", text=f"{path.name} is whole ({path.stat().st_size // 1000:,} kB)")
    if not (data / "edge.sqlite3").exists():
        return  # to ask for tables would make it
    if missing := [name for alias in connections for name in _unapplied(alias)]:
        text = f"tables are of another version: {', '.join(missing[:3])}"
        yield Finding(about="database", level=Level.WARNING, text=text, do="edge migrate, or restart the box")


def _unapplied(alias: str) -> list[str]:
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def outbox(data: Path) -> Iterator[Finding]:
    """Look at how much waits to be sent, and since when."""
    del data
    waiting = Entry.objects.filter(state=Entry.State.WAITING)
    count, oldest = waiting.count(), waiting.aggregate(oldest=Min("put_at"))["oldest"]
    strays = sorted(set(waiting.values_list("device", flat=True)) - set(Device.objects.values_list("name", flat=True)))
    if strays:
        text = f"something waits for {', '.join(strays)}, and there is no such device"
        do = "make the device again, or delete the entries: Outbox, in the admin"
        yield Finding(about="outbox", level=Level.WARNING, text=text, do=do)
    if count and time.time() - oldest > LONG_WAIT:
        text = f"{count} entries wait, the oldest for {(time.time() - oldest) / LONG_WAIT:.0f} h"
        do = "edge status says why its device does not send"
        yield Finding(about="outbox", level=Level.WARNING, text=text, do=do)
    elif not strays:
        yield Finding(about="outbox", text=f"{count} entries wait" if count else "nothing waits")


def running(data: Path) -> Iterator[Finding]:
    """Look at the box itself, by its socket: its version, its problems, its devices."""
    try:
        _, answer = control.request(control.socket_path(data), "GET", "/status")
    except (OSError, ValueError) as error:
        do = "sudo systemctl start edge (of two services: edge-devices), or edge serve"
        yield Finding(about="box", level=Level.WARNING, text=f"no box runs on {data} ({error})", do=do)
        return
    box = answer["box"]
    if box["version"] != __version__:
        text = f"the box that runs is version {box['version']}; this is {__version__}"
        yield Finding(
            about="box", level=Level.WARNING, text=text, do="restart it: systemctl restart edge (edge-devices)"
        )
    else:
        yield Finding(about="box", text=f"version {__version__} runs")
    for problem in box["problems"]:
        yield Finding(about="box", level=Level.ERROR, text=problem, do="docs/services.md, When it is not well")
    for device in answer["devices"]:
        about = f"device {device['name']}"
        if device["state"] in ("up", "stopped"):
            yield Finding(about=about, text=device["state"])
        else:
            do = "docs/devices.md has what each of these words means"
            yield Finding(about=about, level=Level.ERROR, text=f"{device['state']}: {device['text']}", do=do)


def ports(data: Path) -> Iterator[Finding]:
    """Look at each serial port that a device wants; it is not opened, for that alone can key a radio."""
    del data
    for device in Device.objects.filter(enabled=True):
        parts = urlsplit(device.link)
        if parts.scheme == "serial":
            yield _port(f"port of {device.name}", Path(parts.path))
        elif parts.scheme == USB:
            yield _usb_port(f"port of {device.name}", device.link)


def _usb_port(about: str, link: str) -> Finding:
    try:
        return _port(about, Path(import_string("transports.links:node_of")(link)))
    except (LinkLost, ConfigError) as error:
        do = "plug it in; edge devices shows what is there"
        return Finding(about=about, level=Level.ERROR, text=str(error), do=do)


def _port(about: str, path: Path) -> Finding:
    try:
        found = path.stat()
    except OSError:
        do = "plug it in; ls /dev/serial/by-id shows what is there"
        return Finding(about=about, level=Level.ERROR, text=f"{path} is not there", do=do)
    if not stat.S_ISCHR(found.st_mode):
        return Finding(about=about, level=Level.ERROR, text=f"{path} is no serial port", do="correct the device's link")
    if not os.access(path, os.R_OK | os.W_OK):
        group = _group(found.st_gid)
        do = f"sudo usermod -aG {group} edge, and restart the box"
        return Finding(
            about=about, level=Level.ERROR, text=f"{path} is for the group {group}, and we are not in it", do=do
        )
    return Finding(about=about, text=f"{path} may be opened")


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"number {gid}"


def brokers(data: Path) -> Iterator[Finding]:
    """Look at whether each broker takes a connection, and says nothing to it."""
    del data
    for device in Device.objects.filter(enabled=True, kind="mqtt"):
        parts = urlsplit(device.link)
        host, port = parts.hostname or "localhost", parts.port or PORTS.get(parts.scheme, 1883)
        about = f"broker of {device.name}"
        yield _reach(about, host, port)
    if url := os.environ.get("EDGE_LAYER", "").strip():
        parts = urlsplit(url)
        yield _reach("broker of the channel layer", parts.hostname or "localhost", parts.port or PORTS[parts.scheme])


def _reach(about: str, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), timeout=REACH).close()
    except OSError as error:
        do = "is it started, and is this its address? systemctl status mosquitto"
        return Finding(about=about, level=Level.ERROR, text=f"{host}:{port} is not reached: {error}", do=do)
    return Finding(about=about, text=f"{host}:{port} takes connections")


def certificates(data: Path) -> Iterator[Finding]:
    """Look at when each certificate file that a device names ends."""
    del data
    for device in Device.objects.filter(enabled=True):
        for name in ("ca_file", "certificate_file"):
            if path := device.options.get(name):
                yield _certificate(f"certificate of {device.name}", Path(path))


def _certificate(about: str, path: Path) -> Finding:
    words = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", str(path)]
    told = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER, check=False)  # noqa: S603  (no shell)
    if told.returncode:
        reason = told.stderr.strip().splitlines()[0] if told.stderr.strip() else "openssl cannot read it"
        return Finding(about=about, level=Level.ERROR, text=f"{path}: {reason}", do="correct the path, or the file")
    ends = datetime.fromisoformat(told.stdout.strip().partition("=")[2])
    days = (ends.timestamp() - time.time()) / DAY
    text = f"{path} ends on {ends:%Y-%m-%d}"
    if days < SOON:
        level = Level.ERROR if days < 0 else Level.WARNING
        return Finding(about=about, level=level, text=text, do="a new one, at the same place; then restart the box")
    return Finding(about=about, text=text)
