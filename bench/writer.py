"""A TNC that writes what it is told: ``python -m bench.writer`` makes a pty and says its name.

``flood`` writes frames as fast as the host reads, blocking where it does not; ``pace`` writes so many a second, each
with the moment of its writing in its last 20 characters (`clock`, which all processes of a machine share).
"""

import os
import time
import tty

from bench import frames
from bench.measure import answer, commands

BLOCK = 2048  # bytes a write; the kernel keeps 4 KiB for a host that does not read


def clock() -> int:
    """Return nanoseconds of the machine's monotonic clock."""
    return time.monotonic_ns()


def main() -> None:
    """Obey until standard input ends."""
    master, slave = os.openpty()  # the slave is kept open: the port stays, whoever else opens and closes it
    tty.setraw(slave)
    answer(port=os.ttyname(slave))
    for command in commands():
        if "flood" in command:
            _flood(master, command["flood"])
        else:
            _pace(master, command["pace"], command["rate"])


def _flood(master: int, count: int) -> None:
    data = b"".join(frames.numbered(count))
    answer(ready=count)
    began = clock()
    for at in range(0, len(data), BLOCK):
        _write(master, data[at : at + BLOCK])
    answer(written=count, seconds=(clock() - began) / 1e9)


def _pace(master: int, count: int, rate: int) -> None:
    stamped = frames.numbered(count, lambda _index: b"%020d" % 0)
    answer(ready=count)
    due = clock()
    for frame in stamped:
        due += 1_000_000_000 // rate
        time.sleep(max(0, due - clock()) / 1e9)
        _write(master, frame[:-21] + b"%020d" % clock() + frame[-1:])
    answer(written=count)


def _write(master: int, data: bytes) -> None:
    while data:
        data = data[os.write(master, data) :]


if __name__ == "__main__":
    main()
