"""Real AFSK audio, demodulated by Direwolf, read by our serial link and by our KISS-over-TCP link.

`tests.radio.offair` has the audio and the Direwolf.
"""

import asyncio
import re

import pytest

from edge.desired import DeviceWish
from edge.registry import Device
from tests.radio.offair import EXPECTED, SILENCE, parts
from tests.scenarios.running import SOON, eventually
from transports import ax25
from transports.options import Ax25Options

pytestmark = pytest.mark.needs("direwolf", "gen_packets")


def counts(events, *names):
    return [len(events.get(name, ())) for name in names]


async def test_every_packet_that_direwolf_demodulates_arrives_on_the_serial_link_and_over_tcp(direwolf, audio, devices):
    _, events = await devices(
        DeviceWish(name="pty", kind="aprs", link=f"serial://{await direwolf.pty()}"),
        DeviceWish(name="tcp", kind="ax25", link=f"tcp://127.0.0.1:{direwolf.kiss}"),
    )
    await direwolf.hear(audio + SILENCE)
    await eventually(lambda: counts(events, "pty", "tcp") >= [len(EXPECTED)] * 2, lambda: f"{events}", limit=30)
    assert [parts(event) for event in events["pty"]] == EXPECTED
    assert [parts(event) for event in events["tcp"]] == EXPECTED
    assert direwolf.log.read_bytes().count(b"\n[0") == len(EXPECTED)  # Direwolf heard no other either


async def test_what_direwolf_heard_is_understood_as_all_kinds_of_aprs(direwolf, audio, devices):
    _, events = await devices(DeviceWish(name="tcp", kind="aprs", link=f"tcp://127.0.0.1:{direwolf.kiss}"))
    await direwolf.hear(audio + SILENCE)
    await eventually(lambda: counts(events, "tcp") >= [len(EXPECTED)], lambda: f"{events}", limit=30)
    kinds = {event["format"] for event in events["tcp"]}
    assert kinds >= {
        "position", "mic-e", "object", "item", "grid", "message", "ack", "reject", "bulletin", "weather", "telemetry",
        "telemetry-definition", "status", "query", "capabilities", "third-party", "user-defined", "nmea", "test",
    }  # fmt: skip
    assert all(event["reason"] for event in events["tcp"] if event["format"] == "unparsed")


async def test_direwolf_transmits_what_we_send_over_the_serial_link(direwolf, devices):
    supervisor, _ = await devices(
        DeviceWish(
            name="pty",
            kind="aprs",
            link=f"serial://{await direwolf.pty()}",
            transmit=True,
            options={"callsign": "QQ1EDG-1", "path": "WIDE1-1,WIDE2-1"},
        )
    )
    message = {"format": "message", "addressee": "QQ1MIA-7", "text": "À and Û are stuffed", "id": "42"}
    stuffed = b">\xc0\xdb\xdb\xdc\xc0 end"
    assert await supervisor.transmit("pty", {"type": "aprs.send", "packet": message}) == ""
    assert await supervisor.transmit("pty", {"type": "aprs.send", "info": stuffed}) == ""
    await direwolf.hear(SILENCE)  # the audio clock is what it transmits by

    def sent():
        return re.findall(rb"\[0[LH][^]]*\] QQ1EDG-1>APZEDG,WIDE1-1,WIDE2-1:(.*)", direwolf.log.read_bytes())

    await eventually(lambda: len(sent()) == 2, direwolf.log.read_text)
    assert sent() == [":QQ1MIA-7 :À and Û are stuffed{42".encode(), stuffed]


async def test_direwolf_says_what_it_is_and_what_waits_and_takes_its_parameters(direwolf):
    """Asked over the serial link, and told more than it has by default; its own log says what it understood."""
    told, connected = [], asyncio.Event()
    options = Ax25Options(callsign="QQ1EDG-1", ask=True, txdelay=120, persistence=200, slottime=50, full_duplex="on")
    device = Device(name="pty", link=f"serial://{await direwolf.pty()}", options=options, state={})

    async def app(scope, receive, send):
        app.send = send
        connected.set()
        while not told or told[-1]["type"] != "ax25.disconnect":
            told.append(await receive())

    def reports(name):
        return [event for event in told if event["type"] == "ax25.report" and event["name"] == name]

    task = asyncio.create_task(ax25.build(device).serve(app, lambda: None))
    try:
        await asyncio.wait_for(connected.wait(), SOON)
        await eventually(lambda: reports("tnc"), direwolf.log.read_text)
        assert "DIREWOLF" in reports("tnc")[0]["text"].upper()
        await app.send({"type": "ax25.send", "destination": "APZEDG", "info": b">how much waits?"})
        await eventually(lambda: reports("txbuf"), direwolf.log.read_text)
        await direwolf.hear(SILENCE)  # the audio clock is what it transmits by
        await eventually(lambda: reports("txbuf")[-1]["number"] == 0, lambda: f"{told}")
        said = direwolf.log.read_text(errors="replace")
        for words in ("TXDELAY = 12", "Persistence = 200", "SlotTime = 5", "FullDuplex = 1"):
            assert words in said
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=SOON)
