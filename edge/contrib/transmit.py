"""From topics to a radio or a serial line, without code; and from any feed to another device.

A route on a broker names the device and what to send, and what of it is allowed (`edge.contrib.requests`); the device's
transmit gate stands behind that. What became of a message is published as JSON, where it is to be known::

    {"edge": "result", "result": "refused", "reason": "…", "device": "vhf", "to": "QQ1ABC-7", "id": "17"}

``result`` is "sent", "refused" (by this route or by the gate), "invalid" (it cannot be sent), "lost" (the device did
not take it); and with acknowledgements "delivered", "rejected" or "unacknowledged" later. The response topic and the
correlation data of MQTT 5 (section 4.10) are honoured. `edge.contrib.results` follows each request until its end.

**Not transmitted** are retained messages, which were meant for another time; results, ours and other boxes'; and what
the same device has heard (`edge.contrib.origins`). So there is no loop.

A message that the broker delivers twice, because the box was killed in between, is transmitted twice.
"""

import logging
import time
from collections.abc import Iterator

from edge.asgi import Event
from edge.consumers.base import AsyncConsumer
from edge.contrib import origins, requests
from edge.contrib.outlet import Outlet
from edge.contrib.requests import Denied, Maker, Request, TransmitOptions
from edge.contrib.results import MARK, Desk, Reply
from edge.contrib.templates import Template
from edge.drops import RefusalLog
from edge.errors import ConfigError
from edge.spec import CloseCode
from edge.topics import TopicFilter, topic_problem

logger = logging.getLogger("edge.contrib.transmit")


class Transmit(AsyncConsumer):
    """Sends what comes to a device, within its rights, and says what became of it."""

    protocols = frozenset({"mqtt", "serial", "ax25", "aprs"})
    Options = TransmitOptions

    desk: Desk | None = None

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
        device = self.scope["device"]
        self.maker = Maker(self.options)
        self.filters = [TopicFilter.parse(text) for text in self.scope.get("topic_filters", ())]
        self.result_topic = Template.parse(self.options.result_topic) if self.options.result_topic else None
        self.denied = RefusalLog(logger, f"{device} to {self.options.to}")
        tells = Outlet(self.channel_layer, self.options.to, device) if self.scope["type"] == "mqtt" else None
        self.desk = Desk(Outlet(self.channel_layer, device, self.options.to), tells)
        await self.desk.open()

    async def receive(self, message: Event) -> None:
        """Transmit, or say why not."""
        desk = self.desk
        if desk is None or message.get("retain"):
            return
        reply, to = None, ""
        try:
            reply = self._reply_to(message)
            request = Request.read(message)
            if request.body is not None and request.body.get(MARK) == "result":
                return
            event = self.maker.make(request)
            to = str(event.get("packet", {}).get("addressee", event.get("destination", "")))
            self.maker.count(time.monotonic(), waiting=len(desk.pending))
        except Denied as error:
            self.denied.count(str(error))
            await desk.tell(reply, "refused", str(error), to)
            return
        event["origin"] = origins.of(message) if "topic" in message else self.scope["device"]
        await desk.start(event, to, reply, acknowledge=self.options.acknowledge)

    async def disconnect(self, code: int) -> None:
        """Leave what is on its way to be told once the broker is back; nothing, where a person took the route out."""
        if self.desk is None:
            return
        if code in (CloseCode.LINK_LOST, CloseCode.HANDLER_ERROR):
            await self.desk.linger()
        else:
            await self.desk.close()

    def _reply_to(self, event: Event) -> Reply | None:
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
        return Reply(topic, properties.get("correlation_data"))
