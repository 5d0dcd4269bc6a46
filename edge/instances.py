"""One instance of an app per captured value of a topic route: an ASGI app between the leg and them.

``topic("sensors/+room/temperature", Climate.as_asgi(), one_per=["room"])`` runs a ``Climate`` for each room that is
heard of: each with its own task, mailbox and errors (`edge.fanout.Run`), and with what was caught in
``scope["topic_route"]``.

**Policy.** The first message of a value begins its instance. One that heard nothing for ``idle`` seconds is told
goodbye (1001), and so is the one that was silent longest where there are ``most`` of them; its value's next message
begins another. One that closes itself or ends is gone with that; one that raises is started again, as any other.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from edge.asgi import App, Event, Receive, Scope, Send
from edge.fanout import GOODBYE, Leg, Run
from edge.receipts import copy_of
from edge.spec import CloseCode
from edge.status import Faults

MAX_INSTANCES = 1_000  # of one route; each has a task and a mailbox
LOOKS = 4  # times in each idle time that it is looked for instances which were silent for so long

Key = tuple[str, ...]


class Instances:
    """The app of the leg. ``names`` are those of the filter's wildcards whose values have an instance each."""

    def __init__(  # noqa: PLR0913  (what it wraps, and the policy by keyword)
        self,
        app: App,
        names: Sequence[str],
        *,
        most: int,
        idle: float,
        consumer: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self.names = tuple(names)
        self.most = most
        self.idle = idle
        self.consumer = consumer
        self.clock = clock
        self.faults = Faults()
        self.running = 0  # those that are ending, too

    def status_text(self) -> str:
        """Say how many there are, for people."""
        return f"running; {self.running} of {self.most} instances"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, to its end."""
        crowd = _Crowd(self, scope, send)
        sweeper = asyncio.create_task(crowd.sweep_forever(), name="edge-instances-sweep")
        ending: Event = {"code": int(CloseCode.RESTART), "reason": "the box is stopping"}
        try:
            while True:
                event = await receive()
                if event["type"].endswith(".disconnect"):
                    ending = event
                    return
                if event["type"].endswith(".receive"):
                    await crowd.receive(event)
        finally:
            sweeper.cancel()
            await crowd.end(ending["code"], ending.get("reason", ""))


class _Crowd:
    """The instances of one connection."""

    def __init__(self, owner: Instances, scope: Scope, send: Send) -> None:
        self._owner = owner
        self._scope = scope
        self._send = send
        self._runs: dict[Key, Run] = {}
        self._heard: dict[Key, float] = {}  # the one that was silent longest first
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, event: Event) -> None:
        caught = event.get("topic_route", {}).get("kwargs", {})
        key = tuple(caught.get(name, "") for name in self._owner.names)
        run = self._runs.get(key)
        if run is None or run.mailbox.closed:
            run = self._begin(key)
        self._heard.pop(key, None)
        self._heard[key] = self._owner.clock()
        await run.mailbox.put(copy_of(event))

    async def sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._owner.idle / LOOKS)
            now = self._owner.clock()
            for key in [key for key, heard in self._heard.items() if now - heard >= self._owner.idle]:
                self._close(key, "silent for too long")

    async def end(self, code: int, reason: str) -> None:
        """Tell each instance goodbye, and wait for them to end, `GOODBYE` seconds at most."""
        for run in self._runs.values():
            run.close(code, reason, link_stays=False)
        tasks = list(self._tasks)
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=GOODBYE)
        finally:
            for task in tasks:
                task.cancel()

    def _begin(self, key: Key) -> Run:
        if key not in self._runs and len(self._runs) >= self._owner.most:
            self._close(next(iter(self._heard)), "too many instances at once")
        route = {"args": [], "kwargs": dict(zip(self._owner.names, key, strict=True))}
        leg = Leg(key=key, app=self._owner.app, consumer=self._owner.consumer, scope=(("topic_route", route),))
        run = self._runs[key] = Run(leg, self._scope, self._send, self._owner.faults)
        self._tasks.add(run.task)
        self._owner.running += 1
        run.task.add_done_callback(lambda task: self._gone(key, run, task))
        return run

    def _close(self, key: Key, reason: str) -> None:
        self._heard.pop(key, None)
        self._runs.pop(key).close(CloseCode.GOING_AWAY, reason)

    def _gone(self, key: Key, run: Run, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._owner.running -= 1
        if self._runs.get(key) is run:
            del self._runs[key]
            self._heard.pop(key, None)
