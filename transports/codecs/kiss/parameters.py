"""The parameters of a TNC (section 4 of the standard), in the units that people use, to frames."""

from __future__ import annotations

import re
from dataclasses import dataclass

from transports.codecs.kiss.frames import MAX_NIBBLE, Command, KissFrame

STEP = 10  # ms; the unit of the wire
MAX_TIME = 255 * STEP  # ms
_RANGE = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a TNC is told at each link-up; None is not sent, and stays as the TNC has it.

    Times are in ms and rounded to the wire's 10; `persistence` is 0 to 255 for a chance of (p + 1) / 256 at each slot;
    `hardware` are the bodies of SETHW frames, in order, whose meaning is the TNC's own. All goes to each of `ports`.
    Raises `ValueError` on what the wire cannot carry.
    """

    txdelay: int | None = None  # ms between keying the transmitter and data
    persistence: int | None = None
    slottime: int | None = None  # ms
    txtail: int | None = None  # ms; obsolete, but for some modems
    full_duplex: bool | None = None
    hardware: tuple[bytes, ...] = ()
    ports: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name in ("txdelay", "slottime", "txtail"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MAX_TIME:
                raise ValueError(f"{name}: expected 0 to {MAX_TIME} ms, came {value}")
        if self.persistence is not None and not 0 <= self.persistence <= 0xFF:  # noqa: PLR2004  (a byte)
            raise ValueError(f"persistence: expected 0 to 255, came {self.persistence}")
        if bad := [port for port in self.ports if not 0 <= port <= MAX_NIBBLE]:
            raise ValueError(f"KISS port: expected 0 to 15, came {bad[0]}")

    def frames(self) -> tuple[KissFrame, ...]:
        """The frames that set them, port by port, in the order of the standard; none where nothing is set."""
        said = [
            (Command.TXDELAY, _ticks(self.txdelay)),
            (Command.PERSISTENCE, _octet(self.persistence)),
            (Command.SLOTTIME, _ticks(self.slottime)),
            (Command.TXTAIL, _ticks(self.txtail)),
            (Command.FULLDUPLEX, _octet(self.full_duplex)),
            *((Command.SETHW, data) for data in self.hardware),
        ]
        return tuple(
            KissFrame(port=port, command=command, data=data)
            for port in self.ports
            for command, data in said
            if data is not None
        )


def parse_ports(text: str) -> tuple[int, ...]:
    """Read radio ports as people write them: ``0``, ``0,2``, ``0-3``; raises `ValueError`."""
    found: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_NIBBLE:
            raise ValueError(f"radio ports: expected some of 0 to 15, such as 0 or 0,2 or 0-3; came {text!r}")
        found |= dict.fromkeys(range(first, last + 1))
    return tuple(found)


def _ticks(milliseconds: int | None) -> bytes | None:
    return None if milliseconds is None else bytes(((milliseconds + STEP // 2) // STEP,))


def _octet(value: int | None) -> bytes | None:
    return None if value is None else bytes((value,))
