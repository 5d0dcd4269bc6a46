"""What is known of a family of TNCs, as data: ``firmware_configs/tnc/<family>/profile.toml`` read into frozen values.

A profile says how a TNC is recognised, how fast its line is, how it is brought into KISS mode and out of it, how it
likes its frames, and where each of these facts comes from. docs/profiles.md says how to write one. A person's own are
in the data folder, ``tnc/<name>/profile.toml``; one of the same name is taken instead of ours.

Light to import, and read once: the options, the forms and the checks ask it. `transports.entry` does what a recipe
says; `transports.recognise` tells which profiles fit a port that was plugged in.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edge.errors import ConfigError
from transports.strict_toml import facts, read

FILE = "profile.toml"
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
MAX_FILE = 65_536  # bytes; ten times our longest
MAX_PROFILES = 200  # of a folder; what is beyond is told, and not read
GENERIC = "kiss"  # what a TNC is taken for, if nobody says what it is

CHECKSUMS = ("none", "smack", "xor", "tncx", "flexnet")  # `transports.codecs.kiss.Checksum`


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The serial line. Over TCP and Bluetooth its speed means nothing."""

    source: str = facts(minimum=4, maximum=300)
    baud: int = facts(9600, minimum=300, maximum=4_000_000)  # where the person chose none
    bauds: tuple[int, ...] = facts((), minimum=300, maximum=4_000_000)  # that it can be set to; empty: any
    settle: float = facts(0.0, minimum=0, maximum=10)  # seconds after the opening (which raises DTR) until it listens
    frame_gap: float = facts(0.0, minimum=0, maximum=10)  # seconds from one frame to the next at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What a port is recognised by. All that is given must hold; text is a pattern with ``*`` and ``?``."""

    source: str = facts(minimum=4, maximum=300)
    vendor: int | None = facts(None, minimum=0, maximum=0xFFFF)  # of USB, as 0x0403
    product: int | None = facts(None, minimum=0, maximum=0xFFFF)
    serial: str = facts("", maximum=80)
    manufacturer: str = facts("", maximum=80)
    product_name: str = facts("", maximum=80)
    by_id: str = facts("", maximum=120)  # the name below /dev/serial/by-id
    sure: bool = facts(True)  # False: others look the same, such as an adapter's chip

    def terms(self) -> list[str]:
        """Name what is given."""
        numbers = [term for term in ("vendor", "product") if getattr(self, term) is not None]
        return numbers + [term for term in ("serial", "manufacturer", "product_name", "by_id") if getattr(self, term)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a recipe: write, then wait for an answer or for a while.

    In text each character up to U+00FF is a byte. ``expect`` is looked for in what came since the step began, whatever
    the case of its letters. ``otherwise`` says what it means if it does not come ``within`` as many seconds.
    """

    send: str = facts("", maximum=200)
    pace: float = facts(0.0, minimum=0, maximum=1)  # seconds between two characters
    wait: float = facts(0.0, minimum=0, maximum=10)  # seconds
    expect: str = facts("", maximum=80)
    within: float = facts(2.0, minimum=0.1, maximum=10)
    otherwise: str = facts("fail", choices=("fail", "go on", "done"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How KISS mode is entered, or left."""

    source: str = facts(minimum=4, maximum=300)
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A KISS parameter as the TNC takes it, and what it is set to if nothing is said. Times are in ms."""

    minimum: int = facts(0, minimum=0, maximum=2550)
    maximum: int | None = facts(None, minimum=0, maximum=2550)  # None: what the wire can carry
    default: int | None = facts(None, minimum=0, maximum=2550)  # None: not known


STANDARD = Parameter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which parameters it takes. A table that is left out says: the standard's range, its default unknown."""

    txdelay: Parameter = STANDARD  # ms
    persistence: Parameter = STANDARD  # 0 to 255, p * 256 - 1
    slottime: Parameter = STANDARD  # ms
    txtail: Parameter = STANDARD  # ms
    full_duplex: Parameter = STANDARD  # 0 or 1

    def range_of(self, name: str) -> tuple[int, int]:
        """Return the least and the greatest value of one of `WIDEST`."""
        parameter: Parameter = getattr(self, name)
        return parameter.minimum, WIDEST[name] if parameter.maximum is None else parameter.maximum


WIDEST = {"txdelay": 2550, "persistence": 255, "slottime": 2550, "txtail": 2550, "full_duplex": 1}  # what a byte holds
ALL_STANDARD = Parameters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kiss:
    """How it speaks KISS."""

    source: str = facts(minimum=4, maximum=300)
    ports: int = facts(1, minimum=1, maximum=16)  # radio ports, at most
    escape_c: bool = facts(False)  # the letter C goes as DB 43 (Kenwood)
    checksums: tuple[str, ...] = facts(("none",), choices=CHECKSUMS)  # that it can; the first is how it begins
    ackmode: bool = facts(False)  # tells when a frame has left (C0 pC id id … C0)
    parameters: Parameters = ALL_STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A command that it takes by SETHW (KISS command 6), beyond the standard."""

    name: str = facts(minimum=1, maximum=40)
    bytes: str = facts(minimum=2, maximum=120)  # hexadecimal, with … or a letter for what varies
    source: str = facts(minimum=4, maximum=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What it can tell by itself or when it is asked."""

    source: str = facts(minimum=4, maximum=300)
    version: bool = facts(False)  # its firmware or hardware
    queue: bool = facts(False)  # bytes not yet on the air (Direwolf's TXBUF)
    battery: bool = facts(False)
    signal: bool = facts(False)  # how strong a frame was heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A family of TNCs. ``name`` and ``path`` are its folder's and its file's; the rest is the file.

    ``enter`` is None for one that is always in KISS mode: it is never sent a text.
    """

    label: str = facts(minimum=1, maximum=80)
    help: str = facts(minimum=1, maximum=400)
    line: Line
    kiss: Kiss
    reports: Reports
    signs: tuple[Sign, ...] = ()
    hardware: tuple[Hardware, ...] = ()
    enter: Recipe | None = None
    leave: Recipe | None = None
    name: str = facts("")
    path: str = facts("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """All that was found, by name, and what is wrong with the files that could not be read."""

    by_name: Mapping[str, Profile]
    problems: tuple[str, ...]

    def get(self, name: str) -> Profile:
        """Find a profile; ConfigError that lists what there is, or says what is wrong with its file."""
        if found := self.by_name.get(name):
            return found
        mine = [problem for problem in self.problems if f"/{name}/" in problem]
        raise ConfigError("; ".join(mine) or f"expected one of {', '.join(self.by_name)}; got {name!r:.60}")


def load() -> Profiles:
    """Return the profiles that come with Edge and the person's own. Files are read again only where they changed."""
    shipped, own = shipped_folder(), own_folder()
    return _load(shipped, _stamp(shipped), own, _stamp(own))


def choices() -> tuple[tuple[str, str], ...]:
    """List name and label of each, for a form; the generic one first."""
    profiles = sorted(load().by_name.values(), key=lambda profile: (profile.name != GENERIC, profile.label.lower()))
    return tuple((profile.name, profile.label) for profile in profiles)


def problems() -> tuple[str, ...]:
    """Say what is wrong with the files, of ours or of the person's; ``edge check`` asks."""
    return load().problems


def shipped_folder() -> Path:
    """Return where our own are: in the installed package, or in the checkout."""
    installed = Path(__file__).parent / "firmware_configs" / "tnc"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "firmware_configs" / "tnc"


def own_folder() -> Path:
    """Return where a person's own are: in the data folder (``EDGE_DATA``)."""
    return Path(os.environ.get("EDGE_DATA") or "edge-data").absolute() / "tnc"


def parse(text: str, *, name: str, path: str) -> Profile:
    """Read one file's text; ConfigError that names the file and everything that is wrong with it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not TOML: {error}") from error
    if not NAME.fullmatch(name):
        raise ConfigError(f"{path}: expected a folder named by 1 to 40 of a-z, 0-9 and -; got {name!r:.60}")
    complaints = [
        f"{key}: is not written into the file; the folder says it" for key in ("name", "path") if key in table
    ]
    profile, wrong = read(Profile, {**table, "name": name, "path": path})
    complaints += wrong
    if profile is not None:
        complaints += _contradictions(profile)
    if complaints or profile is None:
        raise ConfigError(f"{path}: " + "; ".join(sorted(complaints)))
    return profile


def _contradictions(profile: Profile) -> Iterator[str]:
    """Find what no single key shows."""
    if profile.line.bauds and profile.line.baud not in profile.line.bauds:
        yield f"line.baud: expected one of line.bauds ({_listed(profile.line.bauds)}); got {profile.line.baud}"
    for at, sign in enumerate(profile.signs, 1):
        if not sign.terms():
            yield f"signs[{at}]: expected something to recognise it by, such as vendor and product; got only source"
    for name, widest in WIDEST.items():
        low, high = profile.kiss.parameters.range_of(name)
        default = getattr(profile.kiss.parameters, name).default
        if not low <= (low if default is None else default) <= high <= widest:
            shown = f"{low}, {'none' if default is None else default}, {high}"
            yield f"kiss.parameters.{name}: expected minimum <= default <= maximum <= {widest}; got {shown}"
    for key, recipe in (("enter", profile.enter), ("leave", profile.leave)):
        yield from _recipe_complaints(key, recipe)
    if not profile.kiss.checksums:
        yield "kiss.checksums: expected at least one, such as none"


def _recipe_complaints(key: str, recipe: Recipe | None) -> Iterator[str]:
    steps = recipe.steps if recipe else ()
    if recipe is not None and not steps:
        yield f"{key}.steps: expected at least one; where there is nothing to do, leave out {key}"
    for at, step in enumerate(steps, 1):
        if not (step.send or step.wait or step.expect):
            yield f"{key}.steps[{at}]: expected send, wait or expect; it does nothing"
        if step.wait and step.expect:
            yield f"{key}.steps[{at}]: expected wait or expect with within; got both"
        if max(step.send + step.expect, default="") > "\xff":
            yield f"{key}.steps[{at}]: expected characters up to U+00FF, each for a byte"


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Describe a folder's files so that a change of one is seen; a missing folder has none."""
    stamps = []
    for path in sorted(folder.glob(f"*/{FILE}"))[: MAX_PROFILES + 1]:
        try:
            stat = path.stat()
        except OSError:
            stamps.append((str(path), 0, 0))  # reading it will say why
        else:
            stamps.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(stamps)


_Stamps = tuple[tuple[str, int, int], ...]


@lru_cache(maxsize=4)
def _load(shipped: Path, ours: _Stamps, own: Path, theirs: _Stamps) -> Profiles:
    by_name: dict[str, Profile] = {}
    wrong: list[str] = []
    if not ours:
        wrong.append(f"{shipped}: the profiles that come with Edge are not there; is it installed whole?")
    for folder, stamps in ((shipped, ours), (own, theirs)):
        if len(stamps) > MAX_PROFILES:
            wrong.append(f"{folder}: expected at most {MAX_PROFILES} profiles; those beyond are not read")
        for path, _, size in stamps[:MAX_PROFILES]:
            try:
                profile = _read_file(Path(path), size)
            except ConfigError as error:
                wrong.append(str(error))
                by_name.pop(Path(path).parent.name, None)  # a person's own that is wrong is not quietly ours
            else:
                by_name[profile.name] = profile
    return Profiles(by_name=by_name, problems=tuple(wrong))


def _read_file(path: Path, size: int) -> Profile:
    if size > MAX_FILE:
        raise ConfigError(f"{path}: expected at most {MAX_FILE:,} bytes; got {size:,}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse(text, name=path.parent.name, path=str(path))
