"""What the live page is told over its WebSocket: status, the last packets, and then each packet as it comes.

To the page, as JSON: ``{"type": "status", "devices": […]}``, ``{"type": "history", "packets": […]}`` oldest first,
``{"type": "packet", "packet": {…}}`` (a `lines.Line`), ``{"type": "dropped", "count": n}``, ``{"type": "problems",
"problems": […], "absent": "…"}`` with what is wrong with the box, and why no devices run. From the page: nothing.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django_site import box
from django_site.dashboard.history import newest_lines
from django_site.dashboard.lines import line
from django_site.devices.observed import absent, problems, statuses_now
from edge.consumers import AsyncWebsocketConsumer
from edge.db import database_sync_to_async

HISTORY = 50  # packets that a new page begins with
STATUS_ONLY = b"only=status"  # the query of pages that show no packets


class LiveConsumer(AsyncWebsocketConsumer):
    """One open page of a person who is signed in."""

    groups = ("tap", "status")

    async def connect(self) -> None:
        """Refuse strangers; tell the others what is so now."""
        self.shown = False
        self.told_dropped = 0
        self.status_only = self.scope.get("query_string", b"") == STATUS_ONLY
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close()
            return
        await self.accept()
        await self.tell_all()
        self.shown = True

    async def layer_restored(self) -> None:
        """Tell what may have been missed while the layer was away."""
        if self.shown:
            await self.tell_all()

    async def tell_all(self) -> None:
        """Tell what is so now, and the last packets."""
        devices = [status.as_dict() for status in (await statuses_now()).values()]
        await self.send(text=encode({"type": "status", "devices": devices}))
        if box.current() is None:
            found, gone = await asyncio.to_thread(lambda: (problems(), absent()))
            await self.send(text=encode({"type": "problems", "problems": found, "absent": gone}))
        if not self.status_only:
            packets = [asdict(each) for each in await database_sync_to_async(newest_lines)(HISTORY)]
            await self.send(text=encode({"type": "history", "packets": packets}))

    async def tap_event(self, message: Mapping[str, Any]) -> None:
        """Show what a device heard, sent or was refused."""
        if not self.shown or self.status_only:
            return
        await self.send(text=encode_tap(message))
        if self.dropped > self.told_dropped:
            self.told_dropped = self.dropped
            await self.send(text=encode({"type": "dropped", "count": self.dropped}))

    async def status_changed(self, message: Mapping[str, Any]) -> None:
        """Show what the devices do now."""
        if self.shown:
            await self.send(text=encode({"type": "status", "devices": message["devices"]}))

    async def problems_changed(self, message: Mapping[str, Any]) -> None:
        """Show what is wrong with the box, and whether anybody runs the devices (`django_site.pages_alone`)."""
        if self.shown:
            words = {"problems": message["problems"], "absent": message["absent"]}
            await self.send(text=encode({"type": "problems", **words}))


class TapEncoder:
    """Encode each tap message once, however many pages are open: all of them are given the same object, one by one."""

    def __init__(self) -> None:
        self._message: Mapping[str, Any] | None = None
        self._text = ""

    def __call__(self, message: Mapping[str, Any]) -> str:
        """Return the text for the page."""
        if message is not self._message:
            words = line(
                message["device"],
                message["direction"],
                message["event"],
                now=time.time(),
                reason=message.get("reason", ""),
            )
            self._text = encode({"type": "packet", "packet": asdict(words)})
            self._message = message  # held, so that its identity cannot be given to another one
        return self._text


encode_tap = TapEncoder()


def encode(value: Mapping[str, Any]) -> str:
    """Write compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
