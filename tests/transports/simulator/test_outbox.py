from transports.simulator.outbox import Outbox


def test_frames_leave_in_order_and_in_pieces():
    box = Outbox()
    box.put(b"abc")
    box.put(b"de")
    box.advance(2)
    assert (box.head(), box.size) == (b"c", 3)
    box.advance(1)
    assert box.head() == b"de"
    box.advance(2)
    assert (box.head(), box.size) == (b"", 0)


def test_the_oldest_goes_when_it_is_full():
    box = Outbox(limit=6)
    for frame in (b"aa", b"bb", b"cc", b"ddd"):
        box.put(frame)
    assert (box.head(), box.size, box.dropped) == (b"cc", 5, 2)


def test_the_frame_that_has_partly_left_stays():
    box = Outbox(limit=6)
    box.put(b"aaa")
    box.put(b"bbb")
    box.advance(1)
    box.put(b"cccc")
    assert (box.head(), box.size, box.dropped) == (b"aa", 6, 1)


def test_what_can_never_fit_is_dropped_itself():
    box = Outbox(limit=4)
    box.put(b"aaa")
    box.advance(1)
    box.put(b"bbbb")
    assert (box.head(), box.dropped) == (b"aa", 1)


def test_clearing_counts_what_was_lost():
    box = Outbox()
    box.put(b"a")
    box.clear()
    assert (box.head(), box.size, box.dropped) == (b"", 0, 1)


def test_nothing_does_not_stand_in_the_way_of_what_follows():
    box = Outbox()
    box.put(b"")
    box.put(b"a")
    assert (box.head(), box.size, box.dropped) == (b"a", 1, 0)
