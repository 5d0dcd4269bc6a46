"""Packets and stations, from the loop to the database in batches.

`PacketLog.add` is called on the loop for each event, and only remembers it. `PacketLog.flush` writes what was
remembered in one transaction, in a thread. SD cards wear out: nothing is written per event, and what was observed may
lose its last seconds when the power goes.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.models import Max

from django_site.dashboard.lines import Line, line, payload
from django_site.stations.models import Packet, Station

log = logging.getLogger(__name__)

HISTORY = "history"
BOUND = 5_000  # events; at the bound the oldest is dropped and counted. At most some 20 MB
MAX_INFO = 2_048  # bytes of a payload that are kept: a whole AX.25 frame; of an MQTT payload the beginning
RADIO = ("aprs.", "ax25.")  # events whose source is a station
PLACED_ELSEWHERE = frozenset({"object", "item"})  # their position is not their sender's
LATEST = ("device", "last_heard", "count", "latitude", "longitude", "symbol", "comment")


@dataclass(frozen=True, slots=True)
class Noted:
    """An event that waits to be written."""

    device: str
    direction: str
    event: Mapping[str, Any]
    when: float  # seconds since the epoch, when it was noted


class PacketLog:
    """Events on their way to the history. ``add`` and the counters are for the loop, ``flush`` is for one thread."""

    def __init__(self, bound: int = BOUND) -> None:
        self.bound = bound
        self.dropped = 0  # events that the database was too slow, or too full, for
        self.problem = ""  # why the last flush failed, in plain words; empty when all is well
        self._waiting: deque[Noted] = deque()
        self._writing: deque[Noted] = deque()  # the batch that a flush has taken
        self._lock = Lock()  # held for moments only, so that the loop never waits for the disk

    def __len__(self) -> int:
        """Count the events that wait."""
        return len(self._waiting)

    def add(self, device: str, direction: str, event: Mapping[str, Any]) -> None:
        """Remember an event that was heard or sent. No I/O; at the bound the oldest is dropped and counted."""
        noted = Noted(device, direction, _bounded(event), time.time())
        with self._lock:
            self._waiting.append(noted)
            self._drop_oldest()

    def unwritten(self, count: int) -> list[Line]:
        """Return the last ``count`` packets that are not in the database yet, oldest first; for any thread."""
        with self._lock:
            newest = [*self._writing, *self._waiting][-count:]
        return [line(each.device, each.direction, each.event, now=each.when) for each in newest]

    def flush(self) -> int:
        """Write what waits, in one transaction, and return how many packets that were. Never raises.

        Where the database cannot take them (locked, full, malformed), they go on waiting, up to the bound.
        """
        with self._lock:
            batch, self._waiting = self._waiting, deque()
            self._writing = batch
        try:
            write(batch)
        except DatabaseError as error:
            self._put_back(batch)
            self._complain(f"history is not written: {error}; {len(self)} packets wait")
            connections[HISTORY].close()  # begin anew the next time
            return 0
        except Exception as error:  # a fence: one strange event must not end the recording of all others
            self.dropped += len(batch)
            self._complain(f"{len(batch)} packets could not be recorded: {type(error).__name__}: {error}")
            log.exception("recording failed")
            return 0
        finally:
            self._writing = deque()
        self.problem = ""
        return len(batch)

    async def run(self, interval: float = 2.0) -> None:
        """Flush every ``interval`` seconds until cancelled, and once more then. One thread, one connection."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="packet-log") as thread:
            try:
                while True:
                    await asyncio.sleep(interval)
                    await loop.run_in_executor(thread, self.flush)
            finally:
                await loop.run_in_executor(thread, self._finish)

    def _finish(self) -> None:
        self.flush()
        connections[HISTORY].close()

    def _put_back(self, batch: deque[Noted]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(batch))
            self._writing = deque()
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._waiting) > self.bound:
            self._waiting.popleft()
            self.dropped += 1

    def _complain(self, problem: str) -> None:
        if not self.problem:
            log.warning("%s", problem)  # once, not every two seconds
        self.problem = problem


def write(batch: Iterable[Noted]) -> None:
    """Write a batch and trim to the bounds, in one transaction."""
    noted = [(each, line(each.device, each.direction, each.event, now=each.when)) for each in batch]
    if not noted:
        return
    with transaction.atomic(using=HISTORY):
        Packet.objects.bulk_create([packet_of(each, words) for each, words in noted])
        _upsert_stations(noted)
        trim()


def packet_of(noted: Noted, words: Line) -> Packet:
    """Make the row of one event."""
    return Packet(
        time=datetime.fromtimestamp(words.time, UTC),
        device=words.device,
        direction=words.direction,
        source=words.source,
        destination=words.destination[:20],
        via=words.via,
        format=words.format[:24],
        summary=words.text,
        info=payload(noted.event)[:MAX_INFO],
    )


def trim() -> None:
    """Keep the newest packets and the stations heard lately. Keys only grow, so their distance counts the rows."""
    newest = Packet.objects.aggregate(newest=Max("pk"))["newest"] or 0
    Packet.objects.filter(pk__lte=newest - settings.KEEP_PACKETS).delete()
    Station.objects.filter(last_heard__lt=datetime.now(UTC) - timedelta(days=settings.KEEP_STATION_DAYS)).delete()
    if (surplus := Station.objects.count() - settings.KEEP_STATIONS) > 0:
        oldest = Station.objects.order_by("last_heard").values("pk")[:surplus]
        Station.objects.filter(pk__in=oldest).delete()


def _upsert_stations(noted: Iterable[tuple[Noted, Line]]) -> None:
    heard = [(each, words) for each, words in noted if _from_a_station(each, words)]
    stations = Station.objects.in_bulk({words.source for _, words in heard}, field_name="callsign")
    for each, words in heard:
        station = stations.setdefault(words.source, Station(callsign=words.source))
        _update(station, each.event, words)
    Station.objects.bulk_create(
        [
            Station(callsign=each.callsign, **{name: getattr(each, name) for name in LATEST})
            for each in stations.values()
        ],
        update_conflicts=True,
        unique_fields=["callsign"],
        update_fields=LATEST,
    )


def _from_a_station(noted: Noted, words: Line) -> bool:
    return noted.direction == "heard" and bool(words.source) and str(noted.event.get("type", "")).startswith(RADIO)


def _update(station: Station, event: Mapping[str, Any], words: Line) -> None:
    station.device = words.device
    station.last_heard = datetime.fromtimestamp(words.time, UTC)
    station.count += 1
    station.comment = words.text
    packet = event.get("packet") or {}
    latitude, longitude = packet.get("latitude"), packet.get("longitude")
    if words.format not in PLACED_ELSEWHERE and isinstance(latitude, float) and isinstance(longitude, float):
        station.latitude, station.longitude = latitude, longitude
        station.symbol = str(packet.get("symbol", ""))[:2]


def _bounded(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is recorded of an event; a radio's is small already, a broker's can be megabytes."""
    if str(event.get("type", "")).startswith(RADIO):
        return event
    topic = str(event.get("topic", ""))[:MAX_INFO]
    return {"type": event.get("type"), "time": event.get("time"), "topic": topic, "payload": payload(event)[:MAX_INFO]}
