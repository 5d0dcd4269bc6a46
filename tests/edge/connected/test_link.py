"""The data link by itself: what the standard asks for, frame by frame; and thousands of links over a bad channel."""

import heapq
import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.connected import link as link_module
from edge.connected.link import COPIES, MAX_WAITING, PATIENCE, Link
from edge.connected.values import KEY_UP, Closed, Frame, Opened, Parameters, Received, State, Transmit
from edge.errors import LocalProtocolError

SABM = Frame(name="SABM", command=True, poll=True)
DISC = Frame(name="DISC", command=True, poll=True)
UA = Frame(name="UA", command=False, poll=True)
DM = Frame(name="DM", command=False, poll=True)


def rr(nr, *, name="RR", command=False, poll=False):
    return Frame(name=name, command=command, poll=poll, nr=nr)


def info(ns, data=b"x", *, nr=0, poll=False):
    return Frame(name="I", command=True, poll=poll, nr=nr, ns=ns, info=data)


def shown(actions):
    """Write actions as a person does: what a monitor shows, and what the consumer is told."""
    words = []
    for action in actions:
        match action:
            case Transmit(frame):
                kind = ("" if frame.command else "r") + ("P" if frame.poll else "")
                numbers = {
                    "I": f" {frame.ns}/{frame.nr} {frame.info.decode('latin-1')}",
                    "FRMR": f" {frame.info.hex()}",
                }
                number = f" {frame.nr}" if frame.name in ("RR", "RNR", "REJ") else numbers.get(frame.name, "")
                words.append(f"{frame.name}{number} {kind}".strip())
            case Opened(called):
                words.append("opened, called" if called else "opened")
            case Received(data):
                words.append(f"received {data.decode('latin-1')}")
            case Closed(reason):
                words.append(f"closed: {reason}")
    return words


def up(**parameters):
    """Return a link that a peer has opened."""
    link = Link(Parameters(**parameters))
    assert shown(link.receive(SABM, 0.0)) == ["UA rP", "opened"]
    return link


def run(link, until):
    """Let the clock go; return what the link does by itself, with the seconds."""
    done = []
    while (due := link.due()) is not None and due <= until:
        done += [(round(due, 1), words) for words in shown(link.tick(due))]
    return done


def test_a_caller_is_answered_and_a_goodbye_too():
    link = up()
    assert shown(link.receive(DISC, 1.0)) == ["UA rP", "closed: the peer said goodbye"]
    assert (link.state, link.due()) == (State.DISCONNECTED, None)


def test_we_call_and_the_peer_answers():
    link = Link(Parameters())
    assert shown(link.call(0.0)) == ["SABM P"]
    assert shown(link.receive(UA, 1.0)) == ["opened, called"]
    assert shown(link.send(b"hello", 1.0)) == ["I 0/0 hello"]
    assert shown(link.receive(rr(1), 2.0)) == []
    assert shown(link.hang_up(3.0)) == ["DISC P"]
    assert shown(link.receive(UA, 4.0)) == ["closed: we said goodbye"]


def test_a_call_that_is_refused_says_so():
    link = Link(Parameters())
    link.call(0.0)
    assert shown(link.receive(DM, 1.0)) == ["closed: the peer refused the call: it is busy, or does not take calls"]


def test_a_call_that_nobody_answers_is_given_up_with_growing_gaps():
    link = Link(Parameters(retries=3))
    link.call(0.0)
    done = run(link, 1000.0)
    assert [words for _, words in done] == ["SABM P"] * 3 + ["closed: no answer after 4 tries"]
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise([(0.0, ""), *done])]
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("name", ["SABME", "XID"])
def test_a_caller_of_version_2_2_is_answered_as_by_a_station_of_version_2_0(name):
    link = Link(Parameters())
    control = {"SABME": 0x7F, "XID": 0xBF}[name]
    asked = Frame(name=name, command=True, poll=True, control=control)
    assert shown(link.receive(asked, 0.0)) == [f"FRMR {control:02x}0001 rP"]
    assert shown(link.receive(SABM, 1.0)) == ["UA rP", "opened"]


def test_a_test_frame_comes_back_in_any_state():
    asked = Frame(name="TEST", command=True, poll=True, info=b"1234")
    for link in (Link(Parameters()), up()):
        (answer,) = link.receive(asked, 0.0)
        assert answer == Transmit(Frame(name="TEST", command=False, poll=True, info=b"1234"))


@pytest.mark.parametrize("frame", [DISC, info(0, poll=True), rr(0, command=True, poll=True)])
def test_a_command_that_no_link_expects_is_told_so(frame):
    assert shown(Link(Parameters()).receive(frame, 0.0)) == ["DM rP"]


@pytest.mark.parametrize("frame", [UA, DM, rr(0, poll=True), Frame(name="UI", command=True)])
def test_a_response_that_no_link_expects_is_not_answered(frame):
    assert Link(Parameters()).receive(frame, 0.0) == []


def test_bytes_that_come_are_acknowledged_together_after_a_while():
    link = up()
    assert shown(link.receive(info(0, b"one"), 1.0)) == ["received one"]
    assert shown(link.receive(info(1, b"two"), 1.5)) == ["received two"]
    assert [words for _, words in run(link, 10.0)] == ["RR 2 r"]


def test_a_frame_that_asks_is_answered_at_once():
    assert shown(up().receive(info(0, b"one", poll=True), 1.0)) == ["received one", "RR 1 rP"]


def test_an_answer_carries_the_acknowledgement():
    link = up()
    link.receive(info(0), 1.0)
    assert shown(link.send(b"answer", 1.1)) == ["I 0/1 answer"]
    assert [words for _, words in run(link, 2.6)] == []


def test_a_gap_is_rejected_once_and_filled():
    link = up()
    assert shown(link.receive(info(1), 1.0)) == ["REJ 0 r"]
    assert shown(link.receive(info(2), 1.1)) == []
    assert shown(link.receive(info(0, b"a"), 2.0)) == ["received a"]
    assert shown(link.receive(info(1, b"b"), 2.1)) == ["received b"]
    assert shown(link.receive(info(3), 2.2)) == ["REJ 2 r"]


def test_a_copy_of_what_we_have_is_acknowledged_and_not_delivered_again():
    link = up()
    link.receive(info(0, b"a"), 1.0)
    assert shown(link.receive(info(0, b"a"), 1.2)) == []
    assert [words for _, words in run(link, 9.0)] == ["RR 1 r"]


def test_no_more_than_the_window_is_on_its_way():
    link = up(window=2, piece=16)
    assert shown(link.send(b"x" * 40, 1.0)) == ["I 0/0 " + "x" * 16, "I 1/0 " + "x" * 16]
    assert shown(link.receive(rr(1), 3.0)) == ["I 2/0 " + "x" * 8]
    link.receive(rr(3), 4.0)
    assert link.waiting == 0


def test_a_rejected_frame_and_those_behind_it_are_sent_again():
    link = up(window=3, piece=16)
    link.send(b"a" * 16 + b"b" * 16 + b"c" * 16, 1.0)
    again = shown(link.receive(rr(1, name="REJ"), 9.0))
    assert again == ["I 1/0 " + "b" * 16, "I 2/0 " + "c" * 16]
    assert shown(link.receive(rr(1, name="REJ"), 9.1)) == [], "a copy of the REJ asks for nothing new"


def test_a_frame_that_nobody_acknowledges_is_asked_about_and_sent_again():
    link = up()
    link.send(b"hello", 1.0)
    ((_, words),) = run(link, 9.0)
    assert (words, link.state) == ("RR 0 P", State.TIMER_RECOVERY)
    assert shown(link.receive(rr(0, poll=True), 9.5)) == ["I 0/0 hello"]
    assert link.state is State.CONNECTED
    assert shown(link.receive(rr(1), 11.0)) == []


def test_what_was_taken_although_the_acknowledgement_was_lost_is_not_sent_again():
    link = up()
    link.send(b"hello", 1.0)
    run(link, 9.0)
    assert shown(link.receive(rr(1, poll=True), 9.5)) == []
    assert link.waiting == 0


def test_a_peer_that_is_gone_is_given_up_and_what_it_lacks_is_told():
    link = up(retries=4)
    link.send(b"hello", 1.0)
    done = [words for _, words in run(link, 1000.0)]
    assert done == ["RR 0 P"] * 4 + ["DM r", "closed: no answer after 5 tries; 5 bytes were not acknowledged"]


def test_a_frame_that_is_never_taken_ends_the_link_although_the_peer_answers():
    link, now = up(retries=5), 1.0
    link.send(b"too long for this noise", now)
    for _ in range(6):
        now = link.due()
        assert shown(link.tick(now)) == ["RR 0 P"]
        last = shown(link.receive(rr(0, poll=True), now))
    assert last == ["closed: a frame was sent 6 times and never taken; 23 bytes were not acknowledged", "DM r"]


def test_a_silent_peer_is_asked_whether_it_is_there():
    link = up(keepalive=300.0)
    assert run(link, 299.0) == []
    assert run(link, 300.0) == [(300.0, "RR 0 P")]
    link.receive(rr(0, poll=True), 301.0)
    assert link.state is State.CONNECTED


def test_a_busy_peer_is_waited_for_and_then_given_up():
    link = up(window=1)
    link.send(b"hello", 1.0)
    link.receive(rr(1, name="RNR"), 2.0)
    assert shown(link.send(b"more", 3.0)) == []
    polls, now = 0, 3.0
    while link.state is not State.DISCONNECTED:
        now = link.due()
        done = shown(link.tick(now))
        if done == ["RR 0 P"]:
            polls += 1
            link.receive(rr(1, name="RNR", poll=True), now + 1)
    assert done[0] == "closed: the peer was busy for 10 minutes; 4 bytes were not acknowledged"
    assert now > PATIENCE
    assert polls < 40, "it is asked ever less often: at first every 4 s"


def test_a_busy_peer_that_is_ready_again_gets_what_waits():
    link = up()
    link.receive(rr(0, name="RNR"), 1.0)
    link.send(b"hello", 2.0)
    assert shown(link.receive(rr(0), 3.0)) == ["I 0/0 hello"]


def test_a_peer_has_to_wait_while_our_side_does_not_read():
    link = up()
    assert shown(link.set_busy(1.0, busy=True)) == ["RNR 0 r"]
    assert shown(link.receive(info(0, poll=True), 2.0)) == ["RNR 0 rP"]
    assert shown(link.set_busy(3.0, busy=False)) == ["RR 0 r"]
    assert shown(link.receive(info(0, b"now"), 4.0)) == ["received now"]


def test_what_was_sent_is_delivered_before_we_say_goodbye():
    link = up()
    link.send(b"bye", 1.0)
    assert shown(link.hang_up(1.0)) == []
    assert shown(link.receive(rr(1), 2.0)) == ["DISC P"]
    with pytest.raises(LocalProtocolError, match="no connection to send on: awaiting release"):
        link.send(b"more", 2.0)
    assert [words for _, words in run(link, 500.0)][-1].startswith("closed: no answer after")


def test_both_may_call_at_once():
    one, other = Link(Parameters()), Link(Parameters())
    one.call(0.0)
    other.call(0.0)
    assert shown(one.receive(SABM, 1.0)) == ["UA rP"]
    assert shown(other.receive(SABM, 1.0)) == ["UA rP"]
    assert shown(one.receive(UA, 2.0)) == ["opened, called"]
    assert shown(other.receive(UA, 2.0)) == ["opened, called"]


def test_a_caller_that_did_not_hear_our_answer_gets_all_that_we_said():
    link = up()
    link.send(b"welcome", 0.0)
    assert shown(link.receive(SABM, 5.0)) == ["UA rP", "I 0/0 welcome"]


def test_a_copy_of_a_call_that_comes_late_changes_nothing():
    link = up()
    link.receive(info(0), 2.0)
    assert shown(link.receive(SABM, COPIES - 1)) == []
    assert link.state is State.CONNECTED


def test_a_peer_that_begins_anew_ends_one_link_and_begins_another():
    link = up()
    link.receive(info(0), 2.0)
    told = ["closed: the peer began the connection anew", "UA rP", "opened"]
    assert shown(link.receive(SABM, COPIES + 1)) == told
    assert shown(link.receive(info(0, b"fresh"), COPIES + 2)) == ["received fresh"]


def test_an_acknowledgement_of_what_was_never_sent_ends_the_link():
    link = up()
    told = shown(link.receive(rr(4), 1.0))
    assert told == ["FRMR 000008 r".replace("000008", "001008"), "closed: the peer acknowledged what was never sent"]
    assert shown(link.receive(rr(4, command=True, poll=True), 2.0)) == ["DM rP"]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Frame(name="FRMR", command=False), "the peer rejected a frame of ours as wrong"),
        (DM, "the peer knows of no connection any more"),
    ],
)
def test_a_peer_that_has_no_link_any_more_ends_ours(frame, words):
    link = up()
    link.send(b"hello", 1.0)
    assert f"closed: {words}; 5 bytes were not acknowledged" in shown(link.receive(frame, 2.0))


def test_what_the_gate_refuses_at_the_beginning_ends_the_call():
    link = Link(Parameters())
    link.call(0.0)
    assert shown(link.refused(SABM, "transmitting is off", 0.0)) == ["closed: not transmitted: transmitting is off"]
    link = up()
    assert shown(link.refused(UA, "transmitting is off", 0.0)) == ["closed: not transmitted: transmitting is off"]


def test_bytes_that_the_gate_refuses_are_sent_later_in_order():
    link = up(window=2, piece=16)
    sent = [action.frame for action in link.send(b"a" * 16 + b"b" * 16 + b"c", 1.0)]
    for frame in sent:
        link.refused(frame, "151 s of air time in ten minutes", 1.0)
    assert run(link, 5.9) == []
    assert [words for _, words in run(link, 6.0)] == ["I 0/0 " + "a" * 16, "I 1/0 " + "b" * 16]


def test_what_waits_for_a_peer_is_bounded():
    link = up()
    link.send(b"x" * MAX_WAITING, 1.0)
    with pytest.raises(LocalProtocolError, match=f"{MAX_WAITING} bytes wait already"):
        link.send(b"x", 1.0)


def test_other_protocols_are_acknowledged_and_not_delivered():
    link = up()
    netrom = Frame(name="I", command=True, poll=True, info=b"\x00", pid=0xCF)
    assert shown(link.receive(netrom, 1.0)) == ["RR 1 rP"]


@pytest.mark.parametrize(("seconds", "timer"), [(3.5, 6.0), (1.2, 2.0)])
def test_the_timer_follows_the_round_trips(seconds, timer):
    link, now = up(window=1), 0.0
    for number in range(40):
        link.send(b"x", now)
        link.receive(rr((number + 1) % 8), now + seconds)
        now += 10.0
    link.send(b"x", now)
    air = KEY_UP + link.parameters.air_seconds(1)
    assert link.due() - now - air == pytest.approx(max(2 * (seconds - air), timer), abs=0.2)


FRAMES = st.builds(
    Frame,
    name=st.sampled_from(
        ["SABM", "SABME", "DISC", "UA", "DM", "FRMR", "UI", "XID", "TEST", "I", "RR", "RNR", "REJ", "SREJ", "unknown"]
    ),
    command=st.booleans(),
    poll=st.booleans(),
    nr=st.integers(0, 7),
    ns=st.integers(0, 7),
    info=st.binary(max_size=5),
    control=st.integers(0, 255),
)


@settings(max_examples=300)
@given(st.lists(FRAMES | st.sampled_from(["send", "tick", "call", "hang up", "busy", "ready", "refused"]), max_size=60))
def test_whatever_a_peer_sends_the_link_stands_and_comes_to_an_end(story):
    link, now, last = Link(Parameters(piece=16)), 0.0, SABM
    opened, closed = 0, 0
    for part in story:
        now += 1.0
        actions = []
        if isinstance(part, Frame):
            actions = link.receive(part, now)
        elif part == "send" and link.state in (State.CONNECTED, State.TIMER_RECOVERY) and not link._leaving:
            actions = link.send(b"some bytes for the peer", now)
        elif part == "tick":
            now = link.due() or now
            actions = link.tick(now)
        elif part == "call" and link.state is State.DISCONNECTED:
            actions = link.call(now)
            opened += 1
        elif part == "hang up":
            actions = link.hang_up(now)
        elif part in ("busy", "ready"):
            actions = link.set_busy(now, busy=part == "busy")
        elif part == "refused":
            actions = link.refused(last, "not now", now)
        for action in actions:
            if isinstance(action, Transmit):
                last = action.frame
            opened += isinstance(action, Opened) and not action.called
            closed += isinstance(action, Closed)
        assert 0 <= link._outstanding <= 7
        assert link._fixed <= len(link._pieces)
        assert link.waiting == sum(map(len, link._pieces))
    link.hang_up(now)
    for _ in range(500):
        if (due := link.due()) is None:
            break
        closed += sum(isinstance(action, Closed) for action in link.tick(due))
    assert link.state is State.DISCONNECTED
    assert len(link._pieces) == 0


class Channel:
    """Two links, and the air between them: frames take their time, get lost, come twice, and overtake each other.

    A frame that is late is late by two frames and half a second at most, which is what a digipeater does.
    """

    def __init__(self, seed, *, loss, window, late, twice):
        self.dice = random.Random(seed)
        self.parameters = Parameters(window=window, piece=self.dice.choice((16, 64, 128, 256)))
        self.loss, self.late, self.twice = loss, late, twice
        self.links = (Link(self.parameters), Link(self.parameters))
        self.said = tuple(self.dice.randbytes(self.dice.randrange(3000)) for _ in self.links)
        self.heard = (bytearray(), bytearray())
        self.ends = [[], []]
        self.now, self.turns = 0.0, 0
        self._air = []
        self._silent_at = [0.0, 0.0]
        self._number = itertools.count()

    def story(self):
        """Call, say everything both ways, say goodbye once all of it is acknowledged; return when both are done."""
        self._do(0, self.links[0].call(0.0))
        while any(link.state is not State.DISCONNECTED for link in self.links):
            self.turns += 1
            assert self.turns < 100_000, "it hangs"
            self._next()
            if self.complete and not any(link.waiting for link in self.links):
                self._do(0, self.links[0].hang_up(self.now))

    @property
    def complete(self):
        return self.heard[1] == self.said[0] and self.heard[0] == self.said[1]

    def _next(self):
        times = [due for link in self.links if (due := link.due()) is not None]
        self.now = max(self.now, min([*times, *(event[0] for event in self._air[:1])]))
        while self._air and self._air[0][0] <= self.now:
            _, _, to, frame = heapq.heappop(self._air)
            self._do(to, self.links[to].receive(frame, self.now))
        for side, link in enumerate(self.links):
            if (due := link.due()) is not None and due <= self.now:
                self._do(side, link.tick(self.now))

    def _do(self, side, actions):
        for action in actions:
            match action:
                case Transmit(frame):
                    self._transmit(side, frame)
                case Opened():
                    self._do(side, self.links[side].send(self.said[side], self.now))
                case Received(data):
                    self.heard[side].extend(data)
                    assert self.said[1 - side].startswith(bytes(self.heard[side])), "out of order, twice, or another's"
                case Closed(reason):
                    self.ends[side].append(reason)

    def _transmit(self, side, frame):
        begin = max(self.now, self._silent_at[side])
        self._silent_at[side] = begin + self.parameters.air_seconds(len(frame.info)) + KEY_UP * (begin == self.now)
        if self.dice.random() < self.loss:
            return
        for _ in range(1 + (self.dice.random() < self.twice)):
            longest = 0.5 + 2 * self.parameters.air_seconds(self.parameters.piece)
            delay = self.dice.uniform(0, longest) if self.dice.random() < self.late else 0.0
            heapq.heappush(self._air, (self._silent_at[side] + delay, next(self._number), 1 - side, frame))


# Windows up to 3 are safe where frames overtake each other, those above it where they do not (docs/packet.md).
CHANNELS = [
    *((window, {"loss": 0.3, "late": 0.2, "twice": 0.1}) for window in (1, 2, 3)),
    *((window, {"loss": 0.3, "late": 0.0, "twice": 0.1}) for window in (4, 7)),
    (3, {"loss": 0.0, "late": 0.0, "twice": 0.0}),
]
STORIES = 350  # of each channel


@pytest.mark.parametrize(("window", "air"), CHANNELS)
def test_every_byte_comes_in_order_or_the_link_ends_with_a_reason(window, air):
    ends = Counter()
    for seed in range(STORIES):
        channel = Channel(seed, window=window, **air)
        channel.story()
        if not channel.complete:
            assert any(channel.ends), f"story {seed} ended without a word"
        ends["complete" if channel.complete else min(map(str, channel.ends))] += 1
    share = ends["complete"] / STORIES
    assert share == 1.0 if not air["loss"] else share > 0.9, ends


def test_over_a_dead_channel_everything_ends_in_bounded_time():
    channel = Channel(1, loss=1.0, window=3, late=0.0, twice=0.0)
    channel.story()
    assert channel.ends == [["no answer after 11 tries"], []]
    assert channel.now < 15 * link_module.LONGEST_T1
