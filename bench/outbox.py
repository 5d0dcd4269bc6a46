"""Publishes that are on disk before they return: group commit beside one commit for each, 50 producers, the same disk.

Both are the outbox with the table of the site, WAL and synchronous FULL; the one writes what it has, the other one
entry at a time. The disk's own pace, one small write and an fsync, stands beside them.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from bench.measure import ROOT, Effort, Series, Table, number, percentile, times

PRODUCERS = 50
FULL, QUICK = 5, 2  # seconds of each way, a round
PAYLOAD = '{"temperature": 21.5, "humidity": 60, "battery": 3.61, "station": "QQ1ABC-13"}'
GROUPED, SINGLE, DISK = "outbox, group commit", "one commit per message", "write + fsync of 4 KiB, one after the other"


def run(effort: Effort) -> list[Table]:
    """Measure in a folder beside the sources, for /tmp may be in memory."""
    found = Series()
    with tempfile.TemporaryDirectory(prefix=".bench-outbox-", dir=ROOT) as folder:
        os.environ["EDGE_DATA"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")
        _make_tables()
        for _ in range(effort.rounds):
            seconds = effort.of(FULL, QUICK)
            found.add(DISK, rate=_disk(Path(folder), seconds))
            for name, single in ((GROUPED, False), (SINGLE, True)):
                rate, waits = asyncio.run(_produce(seconds, single=single))
                found.add(name, rate=rate, p50=percentile(waits, 0.5) * 1e3, p99=percentile(waits, 0.99) * 1e3)
    ratio = found.paired(GROUPED, SINGLE, "rate")
    rows = [
        (
            name,
            number(found.median(name, "rate")),
            number(found.median(name, "p50"), 1),
            number(found.median(name, "p99"), 1),
            times(ratio) if name == GROUPED else times(1.0) if name == SINGLE else times(None),
        )
        for name in (GROUPED, SINGLE, DISK)
    ]
    title = f"Outbox: publishes that are on disk before they return, {PRODUCERS} producers"
    return [Table(title=title, columns=("way", "a second", "p50 ms", "p99 ms", "beside"), rows=tuple(rows))]


def _make_tables() -> None:
    import django

    django.setup()
    from django_site.tables import bring_tables_up_to_date

    bring_tables_up_to_date()


async def _produce(seconds: float, *, single: bool) -> tuple[float, list[float]]:
    from django_site.outbox.store import TableStore
    from edge import outbox

    bounds = outbox.Bounds(device_entries=10**7, device_bytes=10**10, entries=10**7, bytes=10**10)
    outbox_ = outbox.Outbox(TableStore(), bounds)
    largest, outbox.LARGEST_BATCH = outbox.LARGEST_BATCH, 1 if single else outbox.LARGEST_BATCH
    waits: list[float] = []
    await outbox_.open()
    began = time.perf_counter()

    async def produce(who: int) -> None:
        event = {"type": "mqtt.send", "topic": f"bench/{who}", "payload": PAYLOAD}
        while (at := time.perf_counter()) - began < seconds:
            await outbox_.put("bench", event)
            waits.append(time.perf_counter() - at)

    try:
        await asyncio.gather(*map(produce, range(PRODUCERS)))
        taken = time.perf_counter() - began
    finally:
        await outbox_.close()
        outbox.LARGEST_BATCH = largest
        await asyncio.to_thread(_empty)
    return len(waits) / taken, waits


def _empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM outbox_entry")
    connection.close()


def _disk(folder: Path, seconds: float) -> float:
    descriptor, count = os.open(folder / "disk", os.O_WRONLY | os.O_CREAT), 0
    began = time.perf_counter()
    try:
        while time.perf_counter() - began < seconds:
            os.pwrite(descriptor, os.urandom(4096), 4096 * (count % 256))
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
    return count / (time.perf_counter() - began)
