"""The profile in effect: what a TNC's options mean, seen beside the profile that they name.

The only place where options and profiles meet: the builders of ``ax25`` and ``aprs`` ask it, and ``edge check`` does.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from edge.errors import ConfigError
from edge.registry import Device
from transports.agwpe import over_agwpe
from transports.codecs.kiss import Checksum, KissDialect
from transports.entry import fitted
from transports.options import Ax25Options
from transports.profiles import WIDEST, Profile, load
from transports.session import Session
from transports.stream import StreamServer
from transports.tnc import LEFT, Setup, setup_of


def build_tnc(device: Device, make_session: Callable[[Setup], Session]) -> StreamServer:
    """Build the server of a TNC: a session made with its setup, fitted to its profile. ConfigError if it cannot be."""
    options: Ax25Options = device.options
    profile = load().get(options.profile)
    setup = setup_of(options, dialect_of(profile))
    enter, baud = options.enter_kiss, baud_of(options, profile)
    if urlsplit(device.link).scheme == "agwpe":  # a program in the TNC's place: there is no line, and no mode to enter
        return StreamServer(device, lambda: over_agwpe(device, make_session(setup), setup.dialect), baud=baud)
    return StreamServer(device, lambda: fitted(make_session(setup), profile, enter=enter), baud=baud)


def baud_of(options: Ax25Options, profile: Profile) -> int:
    """Return the speed of the serial line: the person's, else the profile's."""
    return options.baud or profile.line.baud


def dialect_of(profile: Profile) -> KissDialect:
    """Return how the TNC speaks KISS as it comes."""
    kiss = profile.kiss
    return KissDialect(checksum=Checksum(kiss.checksums[0]), escape_c=kiss.escape_c, ackmode=kiss.ackmode)


def option_problems(options: Ax25Options) -> Iterator[str]:
    """Say which options do not go with the profile, each as "option: words"."""
    try:
        profile = load().get(options.profile)
    except ConfigError as error:
        yield f"profile: {error}"
        return
    if options.enter_kiss and profile.enter is None:
        yield f"enter_kiss: {profile.label} is in KISS mode always, or by its own menu; turn this off"
    for name in WIDEST:
        value = getattr(options, name)
        low, high = profile.kiss.parameters.range_of(name)
        if isinstance(value, int) and value != LEFT and not low <= value <= high:
            yield f"{name}: expected {low} to {high} for {profile.label}; got {value}"
    try:
        setup_of(options, dialect_of(profile))
    except ConfigError as error:
        yield str(error)
