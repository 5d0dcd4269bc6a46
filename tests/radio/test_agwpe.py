"""Direwolf as an AGWPE server: what it demodulates reaches us, it transmits and confirms what we send, it may go."""

import asyncio
import re

import pytest

from edge.desired import DeviceWish
from edge.errors import RemoteProtocolError
from edge.registry import Device
from tests.radio.offair import EXPECTED, RATE, SILENCE, parts
from tests.scenarios.running import SOON, eventually
from transports import agwpe, aprs
from transports.options import AprsOptions

pytestmark = pytest.mark.needs("direwolf", "gen_packets")


def wish(name, link, **more):
    return DeviceWish(name=name, kind="aprs", link=link, **more)


async def test_every_packet_that_direwolf_demodulates_arrives_over_agwpe(direwolf, audio, devices):
    link = f"agwpe://127.0.0.1:{direwolf.agwpe}"
    _, events = await devices(DeviceWish(name="frames", kind="ax25", link=link), wish("packets", link))
    await direwolf.hear(audio + SILENCE)
    await eventually(
        lambda: min(len(events.get(name, ())) for name in ("frames", "packets")) >= len(EXPECTED),
        lambda: f"{events}",
        limit=30,
    )
    assert [parts(event) for event in events["frames"]] == EXPECTED
    assert [parts(event) for event in events["packets"]] == EXPECTED


async def test_direwolf_transmits_what_we_send_over_agwpe_and_says_when_none_waits(direwolf):
    options = AprsOptions(callsign="QQ1EDG-1", path="WIDE1-1", ackmode=True)
    link = f"agwpe://127.0.0.1:{direwolf.agwpe}"
    server = aprs.build(Device(name="vhf", link=link, options=options, state={}))
    told, sends = [], []

    async def app(scope, receive, send):
        sends.append(send)
        while not (event := await receive())["type"].endswith(".disconnect"):
            told.append(event)

    serving = asyncio.create_task(server.serve(app, lambda: None))
    try:
        await eventually(lambda: sends, "the server")
        stuffed = b">\xc0\xdb\xdb\xdc\xc0 end"
        await sends[0]({"type": "aprs.send", "info": stuffed, "id": "first"})
        await eventually(lambda: server._connection.session._unconfirmed, "the question")
        assert [event for event in told if event["type"] == "aprs.sent"] == []
        await direwolf.hear(SILENCE)  # the audio clock is what it transmits by
        await eventually(lambda: [event for event in told if event["type"] == "aprs.sent"], lambda: f"{told}")
        sent = re.findall(rb"\[0[LH][^]]*\] QQ1EDG-1>APZEDG,WIDE1-1:(.*)", direwolf.log.read_bytes())
        assert sent == [stuffed]
        assert [event["type"] for event in told] == ["aprs.connect", "aprs.sent"]  # and not heard as another's
        assert [(event["id"], event["confirmed"]) for event in told if event["type"] == "aprs.sent"] == [
            ("first", True)
        ]
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def test_a_direwolf_that_was_killed_and_started_again_is_found_over_tcp_and_agwpe(direwolf, audio, devices):
    supervisor, events = await devices(
        wish("kiss", f"tcp://127.0.0.1:{direwolf.kiss}"), wish("agwpe", f"agwpe://127.0.0.1:{direwolf.agwpe}")
    )

    def states():
        return {status.state.value for status in supervisor.status()}

    direwolf.kill()
    await eventually(lambda: "up" not in states(), states)
    await eventually(
        lambda: all("refused the connection" in status.text for status in supervisor.status()),
        lambda: [status.text for status in supervisor.status()],
    )
    await direwolf.start()
    await eventually(lambda: states() == {"up"}, lambda: [status.text for status in supervisor.status()], limit=30)
    await direwolf.hear(audio[: 10 * 2 * RATE] + SILENCE)
    await eventually(lambda: events.get("kiss") and events.get("agwpe"), lambda: f"{events}", limit=30)


async def test_a_port_for_kiss_is_told_apart_from_one_for_agwpe(direwolf, monkeypatch):
    monkeypatch.setattr(agwpe, "ANSWER", 0.3)
    link = f"agwpe://127.0.0.1:{direwolf.kiss}"
    server = aprs.build(Device(name="vhf", link=link, options=AprsOptions(), state={}))
    with pytest.raises(RemoteProtocolError, match="is it a port for KISS"):
        await asyncio.wait_for(server.serve(None, lambda: None), SOON)
