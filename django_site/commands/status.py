"""``edge status``: what runs, and in plain words what does not."""

import json
import time
from typing import Any

from django_site import clock
from django_site.commands import ask_box, parser, say
from edge.cli import FAILED, NOT_RUNNING, OK

MINUTE, HOUR, DAY = 60, 3600, 86_400


def main(arguments: list[str]) -> int:
    """Run ``edge status``: exit code 0 where all is well, 1 where something is not, 3 where no box runs."""
    made = parser("status", "Show the devices and routes of the running box.")
    made.add_argument("--json", action="store_true", help="everything that the box says, as JSON")
    options = made.parse_args(arguments)
    answer = ask_box(options, "GET", "/status")
    if answer is None:
        return NOT_RUNNING
    _, content = answer
    if options.json:
        say(json.dumps(content, indent=2))
    else:
        for line in lines(content, time.time()):
            say(line)
    well = not content["box"]["problems"] and all(device["state"] in ("up", "stopped") for device in content["devices"])
    return OK if well else FAILED


def lines(content: dict[str, Any], now: float) -> list[str]:
    """Return the status as lines for a person."""
    box = content["box"]
    found = [f"edge {box['version']}, process {box['pid']}, running for {span(now - box['started'])}"]
    found += [f"serial ports are {box['ports']}"] if "ports" in box else []
    found += [f"! {problem}" for problem in box["problems"]]
    found += [f"? {clock.UNSURE}"] if box.get("clock_trusted") is False else []
    for device in content["devices"]:
        found += _device_lines(device, now)
    return found if content["devices"] else [*found, "There are no devices yet. Add one in the admin."]


def _device_lines(device: dict[str, Any], now: float) -> list[str]:
    heard = f", last {span(now - device['last_heard'])} ago" if device["last_heard"] else ""
    counts = f"heard {device['heard']}{heard}; sent {device['sent']}; refused {device['refused']}"
    text = "" if device["text"] == device["state"] else f": {device['text']}"
    found = [
        "",
        f"{device['name']}  {device['state']} for {span(now - device['since'])}{text}",
        f"    {device['kind']} at {device['link']}; {counts}",
    ]
    if any(device.get("outbox", {}).values()):
        found.append(f"    outbox: {', '.join(f'{count} {what}' for what, count in device['outbox'].items())}")
    if device["refusal"]:
        found.append(f"    last refused: {device['refusal']}")
    for route in device["routes"]:
        match = f" ({route['match']})" if route["match"] else ""
        dropped = f"; {route['dropped']} dropped" if route["dropped"] else ""
        found.append(f"    → {route['consumer']}{match}: {route['text']}{dropped}")
    return found


def span(seconds: float) -> str:
    """Say how long, in the largest unit that fits."""
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
