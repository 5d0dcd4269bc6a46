"""An APRS message that must not be lost: said while no TNC is there, kept over kill -9, sent until it is answered."""

import signal

from tests.scenarios.running import SOON, Box, Workbench, make_rows, short_folder, until
from transports.simulator.packets import decode_packet

OPTIONS = {"callsign": "QQ1EDG", "frames_per_minute": 60, "duty_percent": 100}


def next_message(bench, tnc):
    """Return the next message that the TNC was given, as it goes on the air."""
    while True:
        packet = decode_packet(bench.do(tnc.next_sent()))
        if packet.info.startswith(b":"):
            return packet.info.decode()


def test_a_message_is_kept_until_there_is_a_tnc_and_the_peer_has_answered():
    with short_folder() as folder, Workbench() as bench:
        data = folder / "data"
        data.mkdir()
        device = {"name": "vhf", "kind": "aprs", "link": f"serial://{folder}/vhf", "transmit": True, "options": OPTIONS}
        make_rows(data, device)
        with Box(data) as box:
            box.turns("vhf", "waiting")
            for words in ("one", "two"):
                kept = box.edge("send", "vhf", "--to", "QQ1ABC", "--durable", words)
                assert (kept.returncode, kept.stdout) == (0, "kept for vhf\n"), kept.stderr
            box.process.send_signal(signal.SIGKILL)
            box.process.wait(SOON)
        with Box(data) as box:
            assert box.device("vhf")["outbox"]["waiting"] == 2
            tnc = bench.plug(folder / "vhf")
            box.turns("vhf", "up", limit=60)
            assert next_message(bench, tnc) == ":QQ1ABC   :one{Q0010"
            bench.hear(tnc, ":QQ1EDG   :ackQ0010", source="QQ1ABC")
            assert next_message(bench, tnc) == ":QQ1ABC   :two{Q0020"  # not before the first was answered
            box.process.send_signal(signal.SIGKILL)
            box.process.wait(SOON)
        with Box(data) as box:
            if (again := next_message(bench, tnc)) == ":QQ1ABC   :one{Q0010":  # its mark was not on disk yet
                bench.hear(tnc, ":QQ1EDG   :ackQ0010", source="QQ1ABC")
                again = next_message(bench, tnc)
            assert again == ":QQ1ABC   :two{Q0020"  # the same id: its reader shows it once
            bench.hear(tnc, ":QQ1EDG   :ackQ0020", source="QQ1ABC")
            until(lambda: box.device("vhf")["outbox"]["waiting"] == 0, "nothing waits any more")
            assert box.device("vhf")["outbox"]["sent"] in (1, 2)
            assert "outbox: 0 waiting" in box.edge("status").stdout


def test_what_the_gate_would_never_let_pass_is_refused_at_once():
    with short_folder() as folder:
        data = folder / "data"
        data.mkdir()
        make_rows(data, {"name": "vhf", "kind": "aprs", "link": f"serial://{folder}/vhf", "options": OPTIONS})
        with Box(data) as box:
            box.turns("vhf", "waiting")
            refused = box.edge("send", "vhf", "--to", "QQ1ABC", "--durable", "hello")
            assert refused.returncode == 4
            assert "transmitting is off for vhf" in refused.stderr
            assert box.device("vhf")["outbox"]["waiting"] == 0
            wrong = box.edge("send", "vhf", "--to", "QQ1ABC", "--expires", "5", "hello")
            assert (wrong.returncode, wrong.stdout) == (2, "")
