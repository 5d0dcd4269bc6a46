"""How what waits in the outbox goes out by one device, for as long as its link is up.

Entries of one key go one after the other, each once the one before was confirmed; of different keys `AT_ONCE` at a
time. A publish is confirmed by the broker. An APRS message is confirmed by the peer's acknowledgement, and fails after
the tries of `edge.messaging.RETRY_GAPS`; any other packet is done when the TNC has it. Each transmission passes the
device's gate when it is made: what the gate would never let pass has failed, what is too much now waits.

When the link goes, what was not confirmed stays first of its key, and is sent again by the next.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.asgi import Event
from edge.errors import LinkLost, LocalProtocolError
from edge.messaging import RETRY_GAPS, answers
from edge.outbox import Outbox
from edge.outbox_events import aged, is_message, messages, read
from edge.outbox_queue import Waiting
from edge.outbox_store import Entry, Outcome

logger = logging.getLogger("edge.delivery")

AT_ONCE = 32  # entries on their way by one device, each of a key of its own
PAUSE = 2.0  # seconds before a gate that had enough for now is asked again


class GivenUp(Exception):  # noqa: N818  (an end, not an error of ours)
    """An entry cannot be delivered, for this reason."""


class Over(Exception):  # noqa: N818  (as above)
    """An entry's life ended amid its tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What the runner lends: how to ask its gate, and how to transmit."""

    never: Callable[[Event], str]  # why this may never be transmitted, or nothing
    later: Callable[[Event], str]  # why it may not be now, or nothing
    transmit: Callable[[Event], Awaitable[str]]  # by the gate, the tap and the transport; returns the gate's refusal


class Delivery:
    """The outbox's side of one device. `run` is for one link; what it learns of the peers goes by `hear`."""

    def __init__(
        self, device: str, callsign: str, outbox: Outbox, *, gaps: tuple[float, ...] = RETRY_GAPS, pause: float = PAUSE
    ) -> None:
        self.device = device
        self.callsign = callsign
        self.outbox = outbox
        self.gaps = gaps
        self.pause = pause
        self._answers: dict[tuple[str, str], asyncio.Future[bool]] = {}  # by peer and id; the result: refused

    @property
    def waiting(self) -> Waiting:
        """What waits for this device."""
        return self.outbox.of(self.device)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Look for acknowledgements in what was heard. Costs one look at a dictionary while none is waited for."""
        if not self._answers or event.get("type") != "aprs.receive":
            return
        for peer, number, refused in answers(event["source"], event, self.callsign):
            waiter = self._answers.get((peer, number))
            if waiter is not None and not waiter.done():
                waiter.set_result(refused)

    async def run(self, way: Way) -> None:
        """Send what waits and what comes, until cancelled: the link is gone then."""
        waiting = self.waiting
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await room.acquire()
                while (entry := waiting.begin()) is None:
                    await waiting.wake.wait()
                task = tasks.create_task(self._deliver(entry, way), name=f"edge-outbox-{self.device}-{entry.id}")
                task.add_done_callback(lambda _: room.release())

    async def _deliver(self, entry: Entry, way: Way) -> None:
        try:
            outcome, reason = await self._outcome(entry, way)
            self.outbox.settle(entry, outcome, reason)
        except LinkLost:
            logger.debug("%s: the link went with entry %d of the outbox on its way", self.device, entry.id)
            await asyncio.get_running_loop().create_future()  # until the link's end, which is near, cancels this
        finally:
            self.waiting.end(entry.key)

    async def _outcome(self, entry: Entry, way: Way) -> tuple[Outcome, str]:
        try:
            event = read(entry.body)
            await self._send(entry, event, way)
        except Over:
            return Outcome.EXPIRED, "its time was over before it was confirmed"
        except (GivenUp, LocalProtocolError) as error:
            return Outcome.FAILED, str(error)
        except ValueError as error:
            return Outcome.FAILED, f"it cannot be read: {error}"
        except LinkLost:
            raise
        except Exception as error:  # the fence: one entry that cannot be sent must not keep back all behind it
            logger.exception("%s: entry %d of the outbox", self.device, entry.id)
            return Outcome.FAILED, f"an error in Edge itself: {type(error).__name__}: {error}"
        return Outcome.SENT, ""

    async def _send(self, entry: Entry, event: Event, way: Way) -> None:
        if not is_message(event):
            await self._transmit(entry, aged(dict(event), self.outbox.waited(entry)), way)
            return
        for packet in messages(entry.id, event):
            await self._until_acknowledged(entry, {**event, "packet": packet}, way)

    async def _until_acknowledged(self, entry: Entry, event: Event, way: Way) -> None:
        """Transmit a message until the peer answers, once for each gap."""
        key = entry.key, str(event["packet"]["id"])
        answered = self._answers[key] = asyncio.get_running_loop().create_future()
        try:
            for gap in self.gaps:
                await self._transmit(entry, event, way)
                done, _ = await asyncio.wait([answered], timeout=gap)
                if not done:
                    continue
                if answered.result():
                    raise GivenUp(f"{entry.key} refused it")
                return
            raise GivenUp(f"no acknowledgement of {entry.key} after {len(self.gaps)} tries")
        finally:
            del self._answers[key]

    async def _transmit(self, entry: Entry, event: Event, way: Way) -> None:
        """Transmit once, as soon as the gate has room."""
        began = time.monotonic()
        while True:
            if self.outbox.is_over(entry):
                raise Over
            if refusal := way.never(event):
                raise GivenUp(refusal)
            if not way.later(event) and not await way.transmit(event):
                return
            if time.monotonic() - began < self.pause:
                logger.info("%s: the outbox waits: %s", self.device, way.later(event))
            await asyncio.sleep(self.pause)
