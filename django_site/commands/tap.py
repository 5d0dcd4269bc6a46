"""``edge tap``: watch the traffic of the running box."""

import json
import time
from typing import Any
from urllib.parse import quote

from django_site import control
from django_site.commands import data_folder, parser, say, say_not_running
from django_site.dashboard.lines import doubts
from edge.cli import OK

SHOWN = 200  # characters of a line's text


def main(arguments: list[str]) -> int:
    """Run ``edge tap`` until Ctrl-C, or for so many events; exit code 3 where no box runs."""
    made = parser("tap", "Show each event that a device hears or sends, and what the gate refuses, as it happens.")
    made.add_argument("device", nargs="?", default="", help="one device's name (default: all)")
    made.add_argument("--json", action="store_true", help='one JSON object a line; bytes as {"hex": …}')
    made.add_argument("--count", type=int, default=0, metavar="N", help="stop after N events (default: never)")
    options = made.parse_args(arguments)
    folder = data_folder(options)
    try:
        for number, event in enumerate(
            control.follow(control.socket_path(folder), f"/tap?device={quote(options.device)}"), 1
        ):
            say(json.dumps(event) if options.json else line(event))
            if number == options.count:
                return OK
    except OSError as error:
        return say_not_running(folder, error)
    return OK


def line(message: dict[str, Any]) -> str:
    """Return one event as a line for a person; nothing in it can move the cursor."""
    event = message["event"]
    at = time.strftime("%H:%M:%S", time.gmtime(event.get("time", time.time())))
    who = f"{event['source']}>{event['destination']} " if event.get("source") and event.get("destination") else ""
    text = event.get("summary") or event.get("topic") or event.get("text") or _shown(event)
    remarks = "".join(f"  [{words}]" for words in (message["reason"], doubts(event)) if words)
    shown = "".join(character if character.isprintable() else "·" for character in f"{who}{text}"[:SHOWN])
    return f"{at} {message['device']} {message['direction']:7} {shown}{remarks}"


def _shown(event: dict[str, Any]) -> str:
    """Return the readable part of an event without a text of its own."""
    if "packet" in event:
        return ", ".join(f"{name} {value}" for name, value in event["packet"].items())
    data = event.get("info") or event.get("bytes") or {}
    return bytes.fromhex(data.get("hex", "")).decode("latin-1") if isinstance(data, dict) else str(data)
