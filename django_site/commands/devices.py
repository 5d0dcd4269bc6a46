"""``edge devices``: what is plugged in, whose it is, and how it becomes a device."""

import argparse
import json
from typing import Any

from django_site.commands import complain, parser, say, set_up
from edge.cli import FAILED, OK, USAGE
from edge.errors import ConfigError, LinkLost
from edge.registry import import_string, kind

EXAMPLES = """examples:
  edge devices                                                  what is plugged in
  edge devices listen /dev/ttyUSB0                              what speaks there; never sends a byte
  edge devices adopt 0403:6001/A50285BI --kind aprs --name vhf  make it a device; transmitting stays off"""
MOST_SECONDS = 120


def main(arguments: list[str]) -> int:
    """Run ``edge devices``: exit code 0 done, 1 it cannot be done, 2 not understood."""
    options = _parser().parse_args(arguments)
    if options.what != "list" and not options.port:
        return complain(
            f"edge devices {options.what} needs a port: its node, or its link as edge devices shows it", USAGE
        )
    if not 0 < options.seconds <= MOST_SECONDS:
        return complain(f"--seconds: expected more than 0 and at most {MOST_SECONDS}; got {options.seconds:g}", USAGE)
    set_up(options)
    from django_site.box import bring_tables_up_to_date  # noqa: PLC0415  (after set_up)
    from django_site.devices.adopting import plugged  # noqa: PLC0415  (after set_up)

    bring_tables_up_to_date()
    ports = plugged()
    if options.what == "list":
        return _list(options, ports)
    found = import_string("transports.survey:find_port")(options.port, ports)
    if len(found) != 1:
        there = ", ".join(port["link"] for port in found or ports) or "none"
        return complain(f"{options.port!r} is {'several ports' if found else 'not plugged in'}; there are {there}")
    return (_adopt if options.what == "adopt" else _listen)(options, found[0])


def _parser() -> argparse.ArgumentParser:
    made = parser("devices", "Show what is plugged in, listen to it, make it a device.")
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.epilog = EXAMPLES
    made.add_argument(
        "what", nargs="?", choices=("list", "listen", "adopt"), default="list", help="what to do (default: list)"
    )
    made.add_argument("port", nargs="?", default="", help="a link or a node, as the list shows it")
    made.add_argument("--name", help="of the device that it becomes (default: proposed)")
    made.add_argument("--kind", default="aprs", help="of the device (default: %(default)s)")
    made.add_argument("--profile", help="of the TNC (default: the one that fits)")
    made.add_argument("--callsign", help="your own")
    made.add_argument("--baud", type=int, help="speed of the line (default: the profile's)")
    made.add_argument("--seconds", type=float, default=20.0, help="to listen (default: %(default)g)")
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    return made


def lines(port: dict[str, Any]) -> list[str]:
    """Return a port as lines for a person."""
    whose = f"device {port['device']}" if port["device"] else port["problem"] or "nobody's"
    found = [f"{port['path']}  {port['title']}: {whose}", f"    {port['link']}"]
    if port["twins"]:
        found.append(f"    a twin of {', '.join(port['twins'])}: told apart by where it is plugged, {port['at']}")
    found += [f"    may be {fit['label']} ({fit['profile']}): {fit['why']}" for fit in port["fits"]]
    return found


def _list(options: argparse.Namespace, ports: list[dict[str, Any]]) -> int:
    if options.json:
        say(json.dumps({"by": import_string("transports.scan:way")(), "ports": ports}, indent=2))
        return OK
    for port in ports:
        for line in lines(port):
            say(line)
    if not ports:
        say("No serial port is plugged in.")
    return OK


def _adopt(options: argparse.Namespace, port: dict[str, Any]) -> int:
    from django_site.devices.adopting import adopt, proposal  # noqa: PLC0415  (after set_up)

    if port["device"]:
        return complain(f"{port['path']} is device {port['device']} already")
    fields = proposal(port, kind(options.kind))
    given = {name: getattr(options, name) for name in ("profile", "callsign", "baud")}
    fields["options"] |= {name: value for name, value in given.items() if value is not None}
    fields["name"] = options.name or fields["name"]
    if problems := adopt(fields):
        return complain("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
    if options.json:
        say(json.dumps(fields))
    else:
        say(f"{fields['name']} is {fields['kind']} at {fields['link']} now. Transmitting is off until you allow it.")
    return OK


def _listen(options: argparse.Namespace, port: dict[str, Any]) -> int:
    if port["device"]:
        return complain(f"device {port['device']} has {port['path']}; edge tap {port['device']} shows what it hears")
    first = [fit["baud"] for fit in port["fits"]] + ([options.baud] if options.baud else [])
    try:
        heard = import_string("transports.listening:listen")(
            port["link"], seconds=options.seconds, first=reversed(first)
        )
    except (LinkLost, ConfigError) as error:
        return complain(str(error), FAILED)
    if options.json:
        say(json.dumps({"what": heard.what.value, "baud": heard.baud, "text": heard.words}))
    else:
        say(heard.words if heard.what.value == "nothing" else f"at {heard.baud} Bd: {heard.words}")
    return OK
