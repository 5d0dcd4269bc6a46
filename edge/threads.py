"""A bounded pool of threads, of which each sync consumer has one to itself for as long as it lives.

One thread per consumer keeps transactions and thread-locals safe; different threads for different consumers keep a
sleeping handler from delaying anybody else. Beyond `MAX_THREADS` consumers share, the least busy thread first.

The threads are daemons: a handler that sleeps for a minute does not hold up the end of the process.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

MAX_THREADS = 32  # each is about 50 KiB resident; more sync consumers at once share threads
KEEP_IDLE = 4  # idle threads kept for the next consumer

P = ParamSpec("P")
T = TypeVar("T")


# Work for a thread: it returns what then tells the one who waits for it.
Job = Callable[[], Callable[[], object]]


class StickyThread(Executor):
    """One daemon thread with a queue, as an executor. Work is handed over from the loop only."""

    def __init__(self, name: str) -> None:
        self.leases = 0
        # Two counters with one writer each, the loop and the thread, need no lock.
        self._given = 0
        self._finished = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """How many would have to be waited for: leases, and calls left behind by consumers that are gone."""
        return self.leases + self._given - self._finished

    def post(self, job: Job) -> None:
        """Run a job on the thread, after those before. It raises nothing: there is nobody to raise it to."""
        self._given += 1
        self._jobs.put(job)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on the thread, after those before; its result is in the future, as with every executor."""
        future: Future[T] = Future()

        def job() -> Callable[[], object]:
            if not future.set_running_or_notify_cancel():
                return _nothing
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  (an executor hands every exception to its future)
                return partial(future.set_exception, error)
            return partial(future.set_result, result)

        self.post(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  (Executor's)
        """End the thread after what was handed over; never waits."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            tell = job()
            self._finished += 1  # before anybody hears of it, so that the thread counts as free by then
            tell()
            del job, tell  # an idle thread must not keep the last consumer alive


def _nothing() -> None:
    pass


class ThreadPool:
    """The threads, and who has leased them. Used from the loop only."""

    def __init__(self, limit: int = MAX_THREADS) -> None:
        self.limit = limit
        self._threads: list[StickyThread] = []
        self._made = 0

    def lease(self) -> StickyThread:
        """Return a thread of one's own, or beyond the limit the one with the least to do."""
        thread = min(self._threads, key=lambda candidate: candidate.load, default=None)
        if thread is None or (thread.load and len(self._threads) < self.limit):
            self._made += 1
            thread = StickyThread(f"edge-consumer-{self._made}")
            self._threads.append(thread)
        thread.leases += 1
        return thread

    def release(self, thread: StickyThread) -> None:
        """Give a thread back; a few idle ones are kept, and one that is still busy until nobody needs it."""
        thread.leases -= 1
        idle = [candidate for candidate in self._threads if not candidate.load]
        for surplus in idle[KEEP_IDLE:]:
            self._threads.remove(surplus)
            surplus.shutdown()

    def __len__(self) -> int:
        return len(self._threads)


pool = ThreadPool()
