"""From topics to a radio or a serial line, without code; and from any feed to another device.

A route on a broker names the device and what to send, and what of it is allowed (`edge.contrib.requests`); the device's
transmit gate stands behind that. What became of a message is published as JSON, where it is to be known::

    {"edge": "result", "result": "refused", "reason": "…", "device": "vhf", "to": "QQ1ABC-7", "id": "17"}

``result`` is "sent", "refused" (by this route or by the gate), "invalid" (it cannot be sent), "lost" (the device did
not take it); and with acknowledgements "delivered", "rejected" or "unacknowledged" later. The response topic and the
correlation data of MQTT 5 (section 4.10) are honoured.

**Not transmitted** are retained messages, which were meant for another time; results, ours and other boxes'; and what
the same device has heard (`edge.contrib.origins`). So there is no loop.

A message that the broker delivers twice, because the box was killed in between, is transmitted twice.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.asgi import Event
from edge.consumers.base import AsyncConsumer
from edge.contrib import clock, origins, requests
from edge.contrib.outlet import Outlet
from edge.contrib.requests import Denied, Maker, Request, TransmitOptions
from edge.contrib.templates import Template
from edge.errors import ConfigError
from edge.messaging import RETRY_GAPS
from edge.topics import TopicFilter, topic_problem

logger = logging.getLogger("edge.contrib.transmit")


def _number() -> Iterator[str]:
    """Give the ids of all bridges in turn: B and four more, so that none is one of a conversation or of the outbox.

    A peer takes a message whose id it knows for a copy. It begins by the clock, elsewhere than before a restart.
    """
    number = int(time.time())
    while True:
        number += 1
        yield "B" + "".join(DIGITS[number // 36**place % 36] for place in (3, 2, 1, 0))


_ids = _number()

ANSWER = 65.0  # seconds until a device that says nothing counts as down; the layer has dropped the event by then
TICK = 1.0  # seconds between looks at what is due
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARK = "edge"  # the field of a result by which bridges know one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """One request on its way."""

    event: dict[str, Any]
    to: str
    reply: tuple[str, bytes | None] | None  # topic and correlation data
    due: float  # monotonic seconds
    tries: int = 0  # of a message that is to be acknowledged


class Transmit(AsyncConsumer):
    """Sends what comes to a device, within its rights, and says what became of it."""

    protocols = frozenset({"mqtt", "serial", "ax25", "aprs"})
    Options = TransmitOptions

    clock: asyncio.Task[None] | None = None

    @staticmethod
    def targets(options: TransmitOptions) -> Iterator[tuple[str, str]]:
        """Name the option that names the device to send to, and what that has to offer."""
        yield "to", requests.scope_type(options.send)

    @staticmethod
    def check_options(options: TransmitOptions, scope_type: str) -> None:
        """Raise ConfigError for what is wrong with the templates, or has no meaning on this feed."""
        requests.check_options(options)
        if options.result_topic and scope_type != "mqtt":
            raise ConfigError("result_topic: results are for routes on a broker")

    async def connect(self) -> None:
        """Begin: nothing is on its way."""
        self.maker = Maker(self.options)
        self.outlet = Outlet(self.channel_layer, self.scope["device"], self.options.to)
        self.answers = Outlet(self.channel_layer, self.options.to, self.scope["device"])
        self.filters = [TopicFilter.parse(text) for text in self.scope.get("topic_filters", ())]
        self.result_topic = Template.parse(self.options.result_topic) if self.options.result_topic else None
        self.pending: dict[str, _Pending] = {}
        self.tapping = False
        self.reply_channel = self.channel_name  # its first use opens it
        self.clock = clock.start(TICK, self._tick, f"transmit-{self.scope['device']}")

    async def receive(self, message: Event) -> None:
        """Transmit, or say why not."""
        if message.get("retain"):
            return
        reply, to = None, ""
        try:
            reply = self._reply_to(message)
            request = Request.read(message)
            if request.body is not None and request.body.get(MARK) == "result":
                return
            event = self.maker.make(request)
            to = str(event.get("packet", {}).get("addressee", event.get("destination", "")))
            self.maker.count(time.monotonic(), waiting=len(self.pending))
        except Denied as error:
            logger.info("%s: not sent to %s: %s", self.scope["device"], self.options.to, error)
            await self._tell(reply, "refused", str(error), to)
            return
        event["origin"] = origins.of(message) if "topic" in message else self.scope["device"]
        await self._start(event, to, reply)

    async def transmit_result(self, message: Event) -> None:
        """Take the device's word on what became of one."""
        id_ = str(message.get("id", ""))
        pending = self.pending.get(id_)
        if pending is None:
            return
        outcome = str(message.get("outcome", ""))
        if pending.tries > 1:
            return  # it was sent before; what the gate says of a try more is in the device's status
        await self._tell(pending.reply, outcome, str(message.get("reason", "")), pending.to, id_)
        if outcome != "sent" or not pending.tries:
            await self._forget(id_)

    async def tap_event(self, message: Mapping[str, Any]) -> None:
        """Look whether a station acknowledges what was sent to it."""
        event = message["event"]
        if message["device"] != self.options.to or message["direction"] != "heard":
            return
        source, packet = str(event.get("source", "")), event.get("packet", {})
        format_, id_ = event.get("format"), str(packet.get("id", ""))
        if format_ == "message" and packet.get("reply_ack"):  # aprs.org, aprs11/replyacks.txt
            format_, id_ = "ack", str(packet["reply_ack"])
        pending = self.pending.get(id_)
        if format_ in ("ack", "reject") and pending is not None and pending.tries and pending.to == source.upper():
            word = "delivered" if format_ == "ack" else "rejected"
            await self._tell(pending.reply, word, "", pending.to, id_)
            await self._forget(id_)

    async def disconnect(self) -> None:
        """End the clock; nobody is told of what is still on its way."""
        if self.clock is not None:
            self.clock.cancel()

    async def _start(self, event: dict[str, Any], to: str, reply: tuple[str, bytes | None] | None) -> None:
        """Send one for the first time."""
        id_, now = next(_ids), time.monotonic()
        pending = _Pending(event=event, to=to, reply=reply, due=now + ANSWER)
        if self.options.acknowledge and event.get("packet", {}).get("format") == "message":
            event["packet"]["id"] = id_
            pending = replace(pending, tries=1, due=now + RETRY_GAPS[0])
            await self._tap(wanted=True)
        self.pending[id_] = pending
        if not await self._put(id_):
            await self._tell(reply, "lost", f"{self.options.to} takes no more", to, id_)
            await self._forget(id_)

    async def _put(self, id_: str) -> bool:
        event = self.pending[id_].event
        return await self.outlet.put({**event, "reply": {"channel": self.reply_channel, "id": id_}})

    async def _forget(self, id_: str) -> None:
        self.pending.pop(id_, None)
        if not any(pending.tries for pending in self.pending.values()):
            await self._tap(wanted=False)

    async def _tap(self, *, wanted: bool) -> None:
        """Listen to what the devices hear for as long as something is to be acknowledged."""
        if wanted is not self.tapping and self.channel_layer is not None:
            self.tapping = wanted
            change = self.channel_layer.group_add if wanted else self.channel_layer.group_discard
            await change("tap", self.reply_channel)

    async def _tick(self) -> None:
        now = time.monotonic()
        for id_ in [id_ for id_, pending in self.pending.items() if now >= pending.due]:
            if id_ in self.pending:  # and was not answered while the one before was told
                await self._overdue(id_, now)

    async def _overdue(self, id_: str, now: float) -> None:
        pending = self.pending[id_]
        if not pending.tries:
            reason = f"{self.options.to} did not take it within {ANSWER:g} s; is it up?"
            await self._tell(pending.reply, "lost", reason, pending.to, id_)
        elif pending.tries == len(RETRY_GAPS):
            reason = f"no acknowledgement after {pending.tries} tries"
            await self._tell(pending.reply, "unacknowledged", reason, pending.to, id_)
        else:
            self.pending[id_] = replace(pending, tries=pending.tries + 1, due=now + RETRY_GAPS[pending.tries])
            await self._put(id_)
            return
        await self._forget(id_)

    def _reply_to(self, event: Event) -> tuple[str, bytes | None] | None:
        """Find where the result goes; Denied where it would come back to this route."""
        properties = event.get("properties", {})
        topic = properties.get("response_topic", "") if self.options.respond else ""
        if not topic and self.result_topic is not None:
            caught = event.get("topic_route", {}).get("kwargs", {})
            topic = self.result_topic.render_topic({"device": self.options.to, **caught})
        if not topic:
            return None
        if topic_problem(topic) or topic.startswith("$"):
            raise Denied("the response topic is none that can be published to")
        if any(filter_.match(topic) is not None for filter_ in self.filters):
            raise Denied(f"the result would go to {topic[:80]}, which this route takes for requests")
        return topic, properties.get("correlation_data")

    async def _tell(
        self, reply: tuple[str, bytes | None] | None, result: str, reason: str, to: str = "", id_: str = ""
    ) -> None:
        if reply is None or self.scope["type"] != "mqtt":
            return
        topic, correlation = reply
        said = {MARK: "result", "result": result, "reason": reason, "device": self.options.to, "to": to, "id": id_}
        properties: dict[str, Any] = {"content_type": "application/json"}
        if correlation is not None:
            properties["correlation_data"] = correlation
        payload = json.dumps(said, ensure_ascii=False).encode(errors="replace")
        await self.answers.publish(topic, payload, qos=1, properties=properties)
