from itertools import pairwise

from transports.simulator.packets import Packet
from transports.simulator.talker import FIRST_GAP, MAX_TRIES, Talker

ME = "QQ1EDG"


def from_me(text: str) -> Packet:
    return Packet(source=ME, destination="APZEDG", info=f":QQ1MIA-7 :{text}".encode())


def talker(*script: str) -> Talker:
    return Talker("QQ1MIA-7", ME, script)


def test_a_numbered_message_is_acknowledged_each_time_and_understood_once():
    mia = talker()
    for now in (1.0, 2.0):
        (ack,) = mia.receive(from_me("hi Mia{A7"), now)
        assert (ack.source, ack.info) == ("QQ1MIA-7", b":QQ1EDG   :ackA7")
    assert list(mia.inbox) == [(ME, "hi Mia")]


def test_a_message_without_number_is_understood_and_not_acknowledged():
    mia = talker()
    assert mia.receive(from_me("hi"), 1) == mia.receive(from_me("hi"), 2) == []
    assert len(mia.inbox) == 2


def test_an_old_radio_acknowledges_a_reply_ack_number_as_it_stands():
    (ack,) = talker().receive(from_me("hi{AB}01"), 0)
    assert ack.info == b":QQ1EDG   :ackAB}01"


def test_what_is_for_others_is_not_heard():
    mia = talker()
    others = Packet(source=ME, destination="APZEDG", info=b":QQ1TOM-9 :hi{1")
    assert mia.receive(others, 0) == []
    assert mia.receive(Packet(source=ME, destination="APZEDG", info=b">status"), 0) == []
    assert not mia.inbox


def test_a_line_is_repeated_with_a_growing_gap_and_given_up():
    mia = talker("hello")
    times = []
    now = mia.next_due(0)
    while not mia.given_up:
        times += [now] * len(mia.tick(now))
        now = mia.next_due(now)
    gaps = [round(later - earlier, 6) for earlier, later in pairwise(times)]
    assert gaps == [FIRST_GAP, 2 * FIRST_GAP, 4 * FIRST_GAP, 8 * FIRST_GAP]
    assert len(times) == MAX_TRIES
    assert not mia.waiting
    assert mia.next_due(now) > times[-1]


def test_an_acknowledgement_ends_the_repetition_and_the_answer_brings_the_next_line():
    mia = talker("hello", "/name Mia")
    now = mia.next_due(0)
    (line,) = mia.tick(now)
    assert line.info == b":QQ1EDG   :hello{01"
    mia.receive(from_me("ack99"), now)
    assert mia.waiting
    mia.receive(from_me("ack01"), now)
    assert (mia.waiting, mia.acked) == (False, 1)
    patient = mia.next_due(now)
    mia.receive(from_me("Anonymous: hello{1"), now)
    assert mia.next_due(now) != patient
    (line,) = mia.tick(mia.next_due(now))
    assert line.info == b":QQ1EDG   :/name Mia{02"


def test_a_rejection_ends_it_too():
    mia = talker()
    assert mia.say("hello", 0).info.endswith(b"{01")
    mia.receive(from_me("rej01"), 1)
    assert (mia.waiting, mia.rejected) == (False, 1)
    assert mia.next_due(1) == float("inf")
