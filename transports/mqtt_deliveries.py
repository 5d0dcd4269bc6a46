"""Messages of QoS 1 and 2 that came and are not acknowledged yet: in which order, and once each.

Pure: what is to be written goes to ``write``, and who may hand on more is told by ``settled``. `transports.mqtt_wire`
holds one for each connection.
"""

from collections import deque
from collections.abc import Callable

from transports.codecs.mqtt import Type, answer


class Delivery:
    """A message that the broker waits to hear about. `settle` may be called once the connection is gone, too."""

    __slots__ = ("_deliveries", "identifier", "is_done", "qos")

    def __init__(self, deliveries: "Deliveries", identifier: int, qos: int) -> None:
        self._deliveries = deliveries
        self.identifier = identifier
        self.qos = qos
        self.is_done = False

    def settle(self) -> None:
        """Say that it was handled."""
        if not self.is_done:
            self.is_done = True
            self._deliveries.acknowledge()


class Deliveries:
    """All of one connection. Its length is the number of those that are not settled."""

    def __init__(self, write: Callable[[bytes], None], settled: Callable[[], None]) -> None:
        self._write = write
        self._settled = settled
        self._unsettled: deque[Delivery] = deque()  # in the order in which they came
        self._settling: set[int] = set()  # identifiers of QoS 2 messages without a PUBREC
        self._unreleased: set[int] = set()  # of those with a PUBREC and without a PUBREL

    def __len__(self) -> int:
        return len(self._unsettled)

    def enter(self, identifier: int, qos: int) -> Delivery | None:
        """Enter a message; None for one of QoS 2 that came before on the same connection (section 4.3.3)."""
        if qos == 2:  # noqa: PLR2004
            if identifier in self._unreleased:
                self._write(answer(Type.PUBREC, identifier))
            if identifier in self._unreleased or identifier in self._settling:
                return None
            self._settling.add(identifier)
        delivery = Delivery(self, identifier, qos)
        self._unsettled.append(delivery)
        return delivery

    def release(self, identifier: int) -> None:
        """Take a PUBREL: the identifier may come again for another message."""
        self._unreleased.discard(identifier)
        self._write(answer(Type.PUBCOMP, identifier))

    def acknowledge(self) -> None:
        """Tell the broker of what is settled, as far as all before it is."""
        while self._unsettled and self._unsettled[0].is_done:
            delivery = self._unsettled.popleft()
            if delivery.qos == 1:
                self._write(answer(Type.PUBACK, delivery.identifier))
            else:
                self._settling.discard(delivery.identifier)
                self._unreleased.add(delivery.identifier)
                self._write(answer(Type.PUBREC, delivery.identifier))
        self._settled()
