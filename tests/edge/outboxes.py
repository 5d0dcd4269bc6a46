"""A store in memory that can be full, slow and killed: what was not committed is gone. And a clock that can be set."""

import asyncio
import threading

from edge.outbox_store import Entry, Outcome, StoreError


class Rows:
    """A store. ``commits`` counts; ``problem`` makes each write fail; ``gate`` holds the writing thread up."""

    def __init__(self):
        self.rows = {}
        self.commits = []
        self.problem = ""
        self.gate = threading.Event()
        self.gate.set()
        self.last = 0

    def open(self):
        if self.problem:
            raise StoreError(self.problem)
        return self.last, self.waiting()

    def write(self, batch):
        assert self.gate.wait(10)
        if self.problem:
            raise StoreError(self.problem)
        for row in self.rows.values():
            if row["state"] is Outcome.WAITING:
                row["put_at"] += batch.shift
                row["expires_at"] += batch.shift
        for entry in batch.moved:
            self.rows[entry.id].update(put_at=entry.put_at, expires_at=entry.expires_at)
        for entry in batch.puts:
            self.rows[entry.id] = {
                "device": entry.device,
                "key": entry.key,
                "body": entry.body,
                "put_at": entry.put_at,
                "expires_at": entry.expires_at,
                "state": Outcome.WAITING,
                "reason": "",
            }
            self.last = max(self.last, entry.id)
        for mark in batch.marks:
            if mark.id in self.rows:
                self.rows[mark.id].update(state=mark.outcome, reason=mark.reason)
        self.commits.append((len(batch.puts), len(batch.marks)))

    def waiting(self):
        fields = ("device", "key", "body", "put_at", "expires_at")
        return [
            Entry(id=number, **{name: row[name] for name in fields})
            for number, row in sorted(self.rows.items())
            if row["state"] is Outcome.WAITING
        ]

    def close(self):
        pass

    def states(self):
        return [row["state"].value for _, row in sorted(self.rows.items())]

    def reasons(self):
        return [row["reason"] for _, row in sorted(self.rows.items()) if row["reason"]]


class Clock:
    """Two clocks: one that only goes on, one that a person or NTP sets."""

    def __init__(self, wall=1_000_000.0):
        self.now = 100.0
        self.wall = wall

    def pass_(self, seconds):
        self.now += seconds
        self.wall += seconds

    def options(self):
        return {"clock": lambda: self.now, "wall": lambda: self.wall}


async def until(true, limit=5.0):
    async with asyncio.timeout(limit):
        while not true():
            await asyncio.sleep(0.002)


def publish(topic="t", payload="x", **more):
    return {"type": "mqtt.send", "topic": topic, "payload": payload, **more}


def message(peer="QQ1ABC", text="hello", **more):
    return {"type": "aprs.send", "packet": {"format": "message", "addressee": peer, "text": text}, **more}
