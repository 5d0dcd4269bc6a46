import asyncio
import logging

import pytest
from asgiref.sync import async_to_sync

from edge import outbox as module
from edge.outbox import Bounds, Outbox, OutboxRefused
from edge.outbox_events import read
from edge.outbox_store import Outcome, StoreError
from tests.edge.outboxes import Clock, Rows, publish, until


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def make(rows, clock):
    made = []

    async def make(**bounds):
        outbox = Outbox(rows, Bounds(**bounds), **clock.options())
        await outbox.open()
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        rows.gate.set()
        await outbox.close()


def sent(outbox, device="broker"):
    """Send what may be sent now, as a delivery does, and return the payloads."""
    found = []
    while entry := outbox.of(device).begin():
        found.append(read(entry.body)["payload"])
        outbox.settle(entry, Outcome.SENT)
        outbox.of(device).end(entry.key)
    return found


async def test_what_was_put_is_on_disk_and_goes_out_in_order_of_its_topic(make, rows):
    outbox = await make()
    for number in range(3):
        await outbox.put("broker", publish("a", f"a{number}"))
        await outbox.put("broker", publish("b", f"b{number}"))
    assert rows.states() == ["waiting"] * 6
    assert outbox.counts() == {"broker": {"waiting": 6, "sent": 0, "failed": 0, "expired": 0}}
    went = sent(outbox)
    assert [each for each in went if each[0] == "a"] == ["a0", "a1", "a2"]
    assert [each for each in went if each[0] == "b"] == ["b0", "b1", "b2"]
    await until(lambda: rows.states() == ["sent"] * 6)
    assert outbox.counts()["broker"] == {"waiting": 0, "sent": 6, "failed": 0, "expired": 0}


async def test_of_one_topic_one_is_on_its_way_at_a_time(make):
    outbox = await make()
    await outbox.put("broker", publish("a", "1"))
    await outbox.put("broker", publish("a", "2"))
    waiting = outbox.of("broker")
    first = waiting.begin()
    assert read(first.body)["payload"] == "1"
    assert waiting.begin() is None
    waiting.end("a")  # not confirmed: the link went
    assert waiting.begin() is first


async def test_all_that_is_put_while_one_commit_runs_shares_the_next(make, rows):
    outbox = await make()
    rows.gate.clear()
    first = asyncio.create_task(outbox.put("broker", publish("t", "first")))
    await asyncio.sleep(0)
    await until(lambda: not outbox._batch.puts)  # the thread has it
    others = [asyncio.create_task(outbox.put("broker", publish("t", f"{number}"))) for number in range(49)]
    await until(lambda: len(outbox._batch.puts) == 49)
    assert not any(task.done() for task in (first, *others))
    rows.gate.set()
    await asyncio.gather(first, *others)
    assert [puts for puts, _ in rows.commits] == [1, 49]
    assert sent(outbox) == ["first", *map(str, range(49))]


async def test_a_put_that_could_not_be_written_is_refused_and_nothing_before_it_is_lost(make, rows):
    outbox = await make()
    await outbox.put("broker", publish("t", "kept"))
    rows.problem = "the disk is full"
    with pytest.raises(OutboxRefused, match="it could not be kept: the disk is full"):
        await outbox.put("broker", publish("t", "lost"))
    assert "the disk is full" in outbox.problem
    assert outbox.counts()["broker"]["waiting"] == 1
    assert sent(outbox) == ["kept"]
    rows.problem = ""
    await outbox.put("broker", publish("t", "again"))
    assert outbox.problem == ""
    assert sent(outbox) == ["again"]
    await until(lambda: rows.states() == ["sent", "sent"])  # the mark that could not be written was written later


async def test_after_a_crash_what_was_not_marked_is_sent_again_and_what_came_later_behind_it(make, rows):
    before = await make()
    for number in range(3):
        await before.put("broker", publish("t", f"{number}"))
    entry = before.of("broker").begin()
    before.settle(entry, Outcome.SENT)
    rows.gate.clear()  # killed here: the mark is never written
    after = Outbox(copy := Rows())
    copy.rows, copy.last = rows.rows, rows.last
    await after.open()
    await after.put("broker", publish("t", "new"))
    assert sent(after) == ["0", "1", "2", "new"]
    await after.close()
    assert copy.states() == ["sent"] * 4


async def test_numbers_are_never_used_twice(make, rows):
    outbox = await make()
    first = await outbox.put("broker", publish())
    sent(outbox)
    await until(lambda: rows.states() == ["sent"])
    rows.rows.clear()  # a person deleted it
    again = await make()
    assert await again.put("broker", publish()) == first + 1


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"device_entries": 2}, "2 entries wait for broker; the limit is 2"),
        ({"device_bytes": 400}, "bytes wait for broker"),
        ({"entries": 2}, "2 entries wait in all; the limit is 2"),
        ({"bytes": 400}, "bytes wait in all"),
    ],
)
async def test_at_a_bound_a_put_is_refused_with_the_bound(make, bounds, words):
    outbox = await make(**bounds)
    for _ in range(2):
        await outbox.put("broker", publish("t", "x" * 10))
    with pytest.raises(OutboxRefused, match=f"the outbox is full: .*{words}"):
        await outbox.put("broker", publish("t", "x" * 200))
    sent(outbox)
    await outbox.put("broker", publish("t", "x"))


async def test_where_the_site_says_so_the_oldest_makes_room_and_has_failed(make, rows):
    outbox = await make(device_entries=2, drop_oldest=True)
    for number in range(3):
        await outbox.put("broker", publish("t", f"{number}"))
    assert sent(outbox) == ["1", "2"]
    await until(lambda: rows.states() == ["failed", "sent", "sent"])
    assert "make room" in rows.reasons()[0]


async def test_what_is_on_its_way_never_makes_room(make):
    outbox = await make(device_entries=1, drop_oldest=True)
    await outbox.put("broker", publish("t", "0"))
    assert outbox.of("broker").begin() is not None
    with pytest.raises(OutboxRefused, match="full"):
        await outbox.put("broker", publish("t", "1"))


async def test_what_is_not_sent_in_its_time_expires_and_says_so(make, rows, clock):
    outbox = await make()
    await outbox.put("broker", publish("t", "short", expires=60))
    await outbox.put("broker", publish("t", "long"))
    clock.pass_(61)
    outbox.look_at_the_clock()
    assert sent(outbox) == ["long"]
    await until(lambda: rows.states() == ["expired", "sent"])
    assert rows.reasons() == ["not sent within 60 s"]


@pytest.mark.parametrize("jump", [50 * 365 * 86_400.0, -3 * 365 * 86_400.0])
async def test_a_clock_that_is_set_expires_nothing_not_even_after_a_restart(make, rows, clock, jump, caplog):
    outbox = await make()
    await outbox.put("broker", publish("t", "before", expires=100))
    clock.pass_(40)
    clock.wall += jump
    outbox.look_at_the_clock()
    assert "the clock was set" in caplog.text
    await until(lambda: len(rows.commits) == 2)
    again = await make()
    clock.pass_(59)
    again.look_at_the_clock()
    assert again.counts()["broker"]["waiting"] == 1
    clock.pass_(2)
    again.look_at_the_clock()
    assert again.counts()["broker"]["expired"] == 1


async def test_a_box_that_starts_with_an_older_clock_lets_what_waits_live_anew_once(make, rows, clock, caplog):
    outbox = await make()
    await outbox.put("broker", publish("t", "x", expires=100))
    clock.pass_(90)
    clock.wall = 0.0  # no battery
    again = await make()
    assert "live anew" in caplog.text
    clock.pass_(5)
    clock.wall += 1_700_000_000.0
    again.look_at_the_clock()
    await until(lambda: next(iter(rows.rows.values()))["put_at"] == pytest.approx(1_700_000_000.0))
    third = await make()
    clock.pass_(94)
    third.look_at_the_clock()
    assert third.counts()["broker"]["waiting"] == 1
    clock.pass_(2)
    third.look_at_the_clock()
    assert third.counts()["broker"]["expired"] == 1


async def test_time_that_the_box_was_off_counts(make, clock):
    outbox = await make()
    await outbox.put("broker", publish("t", "x", expires=100))
    clock.wall += 101  # the monotonic clock of a box that is off stands still
    again = await make()
    again.look_at_the_clock()
    assert again.counts()["broker"]["expired"] == 1


async def test_what_a_person_deletes_is_not_sent_and_what_a_person_wants_again_is(make, rows):
    outbox = await make()
    for number in range(2):
        await outbox.put("broker", publish(f"t{number}", f"{number}"))
    entry = outbox.of("broker").begin()
    outbox.settle(entry, Outcome.FAILED, "refused")
    outbox.of("broker").end(entry.key)
    await until(lambda: rows.states() == ["failed", "waiting"])
    del rows.rows[2]
    rows.rows[1]["state"] = Outcome.WAITING
    await outbox.refresh()
    assert sent(outbox) == ["0"]


async def test_what_was_just_sent_does_not_come_back_by_a_look_at_the_rows(make, rows):
    outbox = await make()
    await outbox.put("broker", publish())
    assert sent(outbox) == ["x"]
    await outbox.refresh()  # the mark is not on disk yet
    assert sent(outbox) == []


async def test_marks_wait_a_moment_and_share_a_commit(make, rows):
    outbox = await make()
    await asyncio.gather(*(outbox.put("broker", publish("t", f"{number}")) for number in range(20)))
    before = len(rows.commits)
    sent(outbox)
    await until(lambda: rows.states() == ["sent"] * 20)
    assert len(rows.commits) == before + 1


async def test_what_was_sent_before_the_box_stops_is_marked(make, rows):
    outbox = await make()
    await outbox.put("broker", publish())
    sent(outbox)
    await outbox.close()
    assert rows.states() == ["sent"]
    with pytest.raises(OutboxRefused, match="the box is stopping"):
        await outbox.put("broker", publish())


async def test_an_outbox_that_cannot_be_read_says_so_and_is_opened_later(rows):
    rows.problem = "the database is damaged"
    outbox = Outbox(rows)
    with pytest.raises(StoreError):
        await outbox.open()
    with pytest.raises(OutboxRefused, match="not open yet"):
        await outbox.put("broker", publish())
    rows.problem = ""
    await outbox.open()
    await outbox.put("broker", publish())
    await outbox.close()


async def test_the_guard_is_asked_first(make, rows):
    outbox = await make()

    def guard(device, event):
        raise OutboxRefused(f"there is no device {device!r}")

    outbox.guard = guard
    with pytest.raises(OutboxRefused, match="no device 'nobody'"):
        await outbox.put("nobody", publish())
    assert not rows.rows


async def test_put_reaches_the_outbox_of_the_box_from_any_loop(make, rows):
    with pytest.raises(OutboxRefused, match="no box runs in this process"):
        await module.put("broker", publish())
    module.use(await make())
    try:
        await module.put("broker", publish("t", "here"), expires=5)
        await asyncio.to_thread(async_to_sync(module.put), "broker", publish("t", "there"))
    finally:
        module.use(None)
    assert rows.states() == ["waiting", "waiting"]
    assert rows.rows[1]["expires_at"] - rows.rows[1]["put_at"] == 5


async def test_a_failure_is_told_once_in_the_log(make, rows, caplog):
    outbox = await make()
    rows.problem = "the disk is full"
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(OutboxRefused):
                await outbox.put("broker", publish())
    assert caplog.text.count("cannot be written") == 1


def test_what_waits_for_a_device_that_is_not_there_is_told():
    counts = {"broker": {"waiting": 2}, "gone": {"waiting": 3}, "done": {"waiting": 0}}
    assert module.waiting_for(["broker"], counts) == [
        "3 entries of the outbox wait for a device 'gone', which is not there"
    ]
