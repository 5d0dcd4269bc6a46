"""A serial port made of a pty, with a symlink for its name: plugged, unplugged, opened and closed.

It knows bytes only; ``tnc`` gives them a meaning. Linux behaves as follows, and the code leans on it:

* While no process has the slave open, the master reads EIO and polls POLLHUP at once, for ever. So a closed port is
  looked at every ``HOST_POLL`` seconds instead of being watched.
* A slave keeps its state while it is closed, which no real port does: bytes written then, or left unread, wait for
  whoever opens it next, and TIOCEXCL shuts all others out for good. So nothing is written then, and what a host leaves
  behind is cleaned up; or, where the exclusion keeps us out as well, the pty is changed for a new one.
* Closing the master hangs the slave up, and takes away what the host had not read.
"""

import array
import asyncio
import fcntl
import os
import select
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from transports.simulator.outbox import Outbox

HOST_POLL = 0.02  # seconds; quick for a person, next to nothing for the processor
READ_SIZE = 65536  # bytes; more than a pty ever holds
UNPLUGGED = -1


def open_raw_pty(avoid: str = "") -> tuple[int, str]:
    """Give a non-blocking master and the name of its raw slave, which is closed again. Never the name ``avoid``."""
    master, slave = os.openpty()
    device = os.ttyname(slave)
    if device == avoid:
        try:  # the kernel gives the lowest free number: hold this one meanwhile
            return open_raw_pty()
        finally:
            os.close(slave)
            os.close(master)
    tty.setraw(slave)
    os.close(slave)
    os.set_blocking(master, False)
    return master, device


def publish(link: Path, device: str) -> None:
    """Point ``link`` at ``device`` in one step; FileExistsError if a real file or device has that name."""
    if os.path.lexists(link) and not link.is_symlink():
        raise FileExistsError(f"{link} is not a symlink; the simulator replaces nothing else. Choose another name")
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(device)
    fresh.replace(link)


def withdraw(link: Path, device: str) -> None:
    """Remove ``link`` if it still points at ``device``; it may have become somebody else's."""
    with suppress(OSError):
        if str(link.readlink()) == device:
            link.unlink()


class PtyPort:
    """The TNC's end of the cable. Needs a running loop; whoever calls ``plug`` must call ``unplug``.

    ``on_bytes`` gets what the host writes, ``on_host`` whether a host has the port open. Towards a host that does not
    read, an ``Outbox`` keeps 4 KiB beyond the kernel's 20 kB and then drops the oldest frames.
    """

    def __init__(self, link: Path, *, on_bytes: Callable[[bytes], None], on_host: Callable[[bool], None]) -> None:
        self.link = link
        self.device = ""
        self.outbox = Outbox()
        self._on_bytes = on_bytes
        self._on_host = on_host
        self._master = UNPLUGGED
        self._host = asyncio.Event()
        self._room = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None

    @property
    def plugged(self) -> bool:
        """Whether there is a device at all."""
        return self._master != UNPLUGGED

    @property
    def speed(self) -> int:
        """The termios speed constant that the host has set, as ``termios.B9600``; 0 while unplugged."""
        return int(termios.tcgetattr(self._master)[4]) if self.plugged else 0

    def plug(self) -> str:
        """Make a device under a new name, move the symlink to it, and give the name. OSError if that cannot be."""
        if self.plugged:
            return self.device
        self._master, self.device = open_raw_pty(avoid=self.device)
        try:
            publish(self.link, self.device)
        except OSError:
            self.unplug()
            raise
        self._look_for_host()
        return self.device

    def unplug(self) -> None:
        """Pull the cable: the symlink goes, the host sees a hang-up, unread bytes are lost. Again is fine."""
        if not self.plugged:
            return
        withdraw(self.link, self.device)  # first, while nobody else can be given this number
        master = self._master
        self._let_go()
        self._master = UNPLUGGED
        os.close(master)

    def put(self, frame: bytes) -> bool:
        """Write a frame, or as much as the host takes now; never waits. False if no host has the port open."""
        if self.plugged and not self._host.is_set() and self._host_has_opened():
            self._attach()
        if not self._host.is_set():
            return False
        self.outbox.put(frame)
        self._flush()
        return True

    async def wait_for_host(self) -> None:
        """Wait until a host opens the port; without end, so bound it from outside."""
        await self._host.wait()

    async def wait_for_room(self) -> None:
        """Wait until a host has the port open and all that was put is written; without end as well."""
        await self._room.wait()

    async def wait_until_read(self, limit: float) -> None:
        """Wait until the host has read what was written, or ``limit`` seconds have gone.

        The kernel shows the unread count on the slave only, and moves bytes there a moment after the write: hence a
        second look. A host that forbids a second opening is given the whole limit.
        """
        deadline = asyncio.get_running_loop().time() + limit
        empty = 0
        while empty < 2 and asyncio.get_running_loop().time() < deadline:  # noqa: PLR2004 the second look
            await asyncio.sleep(HOST_POLL)
            empty = empty + 1 if not self.outbox.size and _unread(self.device) == 0 else 0

    def _host_has_opened(self) -> bool:
        poll = select.poll()
        poll.register(self._master, 0)  # POLLHUP is told unasked
        return not poll.poll(0)

    def _look_for_host(self) -> None:
        if self._host_has_opened():
            self._attach()
        else:
            self._watch = asyncio.get_running_loop().call_later(HOST_POLL, self._look_for_host)

    def _attach(self) -> None:
        self._stop_watching()
        asyncio.get_running_loop().add_reader(self._master, self._read)
        self._host.set()
        self._room.set()
        self._on_host(True)

    def _detach(self) -> None:
        self._let_go()
        if _clean(self.device):
            self._look_for_host()
        else:
            self.unplug()
            self.plug()

    def _let_go(self) -> None:
        self._stop_watching()
        if not self._host.is_set():
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._host.clear()
        self._room.clear()
        self.outbox.clear()
        self._on_host(False)

    def _stop_watching(self) -> None:
        if self._watch:
            self._watch.cancel()
            self._watch = None

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last process has closed the slave
            self._detach()
            return
        self._on_bytes(data)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while chunk := self.outbox.head():
            written = _write(self._master, chunk)
            self.outbox.advance(written)
            if written < len(chunk):
                self._room.clear()
                loop.add_writer(self._master, self._flush)
                return
        if not self._room.is_set():
            loop.remove_writer(self._master)
            self._room.set()


def _write(fd: int, chunk: bytes) -> int:
    try:
        return os.write(fd, chunk)
    except BlockingIOError:
        return 0


def _clean(device: str) -> bool:
    """Forget what the last host left in a closed slave. False if it has left the door locked."""
    try:
        fd = os.open(device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        termios.tcflush(fd, termios.TCIFLUSH)  # from the master's side this reaches only half of the buffers
        fcntl.ioctl(fd, termios.TIOCNXCL)
    finally:
        os.close(fd)
    return True


def _unread(device: str) -> int:
    """Count the bytes that wait in the slave; -1 if it cannot be opened a second time."""
    try:
        fd = os.open(device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return -1
    try:
        count = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, count)
        return count[0]
    finally:
        os.close(fd)
