"""The kinds of device and the consumers that this installation offers, found through entry points.

A kind says what a person must know (label, link, options) and where its builder is, as an import string: listing kinds
imports no transport library. A third party's package offers one with

    [project.entry-points."edge.transports"]
    lora = "edge_lora.catalog:LORA"

and it appears in the admin, in ``edge check`` and in the supervisor without another line. Consumers are offered the
same way, in the group ``edge.consumers``; a route may also name any import path.
"""

import importlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from edge.asgi import App
from edge.errors import ConfigError

logger = logging.getLogger("edge.registry")


class Server(Protocol):
    """A transport: an ASGI server for one device. What a kind's builder returns."""

    async def serve(self, app: App, on_up: Callable[[], None]) -> None:
        """Open the link, call ``app(scope, receive, send)`` once, and stay until the link is lost.

        Calls ``on_up`` when the link is up. Raises `edge.errors.LinkLost` when the link could not be opened or went
        away, `ConfigError` when trying again cannot help, and what the app raised, once the link is closed. Cancelled:
        says goodbye to the app (``X.disconnect``), closes the link, and lets the cancellation through. Called again
        for the next link.
        """

    def counters(self) -> Mapping[str, int]:
        """Return what was counted and not passed on since the device was started: noise, frames too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a builder is told about the device that it builds a server for. Everything in it has been checked."""

    name: str
    link: str  # the URL, with its secrets
    options: Any  # an instance of the kind's options type
    state: dict[str, Any]  # scope["state"]: outlives each link

    @property
    def shown_link(self) -> str:
        """The URL without its secrets: ``scope["link"]``, and fit for logs."""
        return mask(self.link)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of device."""

    name: str  # "aprs"
    label: str  # "APRS by a KISS TNC"
    help: str  # one or two sentences for the person who chooses
    scope_type: str  # what its consumers are given: a key of edge.spec.SCOPES
    schemes: tuple[str, ...]  # of the link's URL: ("serial", "tcp")
    link_example: str
    options: str  # import string of the options dataclass
    builder: str  # import string of (Device) -> Server
    radio: bool  # what is sent goes on the air: the gate guards it
    check: str = ""  # import string of (options) -> Iterable[str]: what no single option shows
    check_data: str = ""  # import string of () -> Iterable[str]: what is wrong with the data that the kind reads

    def options_type(self) -> type[Any]:
        """Import the options dataclass."""
        found: type[Any] = import_string(self.options)
        return found

    def problems(self, options: Any) -> tuple[str, ...]:
        """Say what is wrong with options that are each right by themselves; each as "option: words"."""
        return tuple(import_string(self.check)(options)) if self.check else ()

    def build(self, device: Device) -> Server:
        """Import the builder and build a server. Raises ConfigError where the device cannot work."""
        server: Server = import_string(self.builder)(device)
        return server


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedConsumer:
    """A consumer that the admin lists by name."""

    path: str  # import string
    label: str


@cache
def kinds() -> Mapping[str, Kind]:
    """Return the kinds that are installed, by name."""
    found: list[Kind] = []
    for entry in entry_points(group="edge.transports"):
        try:
            found.append(entry.load())
        except Exception:  # a broken package must not take the kinds of all others with it
            logger.exception("the kind %s of %s cannot be imported and is left out", entry.name, entry.value)
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.name)}


def kind(name: str) -> Kind:
    """Find a kind, or raise ConfigError that lists what there is."""
    try:
        return kinds()[name]
    except KeyError:
        raise ConfigError(f"unknown kind {name!r}; installed are {', '.join(kinds()) or 'none'}") from None


def data_problems() -> tuple[str, ...]:
    """Say what is wrong with the data of all kinds, such as profiles of TNCs, each once; ``edge check`` asks."""
    checks = dict.fromkeys(kind.check_data for kind in kinds().values() if kind.check_data)
    return tuple(dict.fromkeys(problem for check in checks for problem in import_string(check)()))


@cache
def offered_consumers() -> tuple[OfferedConsumer, ...]:
    """List the consumers that packages offer; entry point ``label = "import.path:Class"`` with _ for a space."""
    return tuple(
        OfferedConsumer(path=entry.value.replace(":", "."), label=entry.name.replace("_", " "))
        for entry in sorted(entry_points(group="edge.consumers"), key=lambda entry: entry.name)
    )


def import_string(path: str) -> Any:
    """Import ``package.module:name`` or ``package.module.name``; raise ConfigError that says which part is missing.

    The result is Any: what stands behind an import string is for its caller to know.
    """
    module_name, _, name = path.rpartition(":") if ":" in path else path.rpartition(".")
    if not module_name or not name:
        raise ConfigError(f"expected a path such as package.module.Name; got {path!r}")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a module may raise anything when it is imported: a person must be told
        raise ConfigError(f"{path}: cannot import {module_name}: {type(error).__name__}: {error}") from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigError(f"{path}: {module_name} has no {name!r}") from None


def mask(link: str) -> str:
    """Return a link without its password, fit to be shown and logged; it may have been written wrong."""
    return re.sub(r"(://[^/@:]*):.*@", r"\1:***@", link, flags=re.DOTALL)


def call_command(path: str, arguments: list[str]) -> int:
    """Run a command that lives in a layer above, by import string; return its exit code."""
    code: int = import_string(path)(arguments)
    return code
