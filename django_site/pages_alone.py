"""The pages without a box in their process: ``edge serve --role web`` (`django_site.roles`).

They share the files and the channel layer with the devices' process, and ask it by its control socket. `Pages` watches
over what they stand on, and tells the open pages when that changes: the devices' process comes or goes, the layer's
broker does. None of it keeps the pages from coming up.
"""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import close_old_connections, connections

from django_site import caretaker, far_box, tls
from django_site.tables import bring_tables_up_to_date
from edge import outbox
from edge.layers import BaseChannelLayer, ChannelLayer
from edge.systemd import Progress

if TYPE_CHECKING:
    from io import TextIOWrapper

logger = logging.getLogger("django_site.pages")

LOOK_EVERY = 1.0  # seconds between looks at the devices' process
RETRY_TABLES = 5.0  # seconds before tables that could not be brought up to date are tried again
FIRST_TABLES = 30.0  # seconds that the pages wait for them
HUNG = 60.0  # seconds without a look, after which the watch hangs
STOP_TIMEOUT = 5.0  # seconds for everything to end

_current: "Pages | None" = None


def problems() -> list[str]:
    """List what is wrong with this process's own part, in plain words; nothing where it is not the pages alone."""
    return _current.problems() if _current is not None else []


class Pages:
    """What runs beside the web servers of the web role. Made and used on the loop."""

    def __init__(self, data: Path, layer: ChannelLayer) -> None:
        self.data, self.layer = data, layer
        self.progress = Progress()
        self.problem = ""  # what keeps the tables from being of this version, in plain words
        self._notices: list[str] = []
        self._files: TextIOWrapper | None = None
        self._tables = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start; returns once the tables are there, or after `FIRST_TABLES`."""
        global _current  # noqa: PLW0603  (one a process)
        self._files, self._notices = await asyncio.to_thread(caretaker.take_files, self.data)
        _current = self
        outbox.keep_elsewhere(far_box.keep)
        for name, work in (("tables", self._bring_tables()), ("watch", self._watch())):
            self._tasks.append(asyncio.create_task(work, name=f"edge-pages-{name}"))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tables.wait(), FIRST_TABLES)

    async def stop(self) -> None:
        """Stop, and leave the layer."""
        global _current  # noqa: PLW0603  (as above)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT)
        outbox.keep_elsewhere(None)
        if isinstance(self.layer, BaseChannelLayer):
            await self.layer.close()
        if self._files is not None:
            self._files.close()
        _current = None

    def problems(self) -> list[str]:
        """List what is wrong here: the tables, the layer's broker, a damaged file, the certificate."""
        return [*filter(None, (self.problem, getattr(self.layer, "problem", ""))), *self._notices, *tls.problems()]

    async def _bring_tables(self) -> None:
        while True:
            try:
                await asyncio.to_thread(_bring_tables)
            except Exception as error:  # the page must come up to say so, whatever the database did
                self.problem = f"the tables are not of this version: {type(error).__name__}: {error}"
                logger.exception("the tables are not of this version; trying again in %g s", RETRY_TABLES)
            else:
                self.problem = ""
                self._tables.set()
                return
            self._tables.set()
            await asyncio.sleep(RETRY_TABLES)

    async def _watch(self) -> None:
        """Look at the devices' process, and tell the open pages where something is other than it was."""
        if (connect := getattr(self.layer, "connect", None)) is not None:
            await connect()
        told: tuple[list[str], str, int] | None = None
        while True:
            self.progress.beat("the watch over the devices' process", HUNG)
            found = await asyncio.to_thread(far_box.look)
            now = list(dict.fromkeys([*found.problems, *self.problems()])), found.absent, found.turns
            if told is not None and now != told:
                for problem in filter(None, (found.absent, *self.problems())):  # the others stand in its own log
                    logger.warning("%s", problem)
                await self._tell(now[0], found.absent)
            told = now
            await asyncio.sleep(LOOK_EVERY)

    async def _tell(self, problems: list[str], absent: str) -> None:
        """Tell the pages; those of this process hear it even where the layer's broker is away."""
        try:
            await self.layer.group_send("status", {"type": "problems.changed", "problems": problems, "absent": absent})
        except Exception as error:  # noqa: BLE001  (whatever a layer raises, a third party's too)
            logger.debug("the channel layer did not take what changed: %s", error)


def _bring_tables() -> None:
    close_old_connections()
    try:
        bring_tables_up_to_date()
    finally:
        connections.close_all()
