"""What the box's screen says, and when anew."""

import pytest
from welcome.screen import RENEW_AFTER, Seen, due, first_address, text

HERE = Seen("192.0.2.7", clock_set=False)


@pytest.mark.parametrize(
    ("shown", "now", "age", "expected"),
    [
        (None, HERE, 0.0, True),
        (HERE, HERE, 60.0, False),
        (HERE, Seen("192.0.2.7", clock_set=True), 60.0, True),
        (HERE, Seen("192.0.2.8", clock_set=False), 60.0, True),
        (HERE, HERE, RENEW_AFTER, True),
    ],
    ids=["first", "as it was", "the clock was set", "another address", "about to expire"],
)
def test_a_new_link_is_shown_whenever_the_old_one_would_not_work(shown, now, age, expected):
    assert due(shown, now, age) is expected


def test_the_screen_has_every_address_and_the_link_while_it_is_needed():
    said = text(["192.0.2.7", "edge.local"], "http://192.0.2.7/login/x/")
    assert "http://192.0.2.7/  http://edge.local/" in said
    assert "    http://192.0.2.7/login/x/\n" in said
    assert "sign in" not in text(["192.0.2.7"], "").lower()


def test_the_address_is_one_that_others_can_reach():
    def interface(*entries):
        return {"addr_info": [{"family": f, "local": local, "scope": scope} for f, local, scope in entries]}

    loopback = interface(("inet", "127.0.0.1", "host"))
    wire = interface(("inet6", "fe80::1", "link"), ("inet", "192.0.2.7", "global"))
    assert first_address([loopback, wire]) == "192.0.2.7"
    assert first_address([loopback]) == "127.0.0.1"
