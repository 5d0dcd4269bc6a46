"""Edge on the air: packets both ways between it and a station that it knows only as AFSK.

Edge has Direwolf A for its TNC, through its pty and through KISS over TCP; Direwolf B is another station, that hears
and is heard over the simulated radio path. What B decoded is what we really sent, by a judge that is not ours.
"""

import re
from asyncio import to_thread

import pytest

from edge.desired import DeviceWish
from tests.radio.lab import PROGRAMS
from tests.scenarios.running import Box, eventually, make_rows, short_folder

pytestmark = pytest.mark.needs(*PROGRAMS)

CHAT = "edge.contrib.chat.ChatConsumer"
OPTIONS = {"callsign": "QQ1EDG-1", "path": ""}
ON_THE_AIR = 30.0  # seconds; an exchange of packets in real time, with the TNC's own waits


@pytest.fixture(scope="module")
def lab(radio):
    return radio("A-B")


@pytest.fixture
def stations(lab):
    """Edge's TNC and the other station."""
    running = lab.station("A"), lab.station("B")
    yield running
    for station in running:
        station.kill()


@pytest.fixture
def socket_of_the_pty(stations, tmp_path):
    """A name for the pty of Edge's TNC that stays, as udev gives one to a TNC on USB."""
    name = tmp_path / "vhf"
    name.symlink_to(stations[0].pty)
    return name


def wishes(tnc, name, **more):
    """One device on the pty, one on TCP: two programs may share one Direwolf."""
    return (
        DeviceWish(name="pty", kind="aprs", link=f"serial://{name}", transmit=True, options=OPTIONS),
        DeviceWish(name="tcp", kind="aprs", link=f"tcp://127.0.0.1:{tnc.port}", transmit=True, options=OPTIONS),
    )


def infos(events, device):
    return [event["info"] for event in events.get(device, ())]


async def hears(events, device, info):
    await eventually(lambda: info in infos(events, device), lambda: f"{device}: {events}")


async def test_packets_go_both_ways_over_the_air_through_pty_and_tcp(stations, socket_of_the_pty, devices):
    tnc, other = stations
    supervisor, events = await devices(*wishes(tnc, socket_of_the_pty))
    await to_thread(other.transmit, "!5030.00N/01000.00E-over the air", path=("WIDE1-1", "WIDE2-1"))
    for device in ("pty", "tcp"):
        await hears(events, device, b"!5030.00N/01000.00E-over the air")
        [event] = events[device]
        assert (event["source"], event["via"], event["format"]) == ("QQ1TST-1", ["WIDE1-1", "WIDE2-1"], "position")
        sent = {"type": "aprs.send", "info": f">heard through {device}".encode()}
        assert await supervisor.transmit(device, sent) == ""
        await to_thread(other.heard, rf"QQ1EDG-1>APZEDG:>heard through {device}")
    hard = ">stuffed \xc0 \xdb\xdb\xdc \xdb\xc0 end".encode("latin-1")
    assert await supervisor.transmit("pty", {"type": "aprs.send", "info": hard}) == ""
    assert (await to_thread(other.heard, r"QQ1EDG-1>APZEDG:(>stuffed.*)"))[1]
    assert hard in other.out.read_bytes()


async def test_a_tnc_that_was_unplugged_is_found_again_and_both_ways_work_as_before(
    lab, stations, socket_of_the_pty, devices
):
    tnc, other = stations
    supervisor, events = await devices(*wishes(tnc, socket_of_the_pty))

    def states():
        return {status.name: (status.state.value, status.text) for status in supervisor.status()}

    tnc.kill()
    await eventually(lambda: all(state == "waiting" for state, _ in states().values()), states)
    assert "unplugged?" in states()["pty"][1]
    tnc = lab.station("A")
    socket_of_the_pty.unlink()
    socket_of_the_pty.symlink_to(tnc.pty)
    await eventually(lambda: all(state == "up" for state, _ in states().values()), states, limit=ON_THE_AIR)
    await to_thread(other.transmit, ">back again")
    for device in ("pty", "tcp"):
        await hears(events, device, b">back again")
        assert await supervisor.transmit(device, {"type": "aprs.send", "info": f">{device} is back".encode()}) == ""
        await to_thread(other.heard, rf"QQ1EDG-1>APZEDG:>{device} is back")
    tnc.kill()


def test_the_chat_of_the_browser_talks_to_a_handheld_over_the_air(stations, socket_of_the_pty):
    """A whole box: the station's message is acknowledged and answered, and its ack is understood."""
    _, handheld = stations

    def hears(text):
        """Wait for a message of Edge at the handheld, and acknowledge it as a handheld does."""
        pattern = rf"QQ1EDG-1>APZEDG::QQ1TST-1 :{re.escape(text)}\{{(\w+)"
        number = handheld.heard(pattern, ON_THE_AIR)[1]
        handheld.transmit(f":QQ1EDG-1 :ack{number}")

    with short_folder() as folder:
        data = folder / "data"
        data.mkdir()
        link = f"serial://{socket_of_the_pty}"
        vhf = {"name": "vhf", "kind": "aprs", "link": link, "transmit": True, "options": OPTIONS}
        make_rows(data, vhf, {"device": "vhf", "consumer": CHAT})
        with Box(data) as box:
            box.turns("vhf", "up")
            handheld.transmit(":QQ1EDG-1 :/name Ann{1")
            handheld.heard(r"QQ1EDG-1>APZEDG::QQ1TST-1 :ack1", ON_THE_AIR)
            hears("[Welcome Anonymous!]")
            hears("[set your username to Ann]")
            handheld.transmit(":QQ1EDG-1 :hello{2")
            handheld.heard(r"QQ1EDG-1>APZEDG::QQ1TST-1 :ack2", ON_THE_AIR)
            hears("Ann: hello")
