"""The box that is updated: its packages, its services, its page. All that touches the system; `course` decides."""

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from . import data
from .progress import Progress, read, sync_folder, write

HOME = Path("/var/lib/edge-image")
DATA = Path("/var/lib/edge")
SOCKETS = ("edge-http.socket", "edge-https.socket", "edge-web-http.socket", "edge-web-https.socket")
UNITS = ("edge-devices.service", "edge-web.service", "edge.service")
PAGE = "http://127.0.0.1/login/"
PATIENCE = 900  # seconds for dpkg, on a slow card
READY_WITHIN = 300.0  # seconds from the start to the first answer
MOST_STARTS = 5  # a version that was started so often and is not ready will not be
STEADY_FOR = 30.0  # seconds that it then must run without a restart
LOOK_EVERY = 1.0  # seconds


class Machine:
    """The real box."""

    def __init__(self, home: Path = HOME, stored: Path = DATA) -> None:
        self.home, self.data = home, stored
        self.packages = home / "packages"
        self.halted = home / "halted"  # the units' drop-in: nothing of Edge starts while this is there

    def progress(self) -> Progress:
        """Return how far the update has come."""
        return read(self.home / "update.json")

    def remember(self, progress: Progress) -> None:
        """Remember how far it has come."""
        write(self.home / "update.json", progress)

    def halt(self) -> None:
        """Stop Edge, and keep it from being started by whatever the package's scripts do, or by a boot."""
        self.halted.touch()
        sync_folder(self.home)
        _run("systemctl", "stop", *SOCKETS, *UNITS, check=False)

    def start(self) -> None:
        """Let Edge run, and start those of its units that are wanted."""
        self.halted.unlink(missing_ok=True)
        sync_folder(self.home)
        _run("systemctl", "daemon-reload")
        _run("systemctl", "reset-failed", *SOCKETS, *UNITS, check=False)
        _run("systemctl", "start", "--no-block", *self.units(SOCKETS), *self.units(), check=False)

    def snapshot(self) -> None:
        """Copy the databases."""
        data.take(self.data, self.home / "snapshot")

    def put_back_data(self) -> list[str]:
        """Put back the databases that the old version could not read; return their names."""
        return data.put_back(self.data, self.home / "snapshot")

    def install(self, name: str) -> None:
        """Install one of the kept packages, over whatever is there. Raises CalledProcessError."""
        _run("dpkg", "--force-confold", "--force-downgrade", "--install", str(self.packages / name))

    def accept(self) -> None:
        """Make the new package the running one and the running one the previous; doing it twice is doing it once."""
        running, following = self.packages / "running.deb", self.packages / "next.deb"
        if following.exists():
            kept = self.packages / ".previous.new"
            kept.unlink(missing_ok=True)
            kept.hardlink_to(running)
            kept.replace(self.packages / "previous.deb")
            following.replace(running)
            sync_folder(self.packages)

    def trouble(self) -> str:
        """Wait until Edge is ready, answers, and has gone on doing so for a while; return why not, or nothing."""
        end = time.monotonic() + READY_WITHIN
        while not (self._active() and answers()):
            if time.monotonic() > end:
                return f"it was not ready within {READY_WITHIN:.0f} s ({self._states()})"
            if self._most_restarts() >= MOST_STARTS:
                return f"it ended {MOST_STARTS} times before it was ready ({self._states()})"
            time.sleep(LOOK_EVERY)
        before, end = self._restarts(), time.monotonic() + STEADY_FOR
        while time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            if self._restarts() != before or not self._active():
                return f"it did not stay up for {STEADY_FOR:.0f} s ({self._states()})"
        return "" if answers() else "its page stopped answering"

    def units(self, among: tuple[str, ...] = UNITS) -> list[str]:
        """List the units that a boot would start."""
        return [unit for unit in among if _run("systemctl", "is-enabled", unit, check=False) == "enabled"]

    def _active(self) -> bool:
        units = self.units()
        return bool(units) and all(_run("systemctl", "is-active", unit, check=False) == "active" for unit in units)

    def _restarts(self) -> str:
        return _run("systemctl", "show", "--property=NRestarts,MainPID", *self.units(), check=False)

    def _most_restarts(self) -> int:
        counts = [
            _run("systemctl", "show", "--property=NRestarts", "--value", unit, check=False) for unit in self.units()
        ]
        return max((int(count) for count in counts if count.isdigit()), default=0)

    def _states(self) -> str:
        return ", ".join(f"{unit}: {_run('systemctl', 'is-active', unit, check=False)}" for unit in self.units())


def answers() -> bool:
    """Tell whether the page is there; one that asks who you are is one."""
    try:
        with urllib.request.urlopen(PAGE, timeout=20) as answer:
            return int(answer.status) < 500  # noqa: PLR2004  (HTTP's own line between ours and theirs)
    except urllib.error.HTTPError as error:
        return error.code < 500  # noqa: PLR2004  (as above)
    except (OSError, ValueError):
        return False


def _run(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, check=check, capture_output=True, text=True, timeout=PATIENCE)  # noqa: S603  (our own words)
    return done.stdout.strip()
