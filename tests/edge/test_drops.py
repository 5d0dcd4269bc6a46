"""What is dropped is counted always, and said once an interval."""

import logging

from edge.drops import DropLog, RefusalLog


def test_the_first_drop_is_logged_at_once_and_the_others_together(caplog):
    now = 100.0
    drops = DropLog(logging.getLogger("edge.layers"), "the layer", interval=60, clock=lambda: now)
    with caplog.at_level(logging.WARNING, "edge.layers"):
        drops.count(1, "room")
        for _ in range(1000):
            drops.count(2, "room")
        assert len(caplog.messages) == 1
        now += 60
        drops.count(1, "hall")
    first, second = caplog.messages
    assert "the layer dropped 1 messages, the last for room" in first
    assert "dropped 2001 messages, the last for hall" in second
    assert drops.total == 2002


def test_a_program_that_sends_on_does_not_fill_the_log_with_refusals(caplog):
    now = 100.0
    refusals = RefusalLog(logging.getLogger("edge.runner"), "vhf", interval=60, clock=lambda: now)
    with caplog.at_level(logging.INFO, "edge.runner"):
        refusals.count("transmitting is off")
        for _ in range(600):
            refusals.count("20 frames in the last minute")
        now += 60
        refusals.count("21 frames in the last minute")
    assert caplog.messages == [
        "vhf: not transmitted: transmitting is off",
        "vhf: not transmitted: 21 frames in the last minute (and 600 others since; said at most every 60 s)",
    ]
