"""The pool of threads: one for each, as long as there are enough."""

import gc
import threading
import weakref
from concurrent.futures import CancelledError

import pytest

from edge.threads import KEEP_IDLE, StickyThread, ThreadPool

SOON = 5.0


@pytest.fixture
def pool():
    pool = ThreadPool(limit=3)
    yield pool
    for thread in pool._threads:
        thread.shutdown()


def test_each_consumer_has_a_thread_of_its_own_until_there_are_too_many(pool):
    threads = [pool.lease() for _ in range(3)]
    assert len(set(threads)) == 3
    shared = pool.lease()
    assert shared in threads
    assert len(pool) == 3
    assert pool.lease() is not shared  # the one with the least to do


def test_a_thread_that_was_given_back_is_leased_again(pool):
    first = pool.lease()
    pool.release(first)
    assert pool.lease() is first


def test_a_thread_that_a_gone_consumer_still_blocks_is_leased_to_nobody_while_there_is_another(pool):
    wake = threading.Event()
    blocked = pool.lease()
    left_behind = blocked.submit(wake.wait, SOON)
    pool.release(blocked)
    free = pool.lease()
    assert free is not blocked
    wake.set()
    left_behind.result(SOON)
    assert pool.lease() is blocked


def test_a_few_idle_threads_are_kept_and_the_others_end():
    pool = ThreadPool(limit=KEEP_IDLE + 3)
    threads = [pool.lease() for _ in range(KEEP_IDLE + 3)]
    for thread in threads:
        pool.release(thread)
    assert len(pool) == KEEP_IDLE
    ended = [thread for thread in threads if thread not in pool._threads]
    for thread in ended:
        thread._thread.join(SOON)
        assert not thread._thread.is_alive()
    for thread in pool._threads:
        thread.shutdown()


def test_calls_run_in_order_on_one_daemon_thread():
    thread = StickyThread("edge-test")
    idents = [thread.submit(threading.get_ident) for _ in range(5)]
    assert len({ident.result(SOON) for ident in idents}) == 1
    assert thread._thread.daemon
    thread.shutdown()
    thread._thread.join(SOON)


def test_what_a_call_raises_is_raised_where_its_result_is_asked_for():
    thread = StickyThread("edge-test")
    with pytest.raises(ZeroDivisionError):
        thread.submit(divmod, 1, 0).result(SOON)
    assert thread.load == 0
    thread.shutdown()


def test_a_call_that_was_cancelled_while_it_waited_is_never_made():
    thread, wake, called = StickyThread("edge-test"), threading.Event(), []
    thread.submit(wake.wait, SOON)
    waiting = thread.submit(called.append, 1)
    assert waiting.cancel()
    wake.set()
    with pytest.raises(CancelledError):
        waiting.result(SOON)
    thread.submit(int).result(SOON)
    assert called == []
    assert thread.load == 0
    thread.shutdown()


def test_an_idle_thread_keeps_nothing_of_its_last_call_alive():
    class Consumer:
        def handle(self):
            return None

    thread, consumer = StickyThread("edge-test"), Consumer()
    gone = weakref.ref(consumer)
    thread.submit(consumer.handle).result(SOON)
    del consumer
    thread.submit(int).result(SOON)  # the thread is back at its queue, or on the way there
    thread.shutdown()
    thread._thread.join(SOON)
    gc.collect()
    assert gone() is None
