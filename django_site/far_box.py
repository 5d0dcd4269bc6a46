"""The box of another process, as pages see it that have none in their own: asked by its control socket.

Pages ask `django_site.devices.observed`, which comes here. What answers may be a box of another version, for the site
may be upgraded while the radio stays up: what it does not say is taken for nothing, what we do not know is passed over.

Everything here blocks for `TIMEOUT` at most, and is for threads.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from django_site import control
from edge import __version__
from edge.outbox import OutboxRefused
from edge.status import DeviceStatus
from edge.systemd import is_service

TIMEOUT = 2.0  # seconds for an answer: a person waits for the page
FRESH = 0.5  # seconds for which an answer will do, for a page asks once a device


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the other process said of itself; ``absent`` is why it said nothing, in plain words."""

    devices: dict[str, DeviceStatus] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    absent: str = ""
    turns: int = 0  # how often it was seen to come or go: between two looks of one it may have done both


_latest: tuple[float, Look] = (float("-inf"), Look())


def look() -> Look:
    """Return what the devices' process says, not older than `FRESH`."""
    global _latest  # noqa: PLW0603  (a value that is replaced whole, so threads need no lock)
    asked, found = _latest
    if time.monotonic() - asked < FRESH:
        return found
    try:
        now = _read(ask("GET", "/status"))
    except (OSError, ValueError) as error:
        words = absent_words(error)
        now = Look(problems=[words], absent=words)
    found = replace(now, turns=found.turns + (bool(now.absent) != bool(found.absent)))
    _latest = time.monotonic(), found
    return found


def forget() -> None:
    """Ask anew the next time: something was changed."""
    global _latest  # noqa: PLW0603  (as above)
    _latest = (float("-inf"), _latest[1])


def ask(method: str, url: str, content: object = None, *, timeout: float = TIMEOUT) -> dict[str, Any]:
    """Ask the devices' process; raise OSError where it does not run, ValueError where it says no."""
    path = control.socket_path(settings.DATA)
    status, answer = control.request(path, method, url, content, timeout=timeout)
    if status >= 400:  # noqa: PLR2004  (HTTP's own line)
        raise ValueError(str(answer.get("error", status)))
    return answer


async def keep(device: str, event: Mapping[str, Any], expires: float | None) -> int:
    """Keep an event in the other process's outbox (`edge.outbox.put`); raise OutboxRefused with its reason."""
    wish = {"device": device, "event": dict(event), "expires": expires}
    try:
        answer = await asyncio.to_thread(ask, "POST", "/keep", wish, timeout=control.TIMEOUT)
    except OSError as error:
        raise OutboxRefused(absent_words(error)) from error
    except ValueError as error:
        raise OutboxRefused(str(error)) from error
    return int(answer.get("number", 0))


def absent_words(error: Exception) -> str:
    """Say that the devices' process is not there, and what to do."""
    gone = isinstance(error, FileNotFoundError | ConnectionError)  # it may have ended while it was asked
    how = "is not running" if gone else f"does not answer ({error})"
    words = f"the devices' process {how}, so nothing is heard or sent"
    if is_service():
        return f"{words}; sudo systemctl start edge-devices starts it, and journalctl -u edge-devices says why it ended"
    return f"{words}; start it: edge serve --role devices --data {settings.DATA}"


def _read(answer: Mapping[str, Any]) -> Look:
    box = answer.get("box", {})
    devices = [DeviceStatus.from_dict(values) for values in answer.get("devices", ())]
    problems = [str(problem) for problem in box.get("problems", ())]
    if (version := box.get("version")) != __version__:
        problems.append(
            f"the devices' process is of version {version} and the pages are of {__version__}; restart it when the"
            " radio may be silent for a moment: sudo systemctl restart edge-devices"
        )
    return Look(devices={device.name: device for device in devices}, problems=problems)
