"""What the pages of another process ask of the box beside its status, by the control socket (`django_site.far_box`).

POST /unwritten  {"count": 50} → {"lines": […]}, packets that are not in the history yet
POST /plugged    {"listened": "usb://…" or ""} → `django_site.devices.plugged_page.look`: the pages may open no port
GET  /nobodys    {"paths": […]}, what is plugged in and no device's
POST /keep       {"device": …, "event": {…}, "expires": seconds or null} → {"number": 7}, once it is on disk
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import close_old_connections, connections

from django_site.control import from_plain
from django_site.devices import observed, plugged_page
from edge.errors import ConfigError, LocalProtocolError
from edge.outbox import OutboxRefused

if TYPE_CHECKING:
    from django_site.box import Box

MOST_LINES = 1000

T = TypeVar("T")
Answer = tuple[int, dict[str, Any]]


async def answer(box: "Box", method: str, path: str, body: Callable[[], Awaitable[bytes]]) -> Answer:
    """Answer one request: the status of HTTP, and plain values."""
    found = ANSWERS.get((method, path))
    if found is None:
        return 404, {"error": "no such address"}
    try:
        wish = json.loads(await body() or b"{}")
        return 200, await found(box, wish)
    except (OutboxRefused, ConfigError, LocalProtocolError) as error:
        return 409, {"error": str(error)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return 400, {"error": f"not understood; {error}"}


async def _unwritten(box: "Box", wish: dict[str, Any]) -> dict[str, Any]:
    return {"lines": [asdict(line) for line in box.packets.unwritten(min(int(wish["count"]), MOST_LINES))]}


async def _plugged(box: "Box", wish: dict[str, Any]) -> dict[str, Any]:
    del box
    return await _in_thread(lambda: plugged_page.look(str(wish["listened"])))


async def _nobodys(box: "Box", wish: dict[str, Any]) -> dict[str, Any]:
    del box, wish
    return {"paths": await _in_thread(observed.nobodys)}


async def _keep(box: "Box", wish: dict[str, Any]) -> dict[str, Any]:
    return {"number": await box.outbox.put(str(wish["device"]), from_plain(wish["event"]), wish["expires"])}


async def _in_thread(work: Callable[[], T]) -> T:
    """Do what asks the database, in a thread that keeps no connection."""

    def done() -> T:
        close_old_connections()
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(done)


ANSWERS: dict[tuple[str, str], Callable[["Box", dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    ("POST", "/unwritten"): _unwritten,
    ("POST", "/plugged"): _plugged,
    ("GET", "/nobodys"): _nobodys,
    ("POST", "/keep"): _keep,
}
