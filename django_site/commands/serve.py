"""``edge serve``: run the box until it is told to stop."""

import argparse
import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from django_site import tls
from django_site.commands import complain, parser, say, set_up
from django_site.doors import Doors
from django_site.problem_page import show_problem
from edge.cli import FAILED, OK
from edge.errors import ConfigError
from edge.registry import import_string
from edge.systemd import is_service, keep_alive, listening_sockets, notify

logger = logging.getLogger("edge.serve")

GRACE = 3.0  # seconds for the browsers; the devices have theirs (django_site.box)
# What runs beside the box: given its URL, and a stack for what must end after the box has ended.
Work = Callable[[str, AsyncExitStack], Awaitable[int]]


def main(arguments: list[str]) -> int:
    """Run ``edge serve``."""
    made = parser("serve", "Run the box: the site, the devices and the routes. Ctrl-C or SIGTERM stops it cleanly.")
    made.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for the network (default: %(default)s)"
    )
    made.add_argument(
        "--port", type=int, default=8000, help="port to listen on; 0 for any free one (default: %(default)s)"
    )
    made.add_argument(
        "--role",
        choices=("all", "web", "devices"),
        default="all",
        help="the pages or the devices alone, in a process each (default: %(default)s)",
    )
    made.add_argument("--https-port", type=int, help="port for HTTPS beside it; 0 for any free one (default: none)")
    options = made.parse_args(arguments)
    options.handed = listening_sockets()
    try:
        set_up(options)
    except Exception as error:  # a mistake in the settings, which may be a program of the person's own
        if not is_service() or options.role == "devices":
            raise
        logger.exception("the settings cannot be read")
        code: int = import_string("transports.web:run")(show_problem(error, options))
        return code
    return run(options, announce if options.role != "devices" else announce_devices)


async def announce_devices(_: str, __: AsyncExitStack) -> int:
    """Say that the devices run, and wait for ever."""
    from django.conf import settings  # noqa: PLC0415  (after set_up)

    say(f"Edge runs the devices of {settings.DATA}; its pages are another process's")
    await asyncio.Event().wait()
    return OK


async def announce(url: str, _: AsyncExitStack) -> int:
    """Say where the box is, and how to get in the first time; then wait for ever."""
    say(f"Edge is at {url}/")
    if (keeper := tls.current()) and keeper.serves:
        say(f"With HTTPS it is at {keeper.url}/")
    try:
        if user := await sync_to_async(import_string("django_site.access.links:who_waits"))():
            link = await sync_to_async(import_string("django_site.access.links:issue_login_link"))(user)
            say(f"Nobody can sign in yet. Sign in once, within 15 minutes, with {url}{link}")
    except DatabaseError as error:  # the pages stay, to say what is wrong with it
        logger.error("the users cannot be read: %s; edge doctor says more", error)  # noqa: TRY400  (words suffice)
    await asyncio.Event().wait()
    return OK


def run(options: argparse.Namespace, work: Work) -> int:
    """Run the box, and ``work`` beside it, until the work is done or a signal comes; return the exit code."""
    code: int = import_string("transports.web:run")(serve(options, work))
    return code


async def serve(options: argparse.Namespace, work: Work) -> int:
    """Start the pages and the box, do the work, stop both."""
    from django.conf import settings  # noqa: PLC0415  (after set_up)
    from django.db import connections  # noqa: PLC0415  (after set_up)

    from django_site.asgi import application  # noqa: PLC0415  (after set_up)
    from django_site.roles import NoDoors, Role, part_of  # noqa: PLC0415  (after set_up)

    role = Role(getattr(options, "role", Role.ALL))
    stopped = _signalled()
    try:
        part = part_of(role, settings.DATA)
    except ConfigError as error:
        return await _cannot(error, options, role)
    web = NoDoors() if role is Role.DEVICES else Doors(application, options, getattr(options, "handed", {}))
    try:
        await part.start()
        await web.start()
    except ConfigError as error:
        await part.stop()
        return await _cannot(error, options, role)
    async with AsyncExitStack() as beside:
        working = asyncio.ensure_future(work(web.url, beside))
        watchdog = asyncio.create_task(keep_alive(lambda: [*part.progress.late(), *web.ended()]), name="watchdog")
        notify("READY=1", f"STATUS=serving {web.url}" if web.url else "STATUS=running the devices")
        try:
            either: list[asyncio.Future[Any]] = [working, stopped]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return _outcome(working)
        finally:
            notify("STOPPING=1")
            watchdog.cancel()
            await web.stop(GRACE)
            await part.stop()
            working.cancel()
            await asyncio.wait([working])
            await sync_to_async(connections.close_all)()  # of the thread in which async code asks the database


async def _cannot(error: ConfigError, options: argparse.Namespace, role: str) -> int:
    """Say why the box cannot run: on a page, where somebody starts us again and this process has pages."""
    if is_service() and role != "devices":
        return await show_problem(error, options)
    return complain(str(error))


def _outcome(working: "asyncio.Future[int]") -> int:
    if not working.done():
        logger.info("stopping")
        return OK
    if error := working.exception():
        logger.error("stopped by an error", exc_info=error)
        return FAILED
    return working.result()


def _signalled() -> "asyncio.Future[None]":
    """Return what is done when somebody asks the process to stop; the second time kills it."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return stopped
