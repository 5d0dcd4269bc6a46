"""What became of what a bridge was asked to transmit: followed until its end, and told to who asked.

A `Desk` follows the requests of one connection of a route. When the broker goes it lingers until the last of them is
decided: what is told meanwhile waits for the broker as all does that is sent to a device's channel, for a minute.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from edge.contrib import clock
from edge.contrib.outlet import Outlet
from edge.messaging import RETRY_GAPS

logger = logging.getLogger("edge.contrib.results")

ANSWER = 65.0  # seconds until a device that says nothing counts as down; the layer has dropped the event by then
TICK = 1.0  # seconds between looks at what is due
LAYER_RETRY = 1.0  # seconds until a layer that failed is asked again
MOST_LINGERING = 20  # desks; a broker that comes and goes leaves no more behind, and the oldest is closed
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARK = "edge"  # the field of a result by which bridges know one

_lingering: list["Desk"] = []


def _number() -> Iterator[str]:
    """Give the ids of all bridges in turn: B and four more, so that none is one of a conversation or of the outbox.

    A peer takes a message whose id it knows for a copy. It begins by the clock, elsewhere than before a restart.
    """
    number = int(time.time())
    while True:
        number += 1
        yield "B" + "".join(DIGITS[number // 36**place % 36] for place in (3, 2, 1, 0))


_ids = _number()


class Reply(NamedTuple):
    """Where a result goes."""

    topic: str
    correlation: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One request on its way."""

    event: dict[str, Any]
    to: str
    reply: Reply | None
    due: float  # monotonic seconds
    tries: int = 0  # of a message that is to be acknowledged


class Desk:
    """Sends by ``outlet``, and tells what became of it by ``tells``; None where nobody is told."""

    def __init__(self, outlet: Outlet, tells: Outlet | None) -> None:
        self.outlet, self.tells = outlet, tells
        self.pending: dict[str, Pending] = {}
        self.channel = ""
        self._tapping = self._lingers = False
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Listen to what the device says."""
        self.channel = await self.outlet.layer.new_channel()
        name = f"transmit-{self.outlet.device}"
        self._tasks = [
            asyncio.create_task(self._listen(), name=f"edge-{name}-results"),
            clock.start(TICK, self._tick, name),
        ]

    async def close(self) -> None:
        """End; nobody is told of what is still on its way."""
        self._end()
        await self._tap(wanted=False)

    async def linger(self) -> None:
        """Go on without the connection until all that is on its way is decided, for ten minutes at most."""
        if not self.pending:
            await self.close()
            return
        self._lingers = True
        _lingering.append(self)
        if len(_lingering) > MOST_LINGERING:
            await _lingering[0].close()

    async def start(self, event: dict[str, Any], to: str, reply: Reply | None, *, acknowledge: bool) -> None:
        """Send one for the first time."""
        id_, now = next(_ids), time.monotonic()
        pending = Pending(event=event, to=to, reply=reply, due=now + ANSWER)
        if acknowledge and event.get("packet", {}).get("format") == "message":
            event["packet"]["id"] = id_
            pending = replace(pending, tries=1, due=now + RETRY_GAPS[0])
            await self._tap(wanted=True)
        self.pending[id_] = pending
        if not await self._put(id_):
            await self.tell(reply, "lost", f"{self.outlet.target} takes no more", to, id_)
            await self._forget(id_)

    async def tell(self, reply: Reply | None, result: str, reason: str, to: str = "", id_: str = "") -> None:
        """Publish one result."""
        if reply is None or self.tells is None:
            return
        device = self.outlet.target
        said = {MARK: "result", "result": result, "reason": reason, "device": device, "to": to, "id": id_}
        properties: dict[str, Any] = {"content_type": "application/json"}
        if reply.correlation is not None:
            properties["correlation_data"] = reply.correlation
        payload = json.dumps(said, ensure_ascii=False).encode(errors="replace")
        await self.tells.publish(reply.topic, payload, qos=1, properties=properties)

    async def _listen(self) -> None:
        while True:
            try:
                message = await self.outlet.layer.receive(self.channel)
                if message.get("type") == "transmit.result":
                    await self._result(message)
                elif message.get("type") == "tap.event":
                    await self._heard(message)
            except Exception:  # whatever another's layer raises
                logger.exception("%s: the channel layer failed; asked again in %g s", self.channel, LAYER_RETRY)
                await asyncio.sleep(LAYER_RETRY)

    async def _result(self, message: Mapping[str, Any]) -> None:
        """Take the device's word on what became of one."""
        id_ = str(message.get("id", ""))
        pending = self.pending.get(id_)
        if pending is None or pending.tries > 1:
            return  # it was sent before; what the gate says of a try more is in the device's status
        outcome = str(message.get("outcome", ""))
        await self.tell(pending.reply, outcome, str(message.get("reason", "")), pending.to, id_)
        if outcome != "sent" or not pending.tries:
            await self._forget(id_)

    async def _heard(self, message: Mapping[str, Any]) -> None:
        """Look whether a station acknowledges what was sent to it."""
        event = message["event"]
        if message["device"] != self.outlet.target or message["direction"] != "heard":
            return
        source, packet = str(event.get("source", "")), event.get("packet", {})
        format_, id_ = event.get("format"), str(packet.get("id", ""))
        if format_ == "message" and packet.get("reply_ack"):  # aprs.org, aprs11/replyacks.txt
            format_, id_ = "ack", str(packet["reply_ack"])
        pending = self.pending.get(id_)
        if format_ in ("ack", "reject") and pending is not None and pending.tries and pending.to == source.upper():
            word = "delivered" if format_ == "ack" else "rejected"
            await self.tell(pending.reply, word, "", pending.to, id_)
            await self._forget(id_)

    async def _put(self, id_: str) -> bool:
        event = self.pending[id_].event
        return await self.outlet.put({**event, "reply": {"channel": self.channel, "id": id_}})

    async def _forget(self, id_: str) -> None:
        self.pending.pop(id_, None)
        if not any(pending.tries for pending in self.pending.values()):
            await self._tap(wanted=False)
        if self._lingers and not self.pending:
            self._end()

    def _end(self) -> None:
        if self in _lingering:
            _lingering.remove(self)
        for task in self._tasks:
            task.cancel()

    async def _tap(self, *, wanted: bool) -> None:
        """Listen to what the devices hear for as long as something is to be acknowledged."""
        if wanted is not self._tapping:
            self._tapping = wanted
            layer = self.outlet.layer
            await (layer.group_add if wanted else layer.group_discard)("tap", self.channel)

    async def _tick(self) -> None:
        now = time.monotonic()
        for id_ in [id_ for id_, pending in self.pending.items() if now >= pending.due]:
            if id_ in self.pending:  # and was not answered while the one before was told
                await self._overdue(id_, now)

    async def _overdue(self, id_: str, now: float) -> None:
        pending, target = self.pending[id_], self.outlet.target
        if not pending.tries:
            await self.tell(
                pending.reply, "lost", f"{target} did not take it within {ANSWER:g} s; is it up?", pending.to, id_
            )
        elif pending.tries == len(RETRY_GAPS):
            await self.tell(
                pending.reply, "unacknowledged", f"no acknowledgement after {pending.tries} tries", pending.to, id_
            )
        else:
            self.pending[id_] = replace(pending, tries=pending.tries + 1, due=now + RETRY_GAPS[pending.tries])
            await self._put(id_)
            return
        await self._forget(id_)
