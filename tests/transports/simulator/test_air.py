import pytest

from transports.simulator.air import MAX_LAG, Air
from transports.simulator.packets import Packet, decode_packet, encode_packet
from transports.simulator.talker import Talker

NOON = 1_700_000_000.0


def listen(air: Air, seconds: int, step: float = 1.0) -> list[bytes]:
    return [frame for tick in range(int(seconds / step) + 1) for frame in air.tick(NOON + tick * step)]


def test_the_seed_tells_the_whole_story():
    assert listen(Air(seed=7), 600) == listen(Air(seed=7), 600)
    assert listen(Air(seed=7), 600) != listen(Air(seed=8), 600)


def test_the_story_does_not_depend_on_how_often_one_looks():
    assert listen(Air(seed=7), 600, step=0.25) == listen(Air(seed=7), 600, step=30)


@pytest.mark.parametrize("rate", [6, 40, 600])
def test_the_rate_is_kept_on_average(rate):
    frames = listen(Air(seed=1, rate=rate, talk_to=None), 3600)
    assert len(frames) / 60 == pytest.approx(rate, rel=0.1)


def test_without_rate_and_talkers_the_air_is_silent():
    air = Air(rate=0, talk_to=None)
    assert air.next_due(NOON) == float("inf")
    assert listen(air, 60) == []


def test_a_long_sleep_ends_in_no_flood():
    air = Air(seed=1, rate=60)
    air.tick(NOON)
    assert len(air.tick(NOON + 24 * 3600)) < 3 * MAX_LAG


def test_some_frames_come_through_the_digipeater():
    packets = [decode_packet(frame) for frame in listen(Air(seed=1), 600)]
    paths = {packet.path for packet in packets if packet}
    assert {("WIDE1-1", "WIDE2-1"), ("QQ1DGI-3*", "WIDE2-1"), ("WIDE2-1",), ("QQ1DGI-3*",), ()} <= paths


def test_people_talk_to_the_callsign_they_are_given():
    infos = [packet.info for frame in listen(Air(rate=0, talk_to="QQ1BOX-2"), 60) if (packet := decode_packet(frame))]
    assert any(info.startswith(b":QQ1BOX-2 :hello{") for info in infos)


def test_our_message_is_digipeated_and_acknowledged():
    air = Air(rate=0, people=[Talker("QQ1MIA-7", "QQ1EDG")])
    ours = Packet(source="QQ1EDG", destination="APZEDG", path=("WIDE1-1",), info=b":QQ1MIA-7 :hi{5")
    copy, ack = (decode_packet(frame) for frame in air.receive(encode_packet(ours), NOON))
    assert str(copy) == "QQ1EDG>APZEDG,QQ1DGI-3*::QQ1MIA-7 :hi{5"
    assert ack.info == b":QQ1EDG   :ack5"
    assert list(air.people[0].inbox) == [("QQ1EDG", "hi")]


def test_what_is_no_packet_is_heard_by_nobody():
    assert Air().receive(b"\x00garbage", NOON) == []


def test_all_can_be_lost_and_all_be_heard_twice():
    assert listen(Air(loss=1), 60) == []
    once, twice = listen(Air(seed=5), 60), listen(Air(seed=5, duplicates=1), 60)
    assert twice == [frame for frame in once for _ in range(2)]


def test_loss_is_about_as_probable_as_said_and_counted():
    air = Air(seed=2, rate=600, loss=0.25, talk_to=None)
    heard = len(listen(air, 600))
    assert air.lost / (air.lost + heard) == pytest.approx(0.25, abs=0.02)


def test_a_flood_has_its_number_of_different_frames():
    frames = list(Air(seed=1).flood(500))
    assert len(frames) == 500
    assert len(set(frames)) > 300
    assert all(decode_packet(frame) for frame in frames)
