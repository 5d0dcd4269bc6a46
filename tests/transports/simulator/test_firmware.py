"""What each family's firmware answers, byte by byte, from the manuals: pure, with the clock in the test's hand."""

import pytest

from transports.simulator.firmware import FAMILIES


class Bench:
    def __init__(self, family):
        self.now = 0.0
        self.said = bytearray()
        self.tnc = FAMILIES[family]()
        self.tnc.say = self.said.extend
        self.tnc.clock = lambda: self.now

    def type(self, data):
        """Give what the TNC says to it, and what of it is KISS."""
        self.said.clear()
        kiss = b"".join(self.tnc.take(bytes([byte])) for byte in data)
        return bytes(self.said), kiss


@pytest.mark.parametrize(
    ("family", "arm", "restart"), [("tnc2", b"KISS ON\r", b"RESTART\r"), ("kantronics", b"intface kiss\r", b"RESET\r")]
)
def test_a_prompt_echoes_arms_and_restarts(family, arm, restart):
    bench = Bench(family)
    assert bench.type(arm) == (arm[:-1] + b"\r\nwas OFF\r\ncmd:", b"")
    assert not bench.tnc.kiss
    assert bench.type(restart) == (restart[:-1] + b"\r\n", b"")
    assert bench.type(b"\xc0\x00") == (b"", b"\xc0\x00")
    bench.tnc.leave()
    assert bench.said.endswith(b"cmd:")
    assert bench.type(b"what\r") == (b"what\r\n?EH\r\ncmd:", b"")
    assert bench.type(restart)[0].endswith(b"cmd:")
    assert not bench.tnc.kiss


def test_in_converse_mode_a_line_goes_on_the_air_unless_it_is_cancelled():
    bench = Bench("tnc2")
    bench.type(b"CONV\rhello\rhalf\x18\x03\r")
    assert bench.tnc.transmitted == [b"hello"]
    assert bench.type(b"\x18\x03\r") == (b"\\\r\ncmd:\r\ncmd:", b"")


def test_one_chunk_may_hold_the_command_and_kiss():
    bench = Bench("tnc2")
    assert bench.tnc.take(b"KISS ON\rRESTART\r\xc0\x00hi\xc0") == b"\xc0\x00hi\xc0"


@pytest.mark.parametrize(("family", "on"), [("kenwood-d7", b"TNC 2\rTC 0\r"), ("kenwood-d710", b"TN 2,0\r")])
def test_a_kenwood_is_a_radio_then_a_tnc_and_a_terminal_command_ends_it(family, on):
    bench = Bench(family)
    assert bench.type(b"HB 1200\r") == (b"?\r", b"")
    said, _ = bench.type(b"TC 1\r" + on)
    assert said.startswith(b"TC 1\r")
    assert said.endswith(b"cmd:")
    bench.type(b"KISS ON\rRESTART\r")
    assert bench.type(b"\xc0\x00ab") == (b"", b"\xc0\x00ab")
    bench.type(b"\xdb\x43TC")
    assert bench.type(b"\xdb\x43 0\r")[1] == b"\xdb\x43 0\r"
    assert bench.type(b"TC 0\r")[0] == b"TC 0\r"
    assert not bench.tnc.kiss
    assert bench.type(b"HB 1200\r") == (b"?\r", b"")


@pytest.mark.parametrize("family", ["scs-tracker", "wa8ded"])
def test_wa8ded_takes_commands_behind_an_escape_and_sends_the_rest(family):
    bench = Bench(family)
    assert bench.type(b"hello\r\x1bZ\r") == (b"* INVALID COMMAND: Z *\r\n", b"")
    assert bench.tnc.transmitted == [b"hello"]
    assert bench.type(b"junk\x18\x1b@K\r\xc0")[1] == b"\xc0"
    assert bench.tnc.transmitted == [b"hello"]


def test_a_board_is_deaf_while_it_starts():
    bench = Bench("arduino")
    bench.tnc.opened()
    assert bench.type(b"\xc0\x01\x28\xc0")[1] == b""
    bench.now = 1.5
    assert bench.type(b"\xc0")[1] == b"\xc0"
    assert bench.tnc.lost == 4


def test_one_that_is_slow_loses_what_follows_closely():
    bench = Bench("vr-n76")
    taken = []
    for bench.now in (0.0, 0.5, 1.0, 2.0):
        taken.append(bench.tnc.may_transmit())
    assert taken == [True, False, True, True]


def test_before_kiss_mode_what_is_heard_is_text():
    bench = Bench("tnc2")
    assert bench.tnc.hear(b"\x00" * 16 + b">hi") == b"QQ1CA2-9>APZSIM <UI>:\r\n>hi\r\n"
    bench.tnc.was_left(kiss=True)
    assert bench.tnc.hear(b"\x00" * 16) is None
    assert Bench("kenwood-d7").tnc.hear(b"\x00" * 16) == b""
