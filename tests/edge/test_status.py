import json
import time

from edge.status import NOISE_AT, RECENT, DeviceBoard, Faults, RouteStatus, State


def test_a_board_tells_each_turn_and_since_when():
    told = []
    board = DeviceBoard("vhf", "aprs", "serial:///dev/a", lambda: told.append(board.text))
    board.turn(State.STARTING, "opening")
    since = board.since
    assert time.time() - since < 5
    board.turn(State.STARTING, "still opening")
    assert board.since == since
    board.turn(State.UP, "up")
    assert board.since >= since
    assert told == ["opening", "still opening", "up"]


def test_what_is_read_is_plain_and_fit_for_json():
    board = DeviceBoard("vhf", "aprs", "serial:///dev/a")
    board.hear(100.5)
    board.hear(101.5)
    board.refuse("transmitting is off")
    board.routes = lambda: (RouteStatus(consumer="a.B", match="", text="running", waiting=0, dropped=0, errors=0),)
    board.counters = lambda: {"noise_bytes": 7}
    status = board.read()
    assert (status.heard, status.last_heard, status.refused, status.refusal) == (2, 101.5, 1, "transmitting is off")
    plain = json.loads(json.dumps(status.as_dict()))
    assert plain["state"] == "stopped"
    assert plain["routes"][0]["consumer"] == "a.B"
    assert plain["counters"] == {"noise_bytes": 7}


def test_a_new_board_goes_on_counting_where_the_old_one_ended():
    old = DeviceBoard("vhf", "aprs", "a")
    old.turn(State.STOPPED, "switched off")
    old.hear(1.0)
    old.sent = 3
    old.refuse("too fast")
    new = DeviceBoard("vhf", "ax25", "b")
    new.go_on_from(old)
    assert (new.kind, new.link, new.heard, new.sent, new.refused, new.refusal) == ("ax25", "b", 1, 3, 1, "too fast")
    new.turn(State.STOPPED, "switched off")
    assert new.since == old.since


def test_a_fault_is_told_in_words_for_a_while_and_counted_for_ever(monkeypatch):
    faults = Faults()
    assert faults.recent() == ""
    faults.add(ValueError("first\nline"))
    faults.add(KeyError("x" * 1000))
    assert faults.recent().startswith("raised KeyError: 'xxx")
    assert "2 in all" in faults.recent()
    assert len(faults.recent()) < 300
    faults.at -= RECENT
    assert (faults.recent(), faults.count) == ("", 2)


def test_a_line_of_which_nothing_is_understood_is_said_to_be_noise():
    counters = {"noise_bytes": 0, "not_aprs": 0}
    board = DeviceBoard("vhf", "aprs", "memory://vhf", counters=lambda: counters)
    board.turn(State.UP, "up")
    counters["noise_bytes"] = NOISE_AT - 1
    assert board.read().text == "up"
    counters["noise_bytes"] = NOISE_AT
    assert board.read().text.startswith("up, but only noise is heard: is the baud rate right")
    counters["not_aprs"] = 1  # a frame, if not of APRS
    assert board.read().text == "up"
    counters["not_ax25"] = NOISE_AT
    assert "only noise" in board.read().text
    board.hear(1.0)
    assert board.read().text == "up"
    counters["noise_bytes"] += NOISE_AT
    board.turn(State.WAITING, "unplugged")
    assert board.read().text == "unplugged"
    board.turn(State.UP, "up")  # what the old link heard says nothing of the new one
    assert board.read().text == "up"
