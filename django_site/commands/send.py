"""``edge send``: send through a device of the running box, by its transmit gate."""

import argparse
import json
from typing import Any

from django_site.commands import ask_box, complain, parser, say
from edge.cli import FAILED, NOT_RUNNING, OK, REFUSED, USAGE

EXAMPLES = """examples:
  edge send vhf --to QQ1ABC-7 "see you at nine"      an APRS message
  edge send vhf --status "on the air"                an APRS status
  edge send vhf --packet '{"format": "object", "name": "TEA", "latitude": 49.5, "longitude": -72.75, "symbol": "/E"}'
  edge send packet --to QQ1ABC --info "hello"        an AX.25 UI frame
  edge send broker --topic home/lamp "on"            an MQTT message
  edge send gps "$PMTK605*31"                        a line to a serial device"""


def main(arguments: list[str]) -> int:
    """Run ``edge send``: exit code 0 sent, 1 it cannot be, 2 not understood, 3 no box runs, 4 refused by the gate."""
    made = parser("send", "Send through a device of the running box. A radio sends only what its gate allows.")
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.epilog = EXAMPLES
    made.add_argument("device", help="the device's name")
    made.add_argument("text", nargs="?", help="what to send")
    made.add_argument("--to", metavar="CALLSIGN", help="the station it is for")
    made.add_argument("--topic", help="the topic, on a broker")
    made.add_argument("--retain", action="store_true", help="let the broker keep it")
    made.add_argument("--info", help="the information field, as it is")
    made.add_argument("--status", help="an APRS status text")
    made.add_argument("--packet", metavar="JSON", help="any APRS packet, by its fields (edge/spec/aprs.py)")
    made.add_argument(
        "--durable",
        action="store_true",
        help="by the outbox: kept on disk until it was sent, even if the device is down",
    )
    made.add_argument(
        "--expires", type=float, metavar="SECONDS", help="of what is durable: how long it is worth sending"
    )
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    options = made.parse_intermixed_args(arguments)  # the text may come last, behind the options
    answer = ask_box(options, "GET", "/status")
    if answer is None:
        return NOT_RUNNING
    kinds = {device["name"]: device["kind"] for device in answer[1]["devices"]}
    if options.device not in kinds:
        return complain(f"there is no device {options.device!r}; there are {', '.join(kinds) or 'none'}", FAILED)
    event = event_of(options, kinds[options.device])
    if isinstance(event, str):
        return complain(event, USAGE)
    if options.durable:
        event = {**event, "durable": True, **({} if options.expires is None else {"expires": options.expires})}
    elif options.expires is not None:
        return complain("--expires is for --durable", USAGE)
    sent = ask_box(options, "POST", "/send", {"device": options.device, "event": event})
    return NOT_RUNNING if sent is None else _report(options, *sent)


def event_of(options: argparse.Namespace, kind: str) -> dict[str, Any] | str:
    """Make the event that the options describe, or say what is missing."""
    if kind == "aprs":
        return _aprs_event(options)
    if kind == "ax25":
        info = options.info if options.info is not None else options.text
        if not options.to or info is None:
            return "a frame needs --to and a text"
        return {"type": "ax25.send", "destination": options.to.upper(), "info": info.encode()}
    if kind == "mqtt":
        if not options.topic or options.text is None:
            return "a message needs --topic and a text"
        return {
            "type": "mqtt.send",
            "topic": options.topic,
            "payload": options.text,
            "retain": options.retain,
            "qos": 1,
        }
    return {"type": f"{kind}.send", "text": options.text} if options.text is not None else "a line needs a text"


def _aprs_event(options: argparse.Namespace) -> dict[str, Any] | str:
    if options.info is not None:
        return {"type": "aprs.send", "info": options.info.encode()}
    if options.packet is not None:
        return _packet_event(options.packet)
    if options.status is not None:
        return {"type": "aprs.send", "packet": {"format": "status", "text": options.status}}
    if not options.to or options.text is None:
        return "an APRS message needs --to and a text; or give --status, --packet or --info"
    return {"type": "aprs.send", "packet": {"format": "message", "addressee": options.to.upper(), "text": options.text}}


def _packet_event(text: str) -> dict[str, Any] | str:
    try:
        packet = json.loads(text)
    except ValueError as error:
        return f"--packet: expected JSON, came {text!r:.80}: {error}"
    if not isinstance(packet, dict):
        return f"--packet: expected the packet's fields by name, came {text!r:.80}"
    return {"type": "aprs.send", "packet": packet}


def _report(options: argparse.Namespace, status: int, content: dict[str, Any]) -> int:
    if options.json:
        say(json.dumps(content))
    if error := content.get("error"):
        return FAILED if options.json else complain(error)
    if refused := content.get("refused"):
        return REFUSED if options.json else complain(f"not transmitted: {refused}", REFUSED)
    if not options.json:
        say(f"kept for {options.device}" if options.durable else f"sent by {options.device}")
    return OK if status == 200 else FAILED  # noqa: PLR2004  (HTTP's own number)
