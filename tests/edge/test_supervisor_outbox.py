"""What the supervisor lets into the outbox: only what one of its devices could send."""

import pytest

from edge.desired import Desired, DeviceWish
from edge.outbox import Outbox, OutboxRefused
from edge.supervisor import Supervisor
from tests.edge.outboxes import Rows, message, publish


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
async def outbox(rows):
    outbox = Outbox(rows)
    await outbox.open()
    yield outbox
    await outbox.close()


@pytest.fixture
async def supervisor(outbox):
    supervisor = Supervisor(layer=None, outbox=outbox)
    outbox.guard = supervisor.check_durable
    wish = DeviceWish(name="broker", kind="mqtt", link="mqtt://127.0.0.1:1", enabled=False)
    vhf = DeviceWish(name="vhf", kind="aprs", link="serial:///dev/none", options={"callsign": "QQ1EDG"})
    await supervisor.apply(Desired(devices=(wish, vhf)))
    yield supervisor
    await supervisor.stop()


async def test_a_device_that_is_switched_off_is_kept_for(supervisor, rows):
    assert await supervisor.transmit("broker", publish(durable=True)) == ""
    assert rows.states() == ["waiting"]


@pytest.mark.parametrize(
    ("device", "event", "words"),
    [
        ("nobody", publish(), "there is no device 'nobody'; there are broker, vhf"),
        ("broker", message(), "broker takes mqtt.send; got 'aprs.send'"),
        ("vhf", message(), "not transmitted: transmitting is off"),
    ],
)
async def test_what_a_device_could_never_send_is_refused_with_the_reason(
    supervisor, rows, outbox, device, event, words
):
    with pytest.raises(OutboxRefused, match=words):
        await outbox.put(device, event)
    assert not rows.rows


async def test_what_is_sent_by_name_is_told_what_the_gate_says(supervisor, rows):
    assert "transmitting is off for vhf" in await supervisor.transmit("vhf", message(durable=True))
    with pytest.raises(OutboxRefused, match="no device 'nobody'"):
        await supervisor.transmit("nobody", publish(durable=True))
    assert not rows.rows
