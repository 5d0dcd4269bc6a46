"""A handler in a thread and its sends: in order, at once, bounded; errors where they belong."""

import asyncio
import contextvars
import threading

import pytest
from asgiref.sync import async_to_sync

from edge.consumers import WebsocketConsumer, crossing
from edge.consumers.crossing import Crossing
from edge.errors import LinkLost
from edge.threads import StickyThread

SOON = 5.0


@pytest.fixture
def run():
    """Run a handler in a thread and carry what it sends: ``await run(handler, transmit)``."""
    thread = StickyThread("edge-test")
    context = contextvars.copy_context()

    async def start(handle, transmit):
        work = Crossing(asyncio.get_running_loop(), context, handle)
        thread.post(work)
        async with asyncio.timeout(SOON):
            await work.carry(transmit)

    yield start
    thread.shutdown()
    thread._thread.join(SOON)


def text(number):
    return {"type": "x.send", "text": str(number)}


async def test_what_a_handler_sends_is_all_taken_in_order_when_it_counts_as_finished(run):
    taken = []

    async def transmit(event):
        await asyncio.sleep(0)
        taken.append(event)

    await run(lambda out: [out.send(text(number)) for number in range(500)], transmit)
    assert taken == [text(number) for number in range(500)]


async def test_a_send_is_out_while_its_handler_still_runs(run):
    taken = threading.Event()

    async def transmit(event):
        taken.set()

    def handle(out):
        out.send(text(1))
        assert taken.wait(SOON), "it was held back until the handler's end"

    await run(handle, transmit)


@pytest.mark.parametrize(("size", "most"), [(1, crossing.LANE), (crossing.LANE_BYTES // 4, 4)])
async def test_a_client_that_does_not_read_stops_the_handler_when_the_lane_is_full(run, size, most):
    sent, reads = [], asyncio.Event()
    full = threading.Event()

    async def transmit(event):
        await reads.wait()

    def handle(out):
        for _ in range(most * 2):
            sent.append(1)
            if len(sent) == most:
                full.set()
            out.send({"type": "x.send", "text": "x" * size})

    running = asyncio.ensure_future(run(handle, transmit))
    assert await asyncio.to_thread(full.wait, SOON)
    await asyncio.sleep(0)
    assert len(sent) <= most + 1
    reads.set()
    await running
    assert len(sent) == most * 2


async def test_a_peer_that_has_gone_is_a_lost_link_out_of_the_next_send(run):
    failed, errors = threading.Event(), []

    async def transmit(event):
        failed.set()
        raise LinkLost("gone")

    def handle(out):
        out.send(text(1))
        assert failed.wait(SOON)
        while not errors:  # the failure is seen at the latest when the lane is full
            try:
                out.send(text(2))
            except LinkLost as error:
                errors.append(str(error))

    await run(handle, transmit)
    assert errors == ["gone"]


async def test_a_peer_that_has_gone_ends_the_connection_where_nothing_else_is_sent(run):
    async def transmit(event):
        raise LinkLost("gone")

    with pytest.raises(LinkLost, match="gone"):
        await run(lambda out: out.send(text(1)), transmit)


async def test_a_send_that_waits_raises_its_own_failure_and_the_handler_may_go_on(run):
    taken, errors = [], []

    async def transmit(event):
        taken.append(event["text"])
        if event["text"] == "2":
            raise ValueError("refused")

    def handle(out):
        for number in range(4):
            try:
                out.send(text(number), wait=True)
            except ValueError as error:
                errors.append((number, str(error)))

    await run(handle, transmit)
    assert (taken, errors) == (["0", "1", "2", "3"], [(2, "refused")])


async def test_what_the_handler_raises_comes_after_its_sends(run):
    taken = []

    async def transmit(event):
        taken.append(event)

    def handle(out):
        out.send(text(1))
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        await run(handle, transmit)
    assert taken == [text(1)]


async def test_code_that_is_async_runs_on_our_loop_and_after_the_sends_before_it(serve):
    found = []

    class Consumer(WebsocketConsumer):
        def receive(self, text):
            self.send(text="first")
            async_to_sync(self.ask)()

        async def ask(self):
            found.append((asyncio.get_running_loop(), [event.get("text") for event in line.sent[1:]]))

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="")
    await line.answer()
    await line.hang_up()
    assert found == [(asyncio.get_running_loop(), ["first"])]


async def test_a_context_variable_of_one_handler_is_there_in_the_next(serve):
    name = contextvars.ContextVar("name")

    class Consumer(WebsocketConsumer):
        def connect(self):
            name.set("Ann")
            self.accept()

        def receive(self, text):
            self.send(text=name.get("nobody"))

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="")
    assert await line.text() == "Ann"
    assert name.get("nobody") == "nobody"
    await line.hang_up()


async def test_another_thread_may_send_too(serve):
    class Consumer(WebsocketConsumer):
        def receive(self, text):
            other = threading.Thread(target=self.send, kwargs={"text": text})
            other.start()
            other.join(SOON)

    line = serve(Consumer.as_asgi())
    await line.answer()
    line.say("receive", text="from elsewhere")
    assert await line.text() == "from elsewhere"
    await line.hang_up()


async def test_four_plain_consumers_that_block_do_so_together(serve):
    """All four are in their handlers at once, or the barrier breaks."""
    together = threading.Barrier(4)

    class Consumer(WebsocketConsumer):
        def receive(self, text):
            together.wait(SOON)
            self.send(text="met")

    lines = [serve(Consumer.as_asgi()) for _ in range(4)]
    for line in lines:
        await line.answer()
        line.say("receive", text="")
    assert [await line.text() for line in lines] == ["met"] * 4
