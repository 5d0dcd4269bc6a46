"""The layer in memory: names, groups, presence, bounds, and what happens at them."""

import asyncio
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.exceptions import ChannelFull
from edge.layers import AttachableLayer, InMemoryChannelLayer, InvalidMessageError, PresenceLayer, Receipt, memory
from edge.mailbox import Lane, Mailbox

SOON = 5.0
HELLO = {"type": "chat.message", "text": "hello"}
BAD_NAMES = ["", "a b", "ä", "a/b", "a" * 100, "a\n", None, 7, b"bytes"]


@pytest.fixture
def layer():
    return InMemoryChannelLayer(capacity=3)


async def member(layer, *groups, **options):
    """Open a channel with a mailbox, as a consumer does."""
    box, name = Mailbox(**options), await layer.new_channel()
    layer.attach(name, box)
    for group in groups:
        await layer.group_add(group, name)
    return name, box


def read(box):
    messages = []
    while (found := box.take()) is not None:
        lane, message = found
        assert lane is Lane.LAYER
        messages.append(message)
    return messages


async def test_a_channel_gives_its_messages_in_order(layer):
    for number in range(3):
        await layer.send("a", {"type": "x", "number": number})
    async with asyncio.timeout(SOON):
        assert [(await layer.receive("a"))["number"] for _ in range(3)] == [0, 1, 2]


async def test_receive_waits_for_the_next_message(layer):
    receiving = asyncio.create_task(layer.receive("a"))
    await asyncio.sleep(0)
    assert not receiving.done()
    await layer.send("a", HELLO)
    assert await asyncio.wait_for(receiving, SOON) == HELLO


async def test_two_receivers_of_one_channel_share_its_messages(layer):
    receiving = [asyncio.create_task(layer.receive("a")) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in receiving:
        await layer.send("a", HELLO)
    async with asyncio.timeout(SOON):
        assert await asyncio.gather(*receiving) == [HELLO, HELLO]


async def test_a_full_channel_that_nobody_reads_is_an_error_and_counted(layer):
    for _ in range(3):
        await layer.send("a", HELLO)
    with pytest.raises(ChannelFull, match="a"):
        await layer.send("a", HELLO)
    assert layer.dropped == 1


async def test_a_full_mailbox_is_waited_for_and_then_an_error(layer):
    name, box = await member(layer, layer_grace=0.02)
    for _ in range(3):
        await layer.send(name, HELLO)
    async with asyncio.timeout(SOON):
        with pytest.raises(ChannelFull):
            await layer.send(name, HELLO)
    sending = asyncio.create_task(layer.send(name, HELLO))
    assert len(read(box)) == 3
    await asyncio.wait_for(sending, SOON)
    assert read(box) == [HELLO]


async def test_a_message_that_nobody_fetched_in_time_is_forgotten():
    layer = InMemoryChannelLayer(expiry=0)
    await layer.send("a", {"type": "old"})
    receiving = asyncio.create_task(layer.receive("a"))
    await asyncio.sleep(0)
    assert not receiving.done()
    layer._queue("a").expiry = 60
    await layer.send("a", {"type": "new"})
    assert await asyncio.wait_for(receiving, SOON) == {"type": "new"}


async def test_what_waited_for_a_channel_is_delivered_when_its_mailbox_comes(layer):
    await layer.group_add("room", "a")
    await layer.group_send("room", HELLO)
    box = Mailbox()
    layer.attach("a", box)
    await layer.group_send("room", HELLO)
    assert read(box) == [HELLO, HELLO]


async def test_a_group_reaches_its_members_and_nobody_else(layer):
    (_, first), (_, second), (_, other) = await member(layer, "room"), await member(layer, "room"), await member(layer)
    await layer.group_send("room", HELLO)
    await layer.group_send("empty", HELLO)
    assert [read(box) for box in (first, second, other)] == [[HELLO], [HELLO], []]


async def test_leaving_twice_and_leaving_what_was_never_joined_is_fine(layer):
    name, box = await member(layer, "room")
    for _ in range(2):
        await layer.group_discard("room", name)
    await layer.group_discard("never", name)
    await layer.group_send("room", HELLO)
    assert read(box) == []
    assert layer.groups == layer._groups_of == {}


async def test_a_detached_channel_is_in_no_group_any_more(layer):
    name, _ = await member(layer, "a", "b")
    stays, _ = await member(layer, "b")
    layer.detach(name)
    layer.detach(name)
    assert {group: list(members) for group, members in layer.groups.items()} == {"b": [stays]}
    assert set(layer._groups_of) == {stays}


async def test_each_member_gets_a_message_of_its_own_and_the_senders_is_not_touched(layer):
    (_, first), (_, second) = await member(layer, "room"), await member(layer, "room")
    sent = {"type": "x", "list": [1, {"deep": (1, 2)}]}
    await layer.group_send("room", sent)
    sent["list"][1]["deep"] = "changed by the sender"
    [mine], [theirs] = read(first), read(second)
    mine["text"] = "changed by a member"
    assert theirs == {"type": "x", "list": [1, {"deep": [1, 2]}]}
    await layer.send("a", sent)
    sent["list"].clear()
    assert (await layer.receive("a"))["list"] != []


async def test_a_stuck_member_delays_the_group_once_and_harms_nobody(layer):
    _, stuck = await member(layer, "room", layer_grace=0.02)
    _, quick = await member(layer, "room")
    got = []
    async with asyncio.timeout(SOON):
        for _ in range(10):
            await layer.group_send("room", HELLO)
            got += read(quick)
    assert len(got) == 10
    assert (len(stuck), stuck.dropped, layer.dropped) == (3, 7, 7)
    assert stuck.stuck
    stuck._layer.grace = 60
    await asyncio.wait_for(layer.group_send("room", HELLO), SOON)


async def test_a_flood_waits_for_members_that_read_and_loses_nothing():
    layer = InMemoryChannelLayer(capacity=10)
    members = [await member(layer, "room", layer_grace=SOON) for _ in range(20)]

    async def consume(box):
        return [(await box.next())[1]["number"] for _ in range(500)]

    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        consuming = [group.create_task(consume(box)) for _, box in members]
        for number in range(500):
            await layer.group_send("room", {"type": "x", "number": number})
    assert all(task.result() == list(range(500)) for task in consuming)
    assert layer.dropped == 0


async def test_a_member_that_leaves_while_the_group_waits_for_it_is_no_error(layer):
    name, box = await member(layer, "room")
    for _ in range(3):
        await layer.group_send("room", HELLO)
    sending = asyncio.create_task(layer.group_send("room", HELLO))
    await asyncio.sleep(0)
    layer.detach(name)
    box.close({"type": "x.disconnect"})
    await asyncio.wait_for(sending, SOON)


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_names_are_checked_as_channels_does(layer, name):
    for call in (
        layer.send(name, HELLO),
        layer.receive(name),
        layer.group_add("room", name),
        layer.group_discard("room", name),
    ):
        with pytest.raises(TypeError, match="Channel name must be a valid unicode string with length < 100"):
            await call
    for call in (layer.group_add(name, "a"), layer.group_discard(name, "a"), layer.group_send(name, HELLO)):
        with pytest.raises(TypeError, match="Group name must be a valid unicode string with length < 100"):
            await call
    with pytest.raises(TypeError):
        layer.attach(name, Mailbox())
    assert layer.groups == layer._groups_of == {}


async def test_only_a_channel_may_have_an_exclamation_mark(layer):
    await layer.send("specific.x!abc", HELLO)
    with pytest.raises(TypeError):
        await layer.send("a!b!c", HELLO)
    with pytest.raises(TypeError):
        await layer.group_send("a!b", HELLO)


@pytest.mark.parametrize("message", ["text", None, [("type", "x")]])
async def test_a_message_is_a_dictionary(layer, message):
    for call in (layer.send("a", message), layer.group_send("nobody", message)):
        with pytest.raises(InvalidMessageError, match="message is not a dict") as refused:
            await call
        assert isinstance(refused.value, TypeError)
        assert isinstance(refused.value, AssertionError)


async def test_new_channels_are_valid_and_all_different(layer):
    names = {await layer.new_channel() for _ in range(100)} | {await layer.new_channel("tap")}
    assert len(names) == 101
    for name in names:
        await layer.send(name, HELLO)


async def test_patterns_give_channels_bounds_of_their_own():
    layer = InMemoryChannelLayer(capacity=2, channel_capacity={"http.*": 1, "big!*": 5})
    assert [layer.get_capacity(name) for name in ("a", "http.x", "big!x")] == [2, 1, 5]
    _, box = await member(layer)
    assert box.layer_capacity == 2


@pytest.mark.parametrize("config", [{"capacity": 0}, {"channel_capacity": {"a": 0}}])
def test_a_capacity_that_takes_nothing_is_refused(config):
    with pytest.raises(ValueError, match="at least 1"):
        InMemoryChannelLayer(**config)


async def test_a_channel_that_was_read_empty_costs_nothing(layer):
    await layer.send("a", HELLO)
    await layer.receive("a")
    assert layer._queues == {}


async def test_beyond_the_bound_the_oldest_channel_that_nobody_reads_is_forgotten_and_counted(layer, monkeypatch):
    monkeypatch.setattr(memory, "MAX_CHANNELS", 3)
    receiving = asyncio.create_task(layer.receive("wanted"))
    await asyncio.sleep(0)
    for name in ("b", "c", "d", "e"):
        await layer.send(name, HELLO)
    assert set(layer._queues) == {"wanted", "d", "e"}
    assert layer.dropped == 2
    await layer.send("wanted", HELLO)
    assert await asyncio.wait_for(receiving, SOON) == HELLO


async def test_flush_forgets_groups_and_messages(layer):
    _, box = await member(layer, "room")
    await layer.send("a", HELLO)
    await layer.flush()
    await layer.group_send("room", HELLO)
    assert read(box) == []
    assert layer._queues == layer._groups_of == {}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "discard", "attach", "detach"]), st.sampled_from("abc"), st.sampled_from("xyz")
        )
    )
)
def test_groups_and_the_index_of_them_never_differ(steps):
    async def story():
        layer, joined, attached = InMemoryChannelLayer(), set(), {}
        for step, channel, group in steps:
            if step == "add":
                await layer.group_add(group, channel)
                joined.add((group, channel))
            elif step == "discard":
                await layer.group_discard(group, channel)
                joined.discard((group, channel))
            elif step == "attach":
                attached[channel] = Mailbox()
                layer.attach(channel, attached[channel])
            else:
                layer.detach(channel)
                attached.pop(channel, None)
                joined = {pair for pair in joined if pair[1] != channel}
        found = {
            (group, channel): mailbox for group, members in layer.groups.items() for channel, mailbox in members.items()
        }
        assert found == {(group, channel): attached.get(channel) for group, channel in joined}
        assert {(g, c) for c, groups in layer._groups_of.items() for g in groups} == joined
        assert all(layer.groups.values())
        assert all(layer._groups_of.values())

    asyncio.run(story())


def test_the_layer_in_memory_delivers_straight_into_mailboxes():
    assert isinstance(InMemoryChannelLayer(), AttachableLayer)


# What tests of Channels projects look at


async def test_channels_shows_what_is_open_and_what_waits_as_channels_tests_look_at_it(layer):
    name, box = await member(layer)
    await layer.send("a", HELLO)
    await layer.send(name, HELLO)
    box.offer({"type": "x.receive"})
    assert set(layer.channels) == {"a", name}
    assert len(layer.channels) == 2
    assert [layer.channels[channel].qsize() for channel in ("a", name)] == [1, 1]
    assert not layer.channels["a"].empty()
    assert not layer.channels["a"].full()
    assert layer.channels["a"].maxsize == 3
    while box.take() is not None:
        pass
    assert layer.channels[name].empty()
    assert "'a': 1 waiting" in repr(layer.channels)
    with pytest.raises(KeyError):
        layer.channels["nobody"]
    await layer.flush()
    assert set(layer.channels) == {name}


async def test_groups_has_a_key_for_each_member_as_channels_tests_look_at_it(layer):
    await layer.group_add("room", "a")
    await layer.group_add("room", "a")
    assert list(layer.groups["room"]) == ["a"]
    await layer.group_discard("room", "a")
    assert layer.groups == {}


def test_it_takes_the_arguments_of_channels_own_by_place_and_those_of_other_layers_by_name():
    layer = InMemoryChannelLayer(30, 3600, 5, {"a": 2}, hosts=["somewhere"])
    assert (layer.expiry, layer.capacity, layer.get_capacity("a"), layer.get_capacity("b")) == (30, 5, 2, 5)


async def test_a_cancelled_reader_leaves_no_channel_behind_and_takes_no_message_with_it(layer):
    receiving = asyncio.create_task(layer.receive("a"))
    await asyncio.sleep(0)
    receiving.cancel()
    await asyncio.wait([receiving], timeout=SOON)
    assert layer.channels == {}
    receiving = asyncio.create_task(layer.receive("a"))
    await asyncio.sleep(0)
    await layer.send("a", HELLO)
    receiving.cancel()
    await asyncio.wait([receiving], timeout=SOON)
    if receiving.cancelled():
        assert await asyncio.wait_for(layer.receive("a"), SOON) == HELLO


async def test_a_member_whose_messages_expire_unread_is_gone_and_leaves_its_groups(layer):
    await layer.group_add("room", "gone")
    await layer.watch_group("room", "watcher")
    await layer.group_send("room", HELLO)
    layer._queue("gone").messages[0] = (0.0, HELLO)  # long ago
    assert await layer.group_send("room", HELLO) == Receipt(delivered=0, dropped=1)
    assert layer.groups == {}
    assert (await layer.receive("watcher"))["type"] == "group.left"


# What the sender can know


async def test_a_group_send_tells_how_many_have_it_and_how_many_were_full(layer):
    assert await layer.group_send("room", HELLO) == (0, 0)
    await member(layer, "room")
    _, stuck = await member(layer, "room", layer_grace=0.02)
    async with asyncio.timeout(SOON):
        receipts = [await layer.group_send("room", HELLO) for _ in range(3)]
        read_by_nobody = await layer.group_send("room", HELLO)
    assert receipts == [Receipt(delivered=2)] * 3
    assert read_by_nobody == Receipt(delivered=0, dropped=2)
    assert stuck.dropped == 1


async def test_a_full_queue_without_a_mailbox_is_a_drop_in_the_receipt_and_never_raised(layer):
    await layer.group_add("room", "a")
    receipts = [await layer.group_send("room", HELLO) for _ in range(5)]
    assert [receipt.dropped for receipt in receipts] == [0, 0, 0, 1, 1]
    assert layer.dropped == 2


async def test_six_hundred_sends_to_twenty_rooms_twenty_at_a_time_all_arrive():
    layer = InMemoryChannelLayer()
    members = [(await member(layer, f"room{number}"))[1] for number in range(20)]
    got, sending = [], asyncio.Semaphore(20)

    async def consume(box):
        got.extend([(await box.next())[1]["number"] for _ in range(30)])

    async def send(number):
        async with sending:
            return await layer.group_send(f"room{number % 20}", {"type": "x", "number": number})

    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        for box in members:
            group.create_task(consume(box))
        sends = [group.create_task(send(number)) for number in range(600)]
    assert sorted(got) == list(range(600))
    assert {task.result() for task in sends} == {Receipt(delivered=1)}


class Unswept(dict):
    """A dictionary that may be asked for a key, and not gone through."""

    def swept(self, *_):
        raise AssertionError("all channels were gone through for one message")

    __iter__ = keys = values = items = copy = swept


async def calls_of_a_group_send(idle):
    layer = InMemoryChannelLayer()
    for number in range(idle // 2):
        layer.attach(f"idle!{number}", Mailbox())
        await layer.send(f"waiting{number % memory.MAX_CHANNELS}", HELLO)
    members = [(await member(layer, "room"))[1] for _ in range(10)]
    await layer.group_add("room", "without.a.mailbox")
    for name in ("_mailboxes", "_queues", "_groups_of", "_watchers", "_watched_by"):
        setattr(layer, name, Unswept(getattr(layer, name)))
    layer.groups = Unswept(layer.groups)
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await layer.group_send("room", HELLO)
    finally:
        sys.setprofile(before)
    assert [len(read(box)) for box in members] == [1] * 10
    return calls


async def test_twenty_thousand_idle_channels_add_not_one_call_to_a_group_send():
    assert await calls_of_a_group_send(20_000 - 2) == await calls_of_a_group_send(0)


# Presence


async def heard(layer, channel):
    return await asyncio.wait_for(layer.receive(channel), SOON)


async def test_members_are_listed_in_the_order_of_their_joining(layer):
    for name in ("b", "a", "c", "b"):
        await layer.group_add("room", name)
    assert await layer.group_members("room") == ["b", "a", "c"]
    assert await layer.group_count("room") == 3
    assert await layer.group_members("nobody.here") == []
    assert await layer.group_count("nobody.here") == 0
    assert isinstance(layer, PresenceLayer)
    assert "presence" in layer.extensions


async def test_a_watcher_is_told_of_each_who_joins_and_leaves_once(layer):
    watcher, box = await member(layer)
    for _ in range(2):
        await layer.watch_group("room", watcher)
    for step in (layer.group_add, layer.group_add, layer.group_discard, layer.group_discard):
        await step("room", "a")
        await step("other", "a")
    assert read(box) == [
        {"type": "group.joined", "group": "room", "channel": "a"},
        {"type": "group.left", "group": "room", "channel": "a"},
    ]
    await layer.unwatch_group("room", watcher)
    await layer.unwatch_group("room", watcher)
    await layer.group_add("room", "a")
    assert read(box) == []
    assert layer._watchers == layer._watched_by == {}


async def test_a_watcher_that_is_a_member_hears_of_itself(layer):
    name, box = await member(layer)
    await layer.watch_group("room", name)
    await layer.group_add("room", name)
    await layer.group_discard("room", name)
    assert [message["type"] for message in read(box)] == ["group.joined", "group.left"]


async def test_the_end_of_a_channel_is_a_leaving_and_the_end_of_its_watches(layer):
    watcher, box = await member(layer)
    name, gone = await member(layer, "room")
    await layer.watch_group("room", watcher)
    await layer.watch_group("room", name)
    layer.detach(name)
    assert read(box) == [{"type": "group.left", "group": "room", "channel": name}]
    assert read(gone) == []
    layer.detach(watcher)
    assert layer._watchers == layer._watched_by == {}


async def test_a_watcher_that_is_full_is_not_waited_for_but_counted(layer):
    watcher, box = await member(layer)
    await layer.watch_group("room", watcher)
    await layer.watch_group("room", "unread")
    async with asyncio.timeout(SOON):
        for number in range(5):
            await layer.group_add("room", f"member{number}")
    assert (len(box), box.dropped, layer.dropped) == (3, 2, 4)
    assert (await heard(layer, "unread"))["channel"] == "member0"


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_the_names_of_a_watch_are_checked_too(layer, name):
    for call in (layer.group_members(name), layer.group_count(name), layer.watch_group(name, "a")):
        with pytest.raises(TypeError, match="Group name"):
            await call
    for call in (layer.watch_group("room", name), layer.unwatch_group("room", name)):
        with pytest.raises(TypeError, match="Channel name"):
            await call
