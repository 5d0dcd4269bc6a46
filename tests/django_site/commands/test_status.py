from django_site.commands.status import lines, span

NOW = 1_000_000.0

DEVICE = {
    "name": "vhf",
    "kind": "aprs",
    "link": "serial:///dev/ttyUSB0",
    "state": "waiting",
    "text": "/dev/ttyUSB0 is not there (unplugged?); trying again in 4 s",
    "since": NOW - 90,
    "heard": 12,
    "last_heard": NOW - 7200,
    "sent": 3,
    "refused": 1,
    "refusal": "no callsign is set",
    "routes": [{"consumer": "my.Chat", "match": "source=QQ1*", "text": "waits for the link", "dropped": 2}],
}
BOX = {"version": "0.1.0", "pid": 1, "started": NOW - 30, "problems": ["the disk is full"]}


def test_status_says_in_plain_words_what_is_wrong():
    shown = "\n".join(lines({"box": BOX, "devices": [DEVICE]}, NOW))
    assert "! the disk is full" in shown
    assert "vhf  waiting for 90 s: /dev/ttyUSB0 is not there (unplugged?); trying again in 4 s" in shown
    assert "heard 12, last 2 h ago; sent 3; refused 1" in shown
    assert "last refused: no callsign is set" in shown
    assert "→ my.Chat (source=QQ1*): waits for the link; 2 dropped" in shown


def test_a_box_without_devices_says_where_to_add_one():
    assert lines({"box": BOX, "devices": []}, NOW)[-1] == "There are no devices yet. Add one in the admin."


def test_spans_are_told_in_the_largest_unit_that_fits():
    assert [span(seconds) for seconds in (-1, 0, 119, 120, 7199, 7200, 200_000)] == [
        "0 s",
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2 h",
        "2 d",
    ]
