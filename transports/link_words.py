"""Why a link could not be opened, or is gone, in plain words: what the system's errors mean for a person.

Knows nothing of how links are opened (`transports.links`). Where a port is in use or forbidden it looks who has it and
which group may (`transports.holders`), which blocks for milliseconds.
"""

import errno
import re
import socket
import termios

import serial

from edge.errors import ConfigError, LinkLost
from transports.holders import holder_words, permission_words

GONE = "the port is gone (unplugged?)"
_NOT_THERE = "{name} is not there (unplugged?)"
_FORBIDDEN = "no permission to open {name}"
IN_USE = "{name} is in use by another program"
_OURS = "{name} is in use by another device of this box"
_OPEN_WORDS = {
    errno.ENOENT: _NOT_THERE,
    errno.ENODEV: _NOT_THERE,
    errno.ENXIO: _NOT_THERE,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EAGAIN: IN_USE,
    errno.EBUSY: IN_USE,
    errno.EIO: "{name} answers with an error (unplugged?)",
    errno.ECONNREFUSED: "{name} refused the connection; does the program behind it run?",
    errno.ENETUNREACH: "{name} cannot be reached: no network",
    errno.EHOSTUNREACH: "{name} cannot be reached: no route to it",
}
_WRONG_WORDS = {
    errno.ENOTTY: "{name} is not a serial port; expected something such as /dev/ttyUSB0",
    errno.EISDIR: "{name} is a folder; expected a serial port such as /dev/ttyUSB0",
}


def open_error(name: str, error: Exception, path: str = "", *, ours: bool = False) -> Exception:
    """Say in plain words why a link could not be opened; of a port, by ``path``, which group may, and who has it.

    ``ours`` is for a port that this process has open itself. ConfigError where trying again cannot help, else LinkLost.
    """
    if isinstance(error, socket.gaierror):
        return LinkLost(f"the name in {name} is not known")
    number = _errno(error)
    if number in _WRONG_WORDS:
        return ConfigError(_WRONG_WORDS[number].format(name=name))
    words = _OPEN_WORDS.get(number, f"{{name}} cannot be opened: {error}").format(name=name)
    if path and number in (errno.EACCES, errno.EPERM):
        words += f"; {permission_words(path)}"
    elif ours and number in (errno.EAGAIN, errno.EBUSY):
        words = _OURS.format(name=name)
    elif path and number in (errno.EAGAIN, errno.EBUSY) and (found := holder_words(path)):
        words += f": {found}"
    return LinkLost(words)


def _errno(error: BaseException) -> int:
    """Find the number of an error: pyserial hides some behind the error that it wraps, asyncio in a list of words."""
    number = getattr(error, "errno", None)
    if number is None and isinstance(error, termios.error):
        number = error.args[0]
    if number is None and isinstance(error.__context__, termios.error):
        number = error.__context__.args[0]
    if number is None and (found := re.search(r"\[Errno (\d+)\]", str(error))):
        number = found[1]
    return int(number or 0)


def lost_words(error: Exception | None, *, closing: bool) -> str:
    """Say in plain words why a link that was open is gone; ``closing`` where we closed it."""
    if error is None:
        return "closed" if closing else "closed by the other side"
    if isinstance(error, serial.SerialException) or getattr(error, "errno", None) == errno.EIO:
        return GONE
    return f"the connection broke: {error}"
