"""The commands of ``edge`` that need the site: one module each, with ``main(arguments) -> exit code``.

The data folder is chosen before Django's settings are read, so a command parses its options first and then calls
`set_up`.
"""

import argparse
import atexit
import os
import sys
from pathlib import Path
from typing import Any

from edge.cli import FAILED, NOT_RUNNING

DATA_HELP = "folder of the databases, the key and the control socket (default: $EDGE_DATA, else {folder})"


def parser(name: str, description: str, *, folder: str = "./edge-data") -> argparse.ArgumentParser:
    """Make the parser of ``edge <name>``, with the options that all have."""
    made = argparse.ArgumentParser(prog=f"edge {name}", description=description)
    made.add_argument("--data", type=Path, default=None, metavar="FOLDER", help=DATA_HELP.format(folder=folder))
    return made


def data_folder(options: argparse.Namespace) -> Path:
    """Return the data folder that the options or the environment name, and tell the settings of it."""
    folder: Path = options.data or Path(os.environ.get("EDGE_DATA") or "edge-data")
    os.environ["EDGE_DATA"] = str(folder.absolute())
    return folder.absolute()


def set_up(options: argparse.Namespace) -> None:
    """Set Django up on the data folder."""
    data_folder(options)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")
    import django  # noqa: PLC0415  (not for commands that only ask the running box)
    from django.db import connections  # noqa: PLC0415  (as above)

    django.setup()
    atexit.register(connections.close_all)  # this thread's; a request's and the box's close their own


def say(text: str = "") -> None:
    """Print a line to the person, at once."""
    print(text, flush=True)  # noqa: T201  (a command line talks by printing)


def complain(text: str, code: int = FAILED) -> int:
    """Print what went wrong and return the exit code for it."""
    print(f"edge: {text}", file=sys.stderr, flush=True)  # noqa: T201  (as above)
    return code


def ask_box(
    options: argparse.Namespace, method: str, url: str, content: Any = None
) -> tuple[int, dict[str, Any]] | None:
    """Ask the running box; None where none runs on the data folder, which has then been said."""
    from django_site import control  # noqa: PLC0415  (only for the commands that ask)

    folder = data_folder(options)
    try:
        return control.request(control.socket_path(folder), method, url, content)
    except (OSError, ValueError) as error:
        say_not_running(folder, error)
        return None


def say_not_running(folder: Path, error: Exception) -> int:
    """Say that no box answers, and return the exit code for it."""
    words = f"start one with: edge serve --data {folder} (as a service: sudo systemctl start edge, or edge-devices)"
    return complain(f"no box runs on {folder} ({error}); {words}", NOT_RUNNING)
