"""Lines of text out of a stream of bytes, and back: what a packet terminal sends and shows."""

import re

MAX_LINE = 4096  # bytes of a line; what is longer is handed on in parts

_END = re.compile(rb"\r\n?|\n")


class Lines:
    """The lines of one link. On the air a line ends with CR; LF and CR LF are taken as well."""

    def __init__(self) -> None:
        self._begun = b""  # of a line whose end has not come
        self._after_cr = False

    def receive(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the lines that are complete now, without their ends. Empty lines are left out."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r") if data else self._after_cr
        *lines, self._begun = _END.split(self._begun + data)
        while len(self._begun) > MAX_LINE:
            lines.append(self._begun[:MAX_LINE])
            self._begun = self._begun[MAX_LINE:]
        return [line for line in lines if line]

    def rest(self) -> bytes:
        """Return what came after the last line's end, and forget it."""
        rest, self._begun = self._begun, b""
        return rest


def on_the_air(text: str) -> bytes:
    """Write a text as a terminal shows it: UTF-8, each line ended with CR, the last one too."""
    lines = text.replace("\r\n", "\r").replace("\n", "\r")
    return (lines if lines.endswith("\r") else lines + "\r").encode()
