from edge.mailbox import Mailbox
from edge.receipts import ATTEMPTS, Acknowledged, Receipt, copy_of, following


def event(settled, **fields):
    return Acknowledged({"type": "mqtt.receive", "dup": False, **fields}, Receipt(lambda: settled.append(fields)))


async def test_it_is_handled_when_the_reader_comes_back_and_not_before():
    settled, mailbox = [], Mailbox()
    mailbox.push(event(settled, n=1))
    mailbox.push({"type": "mqtt.receive"})
    assert (await mailbox.receive())["n"] == 1
    assert settled == []
    await mailbox.receive()
    assert settled == [{"n": 1}]


async def test_of_several_readers_the_last_one_counts():
    settled, one, two = [], Mailbox(), Mailbox()
    heard = event(settled)
    for mailbox in (one, two):
        mailbox.push(copy_of(heard))
        mailbox.push({"type": "x"})
        await mailbox.receive()
    await one.receive()
    assert settled == []
    await two.receive()
    assert settled == [{}]


async def test_what_was_made_of_it_counts_with_it():
    settled, mailbox = [], Mailbox()
    mailbox.push(following(event(settled), {"type": "conversation.receive"}))
    mailbox.push({"type": "x"})
    await mailbox.receive()
    assert settled == []
    await mailbox.receive()
    assert settled == [{}]
    assert following({"type": "x"}, made := {"type": "y"}) is made


async def test_a_reader_that_raised_is_given_it_again_a_bounded_number_of_times():
    settled, mailbox = [], Mailbox()
    mailbox.push(event(settled))
    for attempt in range(ATTEMPTS):
        heard = await mailbox.receive()
        assert heard["dup"] is (attempt > 0)
        assert settled == []
        mailbox.begin_again({"type": "mqtt.connect"})
        assert (await mailbox.receive())["type"] == "mqtt.connect"
    assert (settled, mailbox.given_up) == ([{}], 1)
    assert not len(mailbox)


async def test_it_is_taken_although_the_lane_is_full_and_not_once_the_mailbox_is_closed():
    settled, mailbox = [], Mailbox(transport_capacity=1)
    assert mailbox.push({"type": "x"})
    assert mailbox.push(event(settled))
    mailbox.close({"type": "mqtt.disconnect"})
    assert not mailbox.push(event(settled))
    assert settled == []


async def test_what_a_stop_overtakes_stays_with_its_sender_and_what_is_abandoned_does_not():
    settled, stopped, left = [], Mailbox(), Mailbox()
    for mailbox in (stopped, left):
        mailbox.push(event(settled))
        mailbox.push(event(settled))
        await mailbox.receive()
    stopped.close({"type": "mqtt.disconnect"}, drain=0)
    left.abandon()
    assert settled == [{}, {}]
    assert (await stopped.receive())["type"] == "mqtt.disconnect"  # the first was handled: its reader came back
    assert settled == [{}, {}, {}]


async def test_what_was_lent_is_handled_when_it_is_given_back():
    settled, mailbox = [], Mailbox()
    mailbox.push(event(settled))
    mailbox.push({"type": "x"})
    heard = await mailbox.receive()
    mailbox.lend(heard)
    await mailbox.receive()
    assert settled == []
    mailbox.give_back(heard)
    assert settled == [{}]
