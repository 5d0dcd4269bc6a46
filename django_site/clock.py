"""Whether the box knows the time. A Pi has no clock of its own: until the network tells it, every time is a guess."""

from pathlib import Path

# systemd-timesyncd.service(8) makes it once a server has told the time; it is gone after a boot.
TOLD = Path("/run/systemd/timesync/synchronized")
KEEPER = Path("/run/systemd/timesync")  # there where systemd-timesyncd runs
UNSURE = "the clock has not been set yet (no network time since the start): the times of packets may be wrong"


def trusted(told: Path = TOLD, keeper: Path = KEEPER) -> bool | None:
    """Tell whether the clock was set since the boot; None where another program than systemd-timesyncd sees to it."""
    if told.exists():
        return True
    return False if keeper.exists() else None
