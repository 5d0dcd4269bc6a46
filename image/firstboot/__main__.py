"""``python3 -m firstboot``: run as root by edge-firstboot.service, before the network and before Edge.

It is run at the first boot, and whenever somebody has put an ``edge.toml`` on the boot partition since. Whatever goes
wrong is written down and passed over: a box that boots with half of its wishes is better than one that does not.
"""

import json
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import disk, edgetoml, preseed, steps
from .wanted import Account, Wanted

ROOT = Path("/")
BOOT = Path("/boot/firmware")
DONE = Path("/var/lib/edge-image/provisioned")
REPORT = "edge-toml-report.txt"
FILES = (("edge.toml", edgetoml.parse), ("rpi-preseed.toml", preseed.parse))  # what both say is taken from the first
PATIENCE = 600  # seconds for `edge provision`, which makes the tables; a slow card takes a minute


class FirstBoot:
    """One run: what was done and what could not be is kept for the report."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.mistakes: list[str] = []
        self.name = ""

    def run(self) -> None:
        """Do all of it; the file with the wishes goes last, so that a loss of power repeats the whole."""
        wanted, found = self.read()
        self.step("growing the disk", lambda: disk.grow(_root_device()))
        self.step("the host name", lambda: self.name_host(wanted))
        self.step("the SSH host keys", lambda: _run("ssh-keygen", "-A"))
        if wanted.wifi is not None:
            wifi = wanted.wifi
            self.step("the Wi-Fi network", lambda: steps.join_wifi(ROOT, wifi), f"will join {wifi.ssid}")
        if wanted.account or not DONE.exists():
            self.step("the account", lambda: self.make_account(wanted.account or Account()))
        if request := steps.site_request(wanted):
            self.step("the site", lambda: self.provision(json.dumps(request)))
        if found:
            self.step("the report", lambda: self.write_report(found))
        steps.write_whole(DONE, "".join(f"{line}\n" for line in [*self.done, *self.mistakes]))

    def read(self) -> tuple[Wanted, list[Path]]:
        """Read what is there."""
        wanted, found = Wanted(), []
        for name, parse in FILES:
            path = BOOT / name
            if path.exists():
                found.append(path)
                also, mistakes = parse(path.read_bytes())
                wanted = wanted.filled_from(also)
                self.mistakes += [f"{name}: {mistake}" for mistake in mistakes]
        return wanted, found

    def step(self, name: str, work: Callable[[], str | None], done: str = "") -> None:
        """Do one step, and go on whatever it does."""
        try:
            said = work() or done
        except Exception as error:  # noqa: BLE001  (the fence: each step is worth having without the others)
            detail = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
            self.mistakes.append(f"{name}: {error} {detail or ''}".rstrip())
        else:
            self.done += [said] if said else []

    def name_host(self, wanted: Wanted) -> str:
        """Name it, now and for the next boot."""
        kept = (ROOT / "etc/hostname").read_text("utf-8").strip() if DONE.exists() else ""
        self.name = wanted.host_name or kept or steps.default_name(_serial())
        if wanted.host_name or not kept:
            steps.name_host(ROOT, self.name, chosen=bool(wanted.host_name))
            socket.sethostname(self.name)
        return f"the host name is {self.name}"

    def make_account(self, account: Account) -> str:
        """Make the account, or bring the one of that name up to date."""
        commands = steps.account_commands(account, exists=_exists(account.name))
        for command in commands:
            _run(*command.words, given=command.given)
        entry = pwd.getpwnam(account.name)
        steps.allow_keys(Path(entry.pw_dir), account.keys, entry.pw_uid, entry.pw_gid)
        steps.set_password_login(ROOT, account)
        return f"the account is {account.name}, with {len(account.keys)} SSH keys"

    def provision(self, request: str) -> str:
        """Let Edge make its owner and its radio; as its own user, in its own folder, before its service runs."""
        _run("install", "-d", "-m", "700", "-o", "edge", "-g", "edge", "/var/lib/edge")
        return _run("runuser", "-u", "edge", "--", "edge", "provision", "--data", "/var/lib/edge", given=request)

    def write_report(self, found: list[Path]) -> None:
        """Say on the boot partition what became of it, and wipe what was read."""
        _run("mount", "-o", "remount,rw", str(BOOT))
        try:
            text = steps.report(self.name, self.done, self.mistakes)
            steps.write_whole(BOOT / REPORT, text)
            for path in found:
                steps.wipe(path)
        finally:
            _run("mount", "-o", "remount,ro", str(BOOT))


def _run(*words: str, given: str = "") -> str:
    done = subprocess.run(words, input=given, text=True, check=True, capture_output=True, timeout=PATIENCE)  # noqa: S603  (our own words)
    return done.stdout.strip()


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _root_device() -> str:
    return str(Path(_run("findmnt", "--noheadings", "--output", "SOURCE", "/")).resolve())


def _serial() -> str:
    """Return the board's serial number, or where it has none the machine's id."""
    path = Path("/sys/firmware/devicetree/base/serial-number")
    return (path if path.exists() else Path("/etc/machine-id")).read_text("ascii").strip("\0\n")


def main() -> int:
    """Run, and say on the console what came of it."""
    first = FirstBoot()
    first.run()
    sys.stdout.write("".join(f"edge: {line}\n" for line in [*first.done, *first.mistakes]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
