"""The command line: ``edge <command>``. Each command is an import string, loaded when it is asked for.

Exit codes, everywhere: 0 done; 1 it could not be done, and the message says why; 2 the command line was not understood;
3 the box does not run; 4 refused by the transmit gate.
"""

import difflib
import sys
from dataclasses import dataclass

from edge import __version__
from edge.errors import ConfigError
from edge.registry import call_command

OK, FAILED, USAGE, NOT_RUNNING, REFUSED = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    path: str  # import string of main(arguments) -> exit code
    help: str


COMMANDS = {
    "serve": Command("django_site.commands.serve:main", "run the box: the site, the devices, the routes"),
    "demo": Command(
        "django_site.commands.demo:main", "run the box with a simulated TNC and a broker; --check proves it"
    ),
    "check": Command("django_site.commands.check:main", "say what in the configuration cannot work"),
    "devices": Command("django_site.commands.devices:main", "show what is plugged in, listen to it, make it a device"),
    "status": Command("django_site.commands.status:main", "show what runs, and in plain words what does not"),
    "doctor": Command("django_site.commands.doctor:main", "look at all that the box needs, and say what to do"),
    "tap": Command("django_site.commands.tap:main", "watch the traffic of the running box"),
    "send": Command("django_site.commands.send:main", "send through a device of the running box, by its transmit gate"),
    "migrate": Command("django_site.commands.migrate:main", "bring the tables up to date, after a copy of them"),
    "login": Command("django_site.commands.login:main", "print a one-time link to sign in with"),
    "provision": Command("django_site.commands.provision:main", "give a new box its owner and its first radio"),
    "worker": Command("django_site.commands.worker:main", "do the jobs that are sent to channels of the channel layer"),
    "simulate": Command("transports.simulator.command:main", "put a simulated TNC on a pty"),
    "broker": Command("transports.simulator.broker:main", "run a private MQTT broker on loopback, as the demo does"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())  # noqa: T201  (a command line talks by printing)
        return OK if words else USAGE
    if words[0] in ("-V", "--version", "version"):
        print(f"edge {__version__}")  # noqa: T201  (as above)
        return OK
    command = COMMANDS.get(words[0])
    if command is None:
        near = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"edge: there is no command {words[0]!r}{hint}\n\n{usage()}", file=sys.stderr)  # noqa: T201  (as above)
        return USAGE
    try:
        return call_command(command.path, words[1:])
    except ConfigError as error:
        print(f"edge: {error}", file=sys.stderr)  # noqa: T201  (as above)
        return FAILED
    except KeyboardInterrupt:
        return 130  # as a shell has it for SIGINT


def usage() -> str:
    """Return the list of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: edge <command> [options]",
            "",
            "Packet radio, MQTT and browsers in one box. `edge <command> --help` says more.",
            "",
            *lines,
            "",
            "Exit codes: 0 done, 1 not possible, 2 not understood, 3 no box runs, 4 refused by the transmit gate.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
