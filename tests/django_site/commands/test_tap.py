from django_site.commands.tap import SHOWN, line


def shown(event, **more):
    return line({"device": "vhf", "direction": "heard", "reason": "", "event": {"time": 0.0, **event}, **more})


def test_a_packet_is_a_line_with_time_device_direction_and_summary():
    text = shown({"source": "QQ1ABC", "destination": "APZEDG", "summary": "status: hm"})
    assert text == "00:00:00 vhf heard   QQ1ABC>APZEDG status: hm"


def test_a_refusal_carries_its_reason():
    text = shown({"packet": {"format": "status", "text": "x"}}, direction="refused", reason="transmitting is off")
    assert text == "00:00:00 vhf refused format status, text x  [transmitting is off]"


def test_nothing_from_the_air_can_move_the_cursor():
    assert shown({"info": {"hex": b"\x1b[2Jhi\r\n".hex()}}) == "00:00:00 vhf heard   ·[2Jhi··"


def test_a_long_payload_is_cut():
    assert len(shown({"bytes": {"hex": "61" * 5000}})) < SHOWN + 40


def test_what_was_guessed_stands_behind_the_line():
    text = shown({"summary": "position", "origins": {"symbol": "guessed: neither names one\r"}})
    assert text == "00:00:00 vhf heard   position  [symbol guessed: neither names one·]"
