"""The mailbox: bounds, order, and who waits for whom."""

import asyncio
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.mailbox import (
    BURST,
    CATCH_UP,
    LAYER_CAPACITY,
    LAYER_GRACE,
    PATIENCE,
    TRANSPORT_CAPACITY,
    TRANSPORT_GRACE,
    Lane,
    Mailbox,
)

SOON = 5.0  # seconds; no test waits so long unless it fails
LAST = {"type": "x.disconnect"}


def event(number):
    return {"type": "x.receive", "number": number}


def fill(box, lane=Lane.TRANSPORT):
    count = 0
    while box.offer(event(count), lane):
        count += 1
    return count


def take(box):
    """Take the next message, as a reader does whose turn has just begun."""
    box._burst = 0
    return box.take()


def at_once(coroutine):
    """Run a coroutine that waits for nothing, and return what it returns."""
    with pytest.raises(StopIteration) as returned:
        coroutine.send(None)
    return returned.value.value


class Model:
    """What a mailbox should hold, said as plainly as possible."""

    def __init__(self, transport, layer):
        self.capacity = {Lane.TRANSPORT: transport, Lane.LAYER: layer}
        self.waiting = {Lane.TRANSPORT: [], Lane.LAYER: []}
        self.dropped = 0

    def push(self, message, lane):
        if len(self.waiting[lane]) < self.capacity[lane]:
            self.waiting[lane].append(message)
        else:
            self.dropped += 1


lanes = st.sampled_from(Lane)


@given(
    transport=st.integers(1, 5),
    layer=st.integers(1, 5),
    steps=st.lists(st.one_of(lanes, st.just("read")), max_size=60),
)
def test_each_lane_is_first_in_first_out_never_above_its_capacity_and_every_drop_is_counted(transport, layer, steps):
    box, model = Mailbox(transport_capacity=transport, layer_capacity=layer), Model(transport, layer)
    for number, step in enumerate(steps):
        if step == "read":
            found = take(box)
            if found is None:
                assert not any(model.waiting.values())
                continue
            lane, message = found
            assert model.waiting[lane].pop(0) == message
        else:
            box.push(event(number), step)
            model.push(event(number), step)
        assert len(box) == sum(map(len, model.waiting.values())) <= transport + layer
        assert box.dropped == model.dropped


@given(counts=st.tuples(st.integers(0, 20), st.integers(0, LAYER_CAPACITY // 2)))
def test_where_both_lanes_have_messages_they_take_turns(counts):
    box = Mailbox()
    for lane, count in zip(Lane, counts, strict=True):
        for number in range(count):
            box.offer(event(number), lane)
    read = [take(box)[0] for _ in range(sum(counts))]
    both = min(counts) * 2
    assert all(first is not second for first, second in zip(read[:both], read[1:both], strict=False))


def test_a_layer_lane_more_than_half_full_catches_up_and_the_transport_still_has_its_turn():
    box = Mailbox(transport_capacity=10, layer_capacity=10)
    fill(box)
    fill(box, Lane.LAYER)
    assert "".join(take(box)[0].value[0] for _ in range(20)) == "lllll" + "tl" * 5 + "ttttt"
    flooded = Mailbox(layer_capacity=10)
    flooded.offer(event("heard"))
    for _ in range(CATCH_UP):
        fill(flooded, Lane.LAYER)
        assert take(flooded)[0] is Lane.LAYER
    assert take(flooded)[0] is Lane.TRANSPORT


@settings(deadline=None)  # it makes an event loop for each example
@given(writers=st.lists(st.tuples(lanes, st.integers(1, 40)), min_size=1, max_size=8), capacity=st.integers(1, 6))
def test_nothing_is_lost_however_many_write_while_the_reader_keeps_up(writers, capacity):
    async def story():
        box = Mailbox(transport_capacity=capacity, layer_capacity=capacity, transport_grace=SOON, layer_grace=SOON)

        async def write(writer, lane, count):
            for number in range(count):
                assert await box.put({"writer": writer, "number": number}, lane)

        async def read(total):
            return [(await box.next())[1] for _ in range(total)]

        async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
            reading = group.create_task(read(sum(count for _, count in writers)))
            for writer, (lane, count) in enumerate(writers):
                group.create_task(write(writer, lane, count))
        for writer, (_, count) in enumerate(writers):
            assert [m["number"] for m in reading.result() if m["writer"] == writer] == list(range(count))
        assert (box.dropped, box.stuck, len(box)) == (0, False, 0)

    asyncio.run(story())


async def test_reading_one_lane_makes_no_room_in_the_other():
    box = Mailbox(layer_capacity=4)
    fill(box, Lane.LAYER)
    writing = asyncio.create_task(box.put(event("late"), Lane.LAYER))
    await asyncio.sleep(0)
    for _ in range(3):
        box.offer(event("heard"))
        assert await asyncio.wait_for(box.receive(), SOON) == event("heard")
        await asyncio.sleep(0)
    assert not writing.done()
    assert (await box.next())[0] is Lane.LAYER
    assert await asyncio.wait_for(writing, SOON)
    assert box.dropped == 0


async def test_a_writer_waits_for_a_quarter_of_a_full_lane():
    box = Mailbox(transport_capacity=8)
    fill(box)
    writing = asyncio.create_task(box.put(event("late")))
    await asyncio.sleep(0)
    await box.next()
    await asyncio.sleep(0)
    assert not writing.done()
    await box.next()
    assert await asyncio.wait_for(writing, SOON)


async def test_a_reader_that_reads_nothing_is_stuck_and_costs_its_writer_one_wait():
    box = Mailbox(transport_capacity=4, transport_grace=0.02)
    fill(box)
    async with asyncio.timeout(SOON):
        assert not await box.put(event("first"))
    assert box.stuck
    assert box.dropped == 1
    refused = box.put(event("second"))
    assert at_once(refused) is False
    assert box.dropped == 2


async def test_a_stuck_reader_is_one_again_that_is_waited_for_once_it_has_read_half():
    box = Mailbox(transport_capacity=4, transport_grace=0.02)
    fill(box)
    await box.put(event("dropped"))
    await box.next()
    assert box.stuck
    await box.next()
    assert not box.stuck
    assert box.waits()


async def test_a_reader_that_is_stuck_in_one_lane_is_waited_for_in_the_other():
    box = Mailbox(transport_capacity=2, layer_capacity=2, layer_grace=0.02)
    fill(box, Lane.LAYER)
    await box.put(event("dropped"), Lane.LAYER)
    assert box.stuck
    assert await box.room(Lane.TRANSPORT)
    assert box.waits(Lane.TRANSPORT)
    assert not await box.room(Lane.LAYER)
    assert not box.waits(Lane.LAYER)


async def test_a_reader_that_reads_on_but_far_too_slowly_is_stuck_in_the_end():
    box = Mailbox(transport_capacity=40, transport_grace=0.05)
    fill(box)

    async def read_slowly():
        while True:
            await box.next()
            await asyncio.sleep(0.03)

    reading = asyncio.create_task(read_slowly())
    await asyncio.wait_for(box.room(), SOON)
    reading.cancel()
    assert box.stuck
    assert len(box) > 30


async def test_a_loop_that_was_held_up_makes_no_reader_stuck():
    box = Mailbox(transport_capacity=4, transport_grace=0.01)
    fill(box)
    writing = asyncio.create_task(box.put(event("late")))
    await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251  (as a garbage collection or a slow disk would)
    reading = asyncio.create_task(box.next())
    assert await asyncio.wait_for(writing, SOON)
    await reading
    assert not box.stuck


def test_the_transport_waits_longer_than_a_consumer_may_wait_for_the_layer():
    assert TRANSPORT_GRACE > PATIENCE * LAYER_GRACE


async def test_room_does_not_wait_where_the_reader_has_caught_up_already():
    box = Mailbox(transport_capacity=4)
    fill(box)
    await box.next()
    await box.next()
    assert at_once(box.room()) is True
    assert not box.stuck


async def test_a_writer_with_all_the_time_in_the_world_never_makes_a_reader_stuck():
    box = Mailbox(transport_capacity=2, transport_grace=0.01)
    fill(box)
    waiting = asyncio.create_task(box.room(patient=True))
    await asyncio.wait((waiting,), timeout=0.05)
    assert not waiting.done()
    assert not box.stuck
    await box.next()
    assert await asyncio.wait_for(waiting, SOON)


async def test_a_writer_that_is_cancelled_leaves_the_reader_unsuspected():
    box = Mailbox(transport_capacity=2)
    fill(box)
    waiting = asyncio.create_task(box.put(event("never")))
    await asyncio.sleep(0)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert not box.stuck
    assert box.dropped == 0


async def test_the_last_event_comes_after_what_was_heard_and_over_and_over():
    box = Mailbox()
    fill(box)
    box.close(LAST)
    heard = [(await box.next())[1] for _ in range(TRANSPORT_CAPACITY)]
    assert heard == [event(number) for number in range(TRANSPORT_CAPACITY)]
    assert [await box.receive() for _ in range(2)] == [LAST, LAST]
    assert box.dropped == 0


async def test_the_last_event_overtakes_what_its_reader_has_no_time_for():
    box = Mailbox()
    box.offer(event(1))
    box.offer(event(2), Lane.LAYER)
    box.close(LAST, drain=0)
    assert await box.next() == (Lane.TRANSPORT, LAST)
    assert (box.dropped, len(box)) == (2, 0)


async def test_the_last_event_overtakes_once_the_time_for_draining_is_over():
    box = Mailbox()
    box.offer(event(1))
    box.close(LAST, drain=0.01)
    hurried = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, hurried.set)
    await asyncio.wait_for(hurried.wait(), SOON)
    assert await box.receive() == LAST
    assert box.dropped == 1


async def test_messages_of_the_layer_are_dropped_and_counted_when_the_last_event_is_in():
    box = Mailbox()
    box.offer(event(1), Lane.LAYER)
    box.close(LAST)
    assert await box.next() == (Lane.TRANSPORT, LAST)
    assert box.dropped == 1


async def test_a_closed_mailbox_takes_nothing_and_keeps_no_writer_waiting():
    box = Mailbox(transport_capacity=2)
    fill(box)
    waiting = asyncio.create_task(box.put(event("late")))
    await asyncio.sleep(0)
    box.close(LAST)
    assert not await asyncio.wait_for(waiting, SOON)
    assert not box.push(event("later"))
    assert not await box.put(event("latest"))
    assert box.dropped == 3
    assert box.closed


async def test_only_the_first_last_event_counts():
    box = Mailbox()
    box.close(LAST)
    box.close({"type": "other"})
    assert await box.receive() == LAST


async def test_a_waiting_reader_is_woken_by_either_lane_and_by_the_end():
    box = Mailbox()
    for wake in (
        lambda: box.offer(event(1)),
        lambda: box.offer(event(1), Lane.LAYER),
        lambda: box.close(LAST),
    ):
        reading = asyncio.create_task(box.next())
        await asyncio.sleep(0)
        assert not reading.done()
        wake()
        await asyncio.wait_for(reading, SOON)


async def test_a_second_reader_is_told_that_there_is_one():
    box = Mailbox()
    reading = asyncio.create_task(box.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one reader"):
        await box.receive()
    box.offer(event(1))
    assert await asyncio.wait_for(reading, SOON) == event(1)


async def test_a_reader_that_was_cancelled_has_taken_nothing():
    box = Mailbox()
    reading = asyncio.create_task(box.receive())
    await asyncio.sleep(0)
    box.offer(event(1))
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    assert await asyncio.wait_for(box.receive(), SOON) == event(1)


@pytest.mark.parametrize("read", [Mailbox.receive, Mailbox.next])
async def test_a_long_burst_lets_the_other_tasks_have_a_turn(read):
    box = Mailbox()
    fill(box)
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(BURST * 4):
        await read(box)
    task.cancel()
    assert turns >= 3


async def test_a_reader_cancelled_in_the_pause_after_a_burst_loses_nothing():
    box = Mailbox()
    fill(box)
    for _ in range(BURST):
        await box.receive()
    reading = asyncio.create_task(box.receive())
    await asyncio.sleep(0)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    assert await box.receive() == event(BURST)


async def test_a_new_reader_begins_with_its_own_first_event_and_goes_on_where_the_old_one_was():
    box = Mailbox(layer_capacity=3)
    box.offer(event(1))
    fill(box, Lane.LAYER)
    box.begin_again({"type": "x.connect"})
    assert [await box.next() for _ in range(2)] == [
        (Lane.TRANSPORT, {"type": "x.connect"}),
        (Lane.TRANSPORT, event(1)),
    ]
    assert box.dropped == 3  # said to the old one's channel


async def test_a_new_reader_of_a_closed_mailbox_is_connected_before_it_is_disconnected():
    box = Mailbox()
    box.offer(event(1))
    box.close(LAST, drain=0)
    box.begin_again({"type": "x.connect"})
    assert [await box.receive() for _ in range(2)] == [{"type": "x.connect"}, LAST]
    assert box.dropped == 1


def test_it_is_known_by_its_receive_and_by_nothing_else():
    box = Mailbox()

    class Other:
        async def receive(self):
            return {}

    assert Mailbox.behind(box.receive) is box
    assert Mailbox.behind(Other().receive) is None
    assert Mailbox.behind(lambda: box.receive()) is None
    assert Mailbox.behind(box.next) is None


def test_a_lane_without_any_room_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Mailbox(layer_capacity=0)
