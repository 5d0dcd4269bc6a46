"""``python3 -m welcome``: run as root by edge-welcome.service, until somebody has signed in."""

import json
import subprocess
import sys
import time
from pathlib import Path

from .screen import LOGIN_PROMPT, MINUTES, Seen, due, first_address, text

CONSOLE = Path("/dev/console")
ISSUE = Path("/run/issue.d/edge.issue")
CLOCK_SET = Path("/run/systemd/timesync/synchronized")
LOOK_EVERY = 10.0  # seconds


def main() -> int:
    """Show the page's address, and a link for as long as somebody has to get in by one."""
    ISSUE.parent.mkdir(exist_ok=True)
    ISSUE.write_text(LOGIN_PROMPT)
    shown, at = None, 0.0
    while True:
        seen = Seen(first_address(json.loads(_run("ip", "-json", "address"))), CLOCK_SET.exists())
        if due(shown, seen, time.monotonic() - at):
            link = _run(
                *("runuser", "-u", "edge", "--", "edge", "login", "--first", "--data", "/var/lib/edge"),
                *("--minutes", str(MINUTES), "--url", f"http://{seen.address}"),
            )
            show(seen.address, link)
            if not link:
                return 0
            shown, at = seen, time.monotonic()
        time.sleep(LOOK_EVERY)


def show(address: str, link: str) -> None:
    """Put it on the screen now, and above each prompt to come."""
    said = text([address, f"{_avahi_name()}.local"], link)
    CONSOLE.write_text(said.replace("\n", "\r\n"))
    ISSUE.write_text(said.replace("\\", "") if link else LOGIN_PROMPT)


def _avahi_name() -> str:
    lines = Path("/etc/avahi/avahi-daemon.conf").read_text("utf-8").splitlines()
    return next((line.partition("=")[2].strip() for line in lines if line.startswith("host-name=")), "edge")


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=300).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
