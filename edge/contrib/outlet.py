"""What bridges send by: the channel of another device, with its gaps told in the log once each."""

import logging
from typing import Any

from edge.errors import ConfigError
from edge.exceptions import ChannelFull, MessageTooLarge
from edge.layers import ChannelLayer

logger = logging.getLogger("edge.contrib.outlet")


class Outlet:
    """Sends to ``device.<target>`` for a consumer of ``device``. ConfigError where there is no channel layer."""

    def __init__(self, layer: ChannelLayer | None, device: str, target: str) -> None:
        if layer is None:
            raise ConfigError("forwarding needs a channel layer; none is configured")
        self.layer = layer
        self.device = device
        self.target = target
        self.lost = 0  # in the gap that lasts

    async def put(self, event: dict[str, Any]) -> bool:
        """Send; False where the target takes no more, which is told of in the log, once per gap."""
        try:
            await self.layer.send(f"device.{self.target}", event)
        except (ChannelFull, MessageTooLarge) as error:
            self.lost += 1
            if self.lost == 1:
                why = "takes no more; messages are being lost" if isinstance(error, ChannelFull) else str(error)
                logger.warning("%s: %s %s", self.device, self.target, why)
            return False
        if self.lost:
            logger.warning("%s: %s is back; %d messages were lost", self.device, self.target, self.lost)
        self.lost = 0
        return True

    async def publish(self, topic: str, payload: bytes, **fields: Any) -> bool:  # Any: those of ``mqtt.send``
        """Publish on the broker that the target is; ``payload`` empty and ``retain`` clears what is retained."""
        return await self.put(
            {"type": "mqtt.send", "topic": topic, "payload": payload, "origin": self.device, **fields}
        )
