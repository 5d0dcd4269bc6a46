"""What is dropped is counted always, and said once an interval."""

import logging

from edge.drops import DropLog


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
