"""What stands between a TNC's serial port and its modem: command prompts, boot loaders, and the ways into KISS mode.

Each class is one family's firmware, with its quirks, in terms of bytes: `take` what the host wrote, in any chunks, and
give what of it is KISS; what is said to the host goes by `say`. It never waits: a clock is asked. Written from the
manuals, and sharing no code with what enters KISS mode or decodes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

CR, CTRL_C, CTRL_X, ESC, FEND = 0x0D, 0x03, 0x18, 0x1B, 0xC0
MAX_LINE = 256  # bytes of a command; more is cut, as the TNCs do
RETURN = b"\xc0\xff\xc0"


@dataclass(slots=True)
class Firmware:
    """A TNC that is always in KISS mode: it knows nothing else, and says nothing. All others are made from it.

    `speed` is what its line is set to, in baud; None takes any (USB, Bluetooth). `gap` is how long after a frame from
    the host it is deaf, in seconds. `boot` is how long it starts after the port was opened, deaf as well.
    """

    speed: int | None = 9600
    gap: float = 0.0
    boot: float = 0.0
    answers: dict[bytes, bytes] = field(default_factory=dict)  # to SETHW, by what is asked
    kiss: bool = True
    transmitted: list[bytes] = field(default_factory=list)  # text that went on the air from its own prompt
    lost: int = 0  # bytes or frames that it was deaf for
    say: Callable[[bytes], None] = lambda _: None
    clock: Callable[[], float] = lambda: 0.0
    awake_at: float = 0.0
    deaf_until: float = 0.0

    def opened(self) -> None:
        """Take note that a host has opened the port, which raises DTR."""
        self.awake_at = self.clock() + self.boot

    def take(self, data: bytes) -> bytes:
        """Take what the host wrote; give what of it the KISS part reads."""
        if self.clock() < self.awake_at:
            self.lost += len(data)  # to the boot loader
            return b""
        return data

    def may_transmit(self) -> bool:
        """Tell whether a frame that came now is taken, and not lost behind the one before."""
        now = self.clock()
        if now < self.deaf_until:
            self.lost += 1
            return False
        self.deaf_until = now + self.gap
        return True

    def hear(self, frame: bytes) -> bytes | None:
        """Return what the host is shown of a frame from the air instead of KISS, or None for KISS."""
        return None if self.kiss else b"QQ1CA2-9>APZSIM <UI>:\r\n" + frame[16:] + b"\r\n"

    def leave(self) -> None:
        """Take the KISS command to leave; this one knows nothing else."""

    def was_left(self, *, kiss: bool = False, converse: bool = False) -> None:
        """Be as another program left it, or as it is after the power went (neither)."""


@dataclass(slots=True)
class CommandFirmware(Firmware):
    """A TNC with a command prompt and an echo: a TNC-2, unless it is said otherwise.

    ^C leaves converse mode, where a line is sent on the air; ^X forgets the line. ``commands`` bring it nearer to KISS
    (`arm`) and into it (`restart`).
    """

    kiss: bool = False
    arm: bytes = b"KISS ON"
    restart: bytes = b"RESTART"
    banner: bytes = b"\r\nTAPR/AEA TNC 2\r\nAX.25 Level 2 Version 2.0\r\nRelease 1.1.9\r\n"
    armed: bool = False
    converse: bool = False
    line: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> bytes:
        """Read commands until KISS mode; what follows in the same chunk is KISS."""
        for at, byte in enumerate(data):
            if self.kiss:
                return data[at:]
            self.key(byte)
        return b""

    def key(self, byte: int) -> None:
        """Take one character that was typed."""
        if byte == CTRL_C:
            self.converse = False
            self.line.clear()
            self.prompt()
        elif byte == CTRL_X:
            self.line.clear()
            self.say(b"\\\r\n")
        elif byte == CR:
            self.say(b"\r\n")
            line, self.line = bytes(self.line), bytearray()
            self.enter(line)
        elif len(self.line) < MAX_LINE:
            self.line.append(byte)
            self.say(bytes([byte]))

    def enter(self, line: bytes) -> None:
        """Take a line: text for the air in converse mode, else a command."""
        if self.converse:
            self.transmitted.append(line)
            return
        word = line.strip().upper()
        if word == self.arm:
            self.armed = True
            self.say(b"was OFF\r\n")
        elif word == self.restart:
            self.reboot()
            return
        elif word in (b"CONVERSE", b"CONV", b"K"):
            self.converse = True
            return
        elif word.startswith((b"HB", b"MYCALL", b"ECHO")):
            self.say(word.split()[0] + b" was set\r\n")
        elif word:
            self.say(b"?EH\r\n")
        self.prompt()

    def reboot(self) -> None:
        """Start anew: in KISS mode if that was asked for, else at the prompt."""
        self.kiss = self.armed
        if not self.kiss:
            self.say(self.banner)
            self.prompt()

    def prompt(self) -> None:
        """Ask for a command."""
        self.say(b"cmd:")

    def was_left(self, *, kiss: bool = False, converse: bool = False) -> None:
        """Be in KISS mode, in converse mode, or at the prompt."""
        self.kiss = self.armed = kiss
        self.converse = converse
        self.line.clear()

    def leave(self) -> None:
        """Go back to the prompt."""
        self.was_left()
        self.say(self.banner)
        self.prompt()


@dataclass(slots=True)
class KenwoodFirmware(CommandFirmware):
    """A radio with a TNC behind its command port, which ``packet`` turns on.

    In packet mode it looks for a terminal command (``TC`` and a number, with a return) in all that the host writes,
    KISS or not, and leaves packet mode for it. The TNC then forgets everything. The escape DB 43 hides a C.
    """

    packet: bytes = b"TNC 2"
    needs_release: bool = True  # by TC 0, before the port is the TNC's
    banner: bytes = b"\r\nTASCO Radio Modem\r\nAX.25 Level 2 Version 2.0\r\n"
    on: bool = False  # the TNC
    released: bool = False
    tail: bytes = b""  # the last bytes, in which TC is looked for

    def take(self, data: bytes) -> bytes:
        """Read the radio's commands, then the TNC's, then KISS; a terminal command ends the latter two."""
        kiss = bytearray()
        for byte in data:
            if self.in_packet and self.is_terminal_command(byte):
                self.was_left()
                kiss.clear()
                self.say(self.tail)
            elif self.kiss:
                kiss.append(byte)
            else:
                self.key(byte)
        return bytes(kiss)

    @property
    def in_packet(self) -> bool:
        """Whether the port is the TNC's."""
        return self.on and (self.released or not self.needs_release)

    def is_terminal_command(self, byte: int) -> bool:
        """Tell whether this byte ends a terminal command."""
        self.tail = (self.tail + bytes([byte]))[-5:]
        return self.tail in (b"TC 0\r", b"TC 1\r")

    def key(self, byte: int) -> None:
        """Take one character: the radio does not echo, the TNC does."""
        if self.in_packet:
            CommandFirmware.key(self, byte)
        elif byte == CR:
            line, self.line = bytes(self.line), bytearray()
            self.radio(line)
        elif byte >= ord(" ") and len(self.line) < MAX_LINE:
            self.line.append(byte)

    def radio(self, line: bytes) -> None:
        """Take a command to the radio, and repeat it as it does; ``?`` for one that it does not know."""
        if line == self.packet:
            self.on = True
        elif line in (b"TNC 0", b"TNC 1", b"TN 0,0"):
            self.on = False
        elif line == b"TC 0":
            self.released = True
        elif line != b"TC 1":
            self.say(b"?\r")
            return
        self.say(line + b"\r")
        if self.in_packet:
            self.say(self.banner)
            self.prompt()

    def hear(self, frame: bytes) -> bytes | None:
        """Show nothing while the port is the radio's."""
        return CommandFirmware.hear(self, frame) if self.in_packet else b""

    def was_left(self, *, kiss: bool = False, converse: bool = False) -> None:
        """Be in KISS mode, at the TNC's prompt in converse mode, or an ordinary radio."""
        CommandFirmware.was_left(self, kiss=kiss, converse=converse)
        self.on = self.released = kiss or converse

    def leave(self) -> None:
        """Ignore it: only a terminal command leads out."""


@dataclass(slots=True)
class Wa8dedFirmware(Firmware):
    """WA8DED's: a command is ESC, text and a return; a line without ESC goes on the air. It says nothing unasked."""

    kiss: bool = False
    line: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> bytes:
        """Read commands until KISS mode."""
        for at, byte in enumerate(data):
            if self.kiss:
                return data[at:]
            self.key(byte)
        return b""

    def key(self, byte: int) -> None:
        """Take one character."""
        if byte == CTRL_X:
            self.line.clear()
        elif byte == CR:
            line, self.line = bytes(self.line), bytearray()
            self.enter(line)
        elif len(self.line) < MAX_LINE:
            self.line.append(byte)

    def enter(self, line: bytes) -> None:
        """Take a line."""
        if not line.startswith(bytes([ESC])):
            self.transmitted += [line] if line else []
        elif line[1:].upper() == b"@K":
            self.kiss = True
        else:
            self.say(b"* INVALID COMMAND: " + line[1:] + b" *\r\n")

    def was_left(self, *, kiss: bool = False, converse: bool = False) -> None:  # noqa: ARG002  (it has no such mode)
        """Be in KISS mode, or take commands."""
        self.kiss = kiss
        self.line.clear()

    def leave(self) -> None:
        """Go back to commands."""
        self.was_left()


def _kantronics() -> Firmware:
    banner = b"\r\nKANTRONICS KPC3P VERSION 9.1\r\n(C) COPYRIGHT 2002-2005\r\n"
    return CommandFirmware(arm=b"INTFACE KISS", restart=b"RESET", banner=banner)


# By the name of the profile.
FAMILIES: dict[str, Callable[[], Firmware]] = {
    "kiss": lambda: Firmware(speed=None),
    "tnc2": CommandFirmware,
    "kantronics": _kantronics,
    "tnc-x": Firmware,
    "tnc-pi": lambda: Firmware(speed=19200),
    "ninotnc": lambda: Firmware(speed=57600),
    "mobilinkd": lambda: Firmware(speed=None, answers={b"\x28": b"\x28" + b"2.4.1"}),
    "kenwood-d7": KenwoodFirmware,
    "kenwood-d710": lambda: KenwoodFirmware(packet=b"TN 2,0", needs_release=False),
    "kenwood-d74": lambda: Firmware(speed=None),
    "scs-tracker": lambda: Wa8dedFirmware(speed=38400),
    "wa8ded": Wa8dedFirmware,
    "arduino": lambda: Firmware(boot=1.5),
    "direwolf": lambda: Firmware(speed=None, answers={b"TNC:": b"DIREWOLF 1.6", b"TXBUF:": b"TXBUF:0"}),
    "soundmodem": lambda: Firmware(speed=None),
    "vr-n76": lambda: Firmware(speed=None, gap=0.9),
}
