import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import LocalProtocolError
from edge.messaging import (
    ACK_GAP,
    DUPLICATE_WINDOW,
    HEARD_WINDOW,
    MAX_HEARD,
    MAX_ID,
    MAX_PEERS,
    MAX_PIECES,
    MAX_REMEMBERED,
    MAX_TEXT,
    MAX_WAITING,
    REMEMBER_IDS,
    Heard,
    Messages,
    Station,
    Transmit,
    Undelivered,
    cut,
)
from transports.codecs import aprs

US, PEER = "QQ1EDG-10", "QQ1MIA-7"


@pytest.fixture
def messages():
    return Messages(Station(US))


def message(text, id="", **more):
    return {"format": "message", "addressee": US, "text": text, "id": id, **more}


def ack(id, format="ack"):
    return {"format": format, "addressee": US, "id": id}


def sent(actions):
    """Return what was transmitted as addressee, text and id."""
    packets = [action.packet for action in actions if isinstance(action, Transmit)]
    return [(packet["addressee"], packet["text"], packet["id"]) for packet in packets if packet["format"] == "message"]


def acknowledged(actions):
    packets = [action.packet for action in actions if isinstance(action, Transmit)]
    return [packet["id"] for packet in packets if packet["format"] == "ack"]


def heard(actions):
    return [action.text for action in actions if isinstance(action, Heard)]


def test_a_message_with_an_id_is_acknowledged_first_and_delivered(messages):
    assert messages.receive(PEER, message("hello", "12"), 0) == [
        Transmit({"format": "ack", "addressee": PEER, "id": "12"}),
        Heard(PEER, "hello"),
    ]


def test_a_message_without_an_id_is_delivered_and_not_acknowledged(messages):
    assert messages.receive(PEER, message("hello"), 0) == [Heard(PEER, "hello")]


@pytest.mark.parametrize(
    "packet",
    [
        message("x", addressee="QQ1EDG-9"),
        message("x", addressee="BLN1") | {"format": "bulletin"},
        {"format": "position", "latitude": 1.0},
        {"format": "status", "status": "x", "addressee": US},
        {},
    ],
)
def test_what_is_not_for_us_is_not_heard(messages, packet):
    assert messages.receive(PEER, packet, 0) == []


def test_our_own_message_through_a_digipeater_is_not_heard(messages):
    assert messages.receive(US, message("x", "1"), 0) == []


def test_a_station_without_a_callsign_hears_nothing():
    assert Messages(Station("")).receive(PEER, {"format": "message", "addressee": "", "text": "x", "id": "1"}, 0) == []


def test_copies_through_digipeaters_are_delivered_once_and_acknowledged_once(messages):
    actions = [action for now in (0, 1, 4) for action in messages.receive(PEER, message("hello", "12"), now)]
    assert (heard(actions), acknowledged(actions)) == (["hello"], ["12"])


def test_a_retry_is_acknowledged_again_and_not_delivered_again(messages):
    messages.receive(PEER, message("hello", "12"), 0)
    again = messages.receive(PEER, message("hello", "12"), ACK_GAP)
    assert (heard(again), acknowledged(again)) == ([], ["12"])


def test_copies_without_an_id_are_delivered_once(messages):
    messages.receive(PEER, message("hello"), 0)
    assert heard(messages.receive(PEER, message("hello"), DUPLICATE_WINDOW - 0.1)) == []
    assert heard(messages.receive(PEER, message("hello"), DUPLICATE_WINDOW)) == ["hello"]


def test_a_text_that_is_said_every_twenty_seconds_is_not_swallowed_for_ever(messages):
    actions = [action for now in range(0, 100, 20) for action in messages.receive(PEER, message("hello"), now)]
    assert heard(actions) == ["hello"] * 3


def test_an_id_that_comes_round_is_another_message(messages):
    messages.receive(PEER, message("one", "1"), 0)
    assert heard(messages.receive(PEER, message("two", "1"), 5)) == ["two"]
    assert heard(messages.receive(PEER, message("one", "1"), REMEMBER_IDS)) == ["one"]
    assert heard(messages.receive("QQ2XYZ", message("one", "1"), 6)) == ["one"]


def test_what_is_remembered_is_bounded(messages):
    for number in range(3 * MAX_REMEMBERED):
        messages.receive(f"QQ{number}", message("x", "1"), number)
    assert len(messages._heard._times) == MAX_REMEMBERED
    assert len(messages.station.acknowledged._times) == MAX_REMEMBERED


def test_a_reply_ack_station_is_acknowledged_and_acknowledges(messages):
    messages.send(PEER, "question", 0)
    actions = messages.receive(PEER, message("answer", "AB", reply_ack="1"), 5)
    assert (heard(actions), acknowledged(actions)) == (["answer"], ["AB"])
    assert messages.tick(1000) == []


def test_a_reply_ack_is_acknowledged_by_all_that_stands_there(messages):
    (ack, _) = messages.receive(PEER, message("hi", "MM", reply_ack="AA"), 0)
    assert ack == Transmit({"format": "ack", "addressee": PEER, "id": "MM", "reply_ack": "AA"})
    (ack, _) = messages.receive(PEER, message("ho", "MN", reply_ack=""), 1)
    assert ack == Transmit({"format": "ack", "addressee": PEER, "id": "MN", "reply_ack": ""})


def test_who_uses_reply_acks_is_written_to_with_its_latest_id_at_each_try(messages):
    messages.receive(PEER, message("one", "K1", reply_ack=""), 0)
    ((first),) = messages.send(PEER, "answer", 1)
    assert first.packet["reply_ack"] == "K1"
    assert len(first.packet["id"]) == 2
    messages.receive(PEER, message("two", "K2", reply_ack=""), 2)
    (again,) = messages.tick(31)
    assert again.packet == {**first.packet, "reply_ack": "K2"}


def test_what_is_sent_with_a_reply_ack_is_settled_by_it_by_an_ack_and_by_an_ack_with_all_of_it(messages):
    def answers(id):
        yield message("three", "K3", reply_ack=id)
        yield ack(id)
        yield ack(id) | {"reply_ack": "K1"}

    for number in range(3):
        messages.receive(PEER, message("one", "K1", reply_ack=""), 0)
        (question,) = messages.send(PEER, "question", 1)
        messages.receive(PEER, list(answers(question.packet["id"]))[number], 2)
        assert messages.tick(1000) == []


def test_who_gives_up_reply_acks_is_written_to_in_the_old_form(messages):
    messages.receive(PEER, message("one", "K1", reply_ack=""), 0)
    messages.receive(PEER, message("two", "17"), 1)
    (answer,) = messages.send(PEER, "answer", 2)
    assert "reply_ack" not in answer.packet


def test_reply_ack_stations_that_are_remembered_are_bounded(messages):
    for number in range(2 * MAX_PEERS):
        messages.receive(f"QQ{number}", message("x", "K1", reply_ack=""), 0)
    assert len(messages.station.replying) == MAX_PEERS


def test_ids_of_two_characters_come_round():
    station = Station(US)
    ids = [station.number(short=True) for _ in range(36 * 36)]
    assert len(set(ids)) == 36 * 36
    assert {len(number) for number in ids} == {2}


def through_an_igate(packet, source=PEER):
    inner = {"format": packet["format"], "fields": packet, "reason": "", "raw": b""}
    return {"format": "third-party", "source": source, "destination": "APRS", "path": ["TCPIP"], "packet": inner}


def test_what_an_igate_brings_is_its_inner_sources_and_so_is_the_answer(messages):
    assert messages.receive("QQ1GAT", through_an_igate(message("hello", "12")), 0) == [
        Transmit({"format": "ack", "addressee": PEER, "id": "12"}),
        Heard(PEER, "hello"),
    ]
    messages.send(PEER, "answer", 1)
    messages.receive("QQ1GAT", through_an_igate(ack("1")), 2)
    assert messages.tick(1000) == []


def test_the_same_message_by_radio_and_through_an_igate_is_one(messages):
    messages.receive(PEER, message("hello", "12"), 0)
    assert messages.receive("QQ1GAT", through_an_igate(message("hello", "12")), 1) == []


def test_what_an_igate_sends_of_ourselves_or_brings_broken_is_not_heard(messages):
    assert messages.receive("QQ1GAT", through_an_igate(message("hello", "12"), US), 0) == []
    assert messages.receive("QQ1GAT", {"format": "third-party", "source": PEER, "packet": None}, 0) == []
    assert messages.receive("QQ1GAT", {"format": "third-party", "source": PEER, "packet": {"fields": 5}}, 0) == []


def test_a_message_within_two_gateways_is_heard_as_the_parser_gives_it(messages):
    raw = b"}QQ1GAT>APRS,X*:}QQ1MIA-7>APRS,Y*::QQ1EDG-10:hello{12"
    packet = aprs.parse("QQ2GAT", "APRS", [], raw)
    assert heard(messages.receive("QQ2GAT", {"format": packet.format, **packet.fields}, 0)) == ["hello"]


def test_two_stations_that_answer_by_themselves_come_to_rest_at_the_pace():
    """Each answers whatever it hears; between them nothing is lost, and nothing takes time."""
    us, them = Messages(Station(US)), Messages(Station(PEER))
    on_air, said, now = [(PEER, us, action) for action in them.send(US, "ping", 0.0)], 0, 0.0
    for _ in range(2000):
        if not on_air:
            break
        source, receiver, action = on_air.pop(0)
        sender, other = (them, us) if receiver is us else (us, them)
        for reaction in receiver.receive(source, dict(action.packet), now):
            if isinstance(reaction, Heard):
                said += 1
                answer = receiver.send(reaction.peer, f"{reaction.text[:4]} {said}", now)
                on_air += [(receiver.station.callsign, sender, each) for each in answer]
            else:
                on_air.append((receiver.station.callsign, sender, reaction))
        assert sender is not other
    assert said == 2 * MAX_HEARD
    assert us.ignored + them.ignored >= 1


def test_who_speaks_too_fast_is_not_acknowledged_and_heard_when_it_tries_again(messages):
    for number in range(MAX_HEARD):
        assert heard(messages.receive(PEER, message(f"text {number}", str(number)), 0)) == [f"text {number}"]
    assert messages.receive(PEER, message("more", "99"), 1) == []
    assert messages.ignored == 1
    assert acknowledged(messages.receive(PEER, message("text 0", "0"), ACK_GAP)) == ["0"]
    later = messages.receive(PEER, message("more", "99"), HEARD_WINDOW)
    assert (heard(later), acknowledged(later)) == (["more"], ["99"])
    assert heard(messages.receive("QQ2XYZ", message("hi", "1"), 1)) == ["hi"]


def test_the_first_id_is_the_callers_and_ids_come_round():
    messages = Messages(Station(US, MAX_ID))
    assert sent(messages.send("A1A", "x", 0)) == [("A1A", "x", str(MAX_ID))]
    assert sent(messages.send("B1B", "x", 0)) == [("B1B", "x", "1")]


def test_two_routes_of_one_station_share_ids_and_acknowledgements():
    station = Station(US, 7)
    one, other = Messages(station), Messages(station)
    assert sent([*one.send("A1A", "x", 0), *other.send("A1A", "y", 0)]) == [("A1A", "x", "7"), ("A1A", "y", "8")]
    actions = [*one.receive(PEER, message("hi", "1"), 0), *other.receive(PEER, message("hi", "1"), 0)]
    assert (heard(actions), acknowledged(actions)) == (["hi", "hi"], ["1"])


def test_one_message_is_on_its_way_and_the_next_follows_its_acknowledgement(messages):
    assert sent(messages.send(PEER, "one", 0)) == [(PEER, "one", "1")]
    assert messages.send(PEER, "two", 0) == []
    assert sent(messages.receive(PEER, ack("1"), 5)) == [(PEER, "two", "2")]
    assert messages.receive(PEER, ack("2"), 6) == []
    assert messages.tick(10_000) == []


def test_one_peer_does_not_wait_for_another(messages):
    messages.send(PEER, "one", 0)
    assert sent(messages.send("QQ2XYZ", "two", 0)) == [("QQ2XYZ", "two", "2")]


def test_an_acknowledgement_that_is_not_due_changes_nothing(messages):
    messages.send(PEER, "one", 0)
    messages.send(PEER, "two", 0)
    for stranger, id_ in ((PEER, "2"), (PEER, "99"), (PEER, ""), ("QQ2XYZ", "1")):
        assert messages.receive(stranger, ack(id_), 1) == []
    assert sent(messages.tick(30)) == [(PEER, "one", "1")]


def test_a_message_is_retried_with_growing_gaps_and_given_up(messages):
    messages.send(PEER, "hello", 0)
    times = [now for now in range(1000) if sent(messages.tick(now))]
    assert times == [30, 90, 210, 450]
    assert messages.tick(1000) == []


def test_who_does_not_answer_is_given_up_with_all_that_waits(messages):
    messages.send(PEER, "one", 0)
    messages.send(PEER, "two", 0)
    given_up = [action for now in range(1000) for action in messages.tick(now) if isinstance(action, Undelivered)]
    assert given_up == [Undelivered(PEER, "one", "no acknowledgement after 5 tries")]
    assert sent(messages.send(PEER, "three", 1000)) == [(PEER, "three", "3")]


def test_the_last_try_is_waited_for(messages):
    messages.send(PEER, "hello", 0)
    for now in range(451):
        messages.tick(now)
    assert messages.tick(509) == []
    assert len(messages.tick(510)) == 1


def test_a_refusal_gives_up_at_once(messages):
    messages.send(PEER, "hello", 0)
    assert messages.receive(PEER, ack("1", "reject"), 1) == [Undelivered(PEER, "hello", "refused by the peer")]


def test_who_floods_a_peer_is_told(messages):
    for _ in range(MAX_WAITING):
        messages.send(PEER, "x", 0)
    with pytest.raises(LocalProtocolError, match=f"{MAX_WAITING} messages wait for {PEER} already"):
        messages.send(PEER, "x", 0)


def test_peers_with_something_waiting_are_bounded(messages):
    for number in range(MAX_PEERS):
        messages.send(f"QQ{number}", "x", 0)
    with pytest.raises(LocalProtocolError, match=f"wait for {MAX_PEERS} peers already"):
        messages.send("QQ999", "x", 0)
    messages.send("QQ1", "more for one of them", 0)


def test_a_long_text_is_cut_between_words():
    text = "the quick brown fox jumps over the lazy dog " * 5
    pieces = cut(text)
    assert " ".join(pieces) == text.strip()
    assert all(len(piece) <= MAX_TEXT and piece.split()[-1] in text.split() for piece in pieces)


def test_a_long_text_goes_in_order_one_acknowledged_after_the_other(messages):
    text = "word " * 30
    first = messages.send(PEER, text, 0)
    said = []
    while first:
        ((_, piece, id_),) = sent(first)
        said.append(piece)
        first = messages.receive(PEER, ack(id_), 0)
    assert " ".join(said) == text.strip()


def test_a_word_that_is_too_long_is_cut_anywhere():
    assert cut("x" * 100) == ["x" * MAX_TEXT, "x" * (100 - MAX_TEXT)]


def test_a_text_that_is_far_too_long_ends_in_dots():
    pieces = cut("word " * 1000)
    assert len(pieces) == MAX_PIECES
    assert pieces[-1].endswith("word...")
    assert all(len(piece) <= MAX_TEXT for piece in pieces)


def test_nothing_to_say_is_nothing_sent(messages):
    assert messages.send(PEER, " \r\n\t ", 0) == []
    assert messages.tick(1000) == []


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("a{1}b|c~d", "a(1)b!c-d"),
        ("line one\r\nline two\0", "line one line two"),
        ("bell\a and \x1b[31mred", "bell and [31mred"),
        ("half a pair \ud800!", "half a pair !"),
        ("zero\u200bwidth", "zerowidth"),
    ],
)
def test_hostile_characters_become_their_likes_or_go(text, piece):
    assert cut(text) == [piece]


@given(st.text(max_size=1500))
def test_whatever_is_said_fits_and_can_be_encoded(text):
    pieces = cut(text)
    assert len(pieces) <= MAX_PIECES
    for number, piece in enumerate(pieces, 1):
        assert piece
        sent = aprs.encode({"format": "message", "addressee": PEER, "text": piece, "id": str(number)})
        parsed = aprs.parse(US, "APZEDG", [], sent.info)
        assert (parsed.fields["text"], parsed.fields["id"]) == (piece, str(number))
