"""Home Assistant's side of a real mosquitto: all that is published for it goes through its own rules (`hass`)."""

import asyncio
import contextlib
import json

import pytest

from edge.desired import Desired
from tests.scenarios.bridging import House
from tests.scenarios.hass import Hass
from tests.scenarios.running import eventually, frame
from transports.simulator.kiss import encode_kiss

pytestmark = pytest.mark.needs("mosquitto")

WEATHER = "!4903.50N/07201.75W_220/004g005t077r000p010P020h50b09900"
STATIONS = ("vhf", "homeassistant.HomeAssistantStations", "", {"positions": True, "availability": "edge/status"})
BOX = (
    "broker",
    "homeassistant.HomeAssistantBox",
    "homeassistant/status",
    {"availability": "edge/status", "interval": 2},
)
WILL = {"will_topic": "edge/status", "birth_topic": "edge/status"}


@pytest.fixture
async def house(tmp_path):
    async with House(tmp_path) as running:
        yield running


def heard(info, source="QQ1WX"):
    return encode_kiss(frame(info, source=source))


class Listening:
    """Home Assistant, subscribed as it would be."""

    def __init__(self, other):
        self.hass = Hass()
        self.other = other
        self.problem = None
        self.messages = []

    async def run(self):
        try:
            async for message in self.other.coming:
                self.messages.append((str(message.topic), bool(message.payload), message.retain))
                self.hass.take(str(message.topic), message.payload)
        except AssertionError as error:
            self.problem = error

    async def until(self, true, what=""):
        def look():
            if self.problem:
                raise self.problem
            return true(self.hass)

        return await eventually(look, lambda: f"{what} {self.messages[-20:]} {sorted(self.hass.entities)}")


@contextlib.asynccontextmanager
async def home_assistant(house):
    async with house.stranger("homeassistant/#", "edge/#", "edge-box/#") as other:
        listening = Listening(other)
        task = asyncio.create_task(listening.run())
        yield listening
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if listening.problem:
            raise listening.problem


def state(unique_id):
    return lambda hass: unique_id in hass.entities and hass.state(unique_id)


async def test_stations_appear_with_their_values_and_are_there_for_a_home_assistant_that_comes_later(house):
    await house.run(house.radio("vhf"), routes=[STATIONS], **WILL)
    async with home_assistant(house) as ha:
        for info in (WEATHER, ":QQ1WX    :PARM.Battery", ":QQ1WX    :UNIT.V"):
            await house.hears("vhf", heard(info))
        await house.hears("vhf", heard(":QQ1WX    :EQNS.0,0.1,0"))
        await house.hears("vhf", heard("T#006,138,050,000,000,000,10000000"))
        await ha.until(lambda hass: "Battery" in hass.names() and hass.names()["Battery"]["state"] == 13.8)
        assert ha.hass.state("edge_vhf_QQ1WX_temperature") == 25
        assert ha.hass.state("edge_vhf_QQ1WX_place")[0] == pytest.approx(49.058333)
        assert ha.hass.last["edge/status"] == b"online"
    async with home_assistant(house) as later:
        await later.until(state("edge_vhf_QQ1WX_temperature"))
        assert all(retain for _, _, retain in later.messages)


async def test_the_box_appears_with_its_devices_and_leaves_with_its_route(house):
    await house.run(house.radio("vhf"), routes=[BOX], **WILL)
    async with home_assistant(house) as ha:
        await house.tell_status()
        await ha.until(state("edge_device_vhf_connected"))
        assert ha.hass.state("edge_device_vhf_connected") == "ON"
        assert ha.hass.state("edge_device_vhf_state") == "up"
        assert ha.hass.state("edge_box_up") == 2
        topics = {topic for topic, _, _ in ha.messages if topic != "edge/status"}
        assert not any("command_topic" in entity["config"] for entity in ha.hass.entities.values())
        await house.supervisor.apply(Desired(devices=house.desired.devices))
        await ha.until(lambda hass: not hass.devices)
        await ha.until(lambda hass: {topic for topic, payload, _ in ha.messages if not payload} == topics)


async def test_a_device_that_is_taken_out_leaves_the_box(house):
    vhf, uhf = house.radio("vhf"), house.radio("uhf")
    await house.run(vhf, uhf, routes=[BOX])
    async with home_assistant(house) as ha:
        await house.tell_status()
        await ha.until(state("edge_device_uhf_connected"))
        left = tuple(device for device in house.desired.devices if device.name != "uhf")
        await house.supervisor.apply(Desired(devices=left, routes=house.desired.routes))
        await house.tell_status()
        await ha.until(lambda hass: "edge_device_uhf_connected" not in hass.entities)
        assert ha.hass.state("edge_device_vhf_connected") == "ON"
        await ha.until(lambda hass: hass.last.get("edge-box/device/uhf") == b"")


async def test_what_another_box_on_the_same_layer_says_of_itself_changes_nothing(house):
    await house.run(house.radio("vhf"), routes=[BOX])
    async with home_assistant(house) as ha:
        await house.tell_status()
        await ha.until(state("edge_device_vhf_connected"))
        another = {"type": "status.changed", "box": "another", "devices": []}
        await house.layer.group_send("status", another)
        await ha.other.publish("homeassistant/status", "online")  # all is told again, after that
        await ha.until(lambda _: len([topic for topic, _, _ in ha.messages if topic == "edge-box/box"]) > 1)
        assert all(payload for _, payload, _ in ha.messages)
        assert ha.hass.state("edge_box_up") == 2


async def test_everything_is_told_again_when_home_assistant_or_the_broker_begins_anew(house):
    await house.run(house.radio("vhf"), routes=[STATIONS, BOX])
    async with home_assistant(house) as ha:
        await house.tell_status()
        await house.hears("vhf", heard(WEATHER))
        await ha.until(state("edge_vhf_QQ1WX_temperature"))
        seen = len(ha.messages)
        await ha.other.publish("homeassistant/status", "online")
        configs = {"homeassistant/device/edge_vhf_QQ1WX/config", "homeassistant/device/edge_box/config"}
        await ha.until(lambda hass: configs <= {topic for topic, _, _ in ha.messages[seen:]})
    await house.broker.kill()
    await house.broker.start()  # which forgets what was retained
    await house.until_up("broker")
    async with home_assistant(house) as ha:
        await house.tell_status()
        await ha.until(state("edge_vhf_QQ1WX_temperature"))
        await ha.until(state("edge_device_vhf_state"))


async def test_a_hundred_stations_are_all_told_again(house):
    await house.run(house.radio("vhf"), routes=[STATIONS, BOX])
    async with home_assistant(house) as ha:
        for number in range(100):
            await house.hears("vhf", heard(WEATHER, source=f"QQ{number}WX"))
        await ha.until(lambda hass: len(hass.devices) == 100)
        seen = len(ha.messages)
        await ha.other.publish("homeassistant/status", "online")
        configs = {f"homeassistant/device/edge_vhf_QQ{number}WX/config" for number in range(100)}
        await ha.until(lambda hass: configs <= {topic for topic, _, _ in ha.messages[seen:]})


async def test_stations_are_taken_back_with_their_route_and_stay_when_the_radio_is_unplugged(house):
    await house.run(house.radio("vhf"), routes=[STATIONS])
    async with home_assistant(house) as ha:
        await house.hears("vhf", heard(WEATHER))
        await ha.until(state("edge_vhf_QQ1WX_temperature"))
        house.ports["vhf"].lose()
        await eventually(lambda: house.ports["vhf"].transport is not None, "opened again")
        await house.until_up("vhf")
        assert ha.hass.devices
        await house.supervisor.apply(Desired(devices=house.desired.devices))
        await ha.until(lambda hass: not hass.devices)
    async with house.stranger("homeassistant/#", "edge/#", "edge-box/#") as newcomer:
        assert await newcomer.silence()


async def test_the_boxes_counters_are_throttled_and_its_states_are_not(house):
    options = {"status_topic": "box", "interval": 3600}
    await house.run(house.radio("vhf"), routes=[("broker", "box_status.BoxStatus", "box/ask", options)])
    async with house.stranger("box/#") as other:
        await house.tell_status()
        told = dict([await other.next_json() for _ in range(3)])
        assert told["box/device/vhf"]["state"] == "up"
        assert "link" not in told["box/device/vhf"]
        assert told["box/box"] == {"version": told["box/box"]["version"], "devices": 2, "up": 2, "failed": 0}
        await house.hears("vhf", heard(">counted"))
        await eventually(lambda: any(direction == "heard" for _, direction, *_ in house.seen), "heard")
        await house.tell_status()
        assert await other.silence()
        await other.publish("box/ask", "")
        asked = [await other.next() for _ in range(4)]
        (vhf,) = [json.loads(m.payload) for m in asked if str(m.topic) == "box/device/vhf"]
        assert vhf["heard"] == 1
        house.ports["vhf"].remove()
        await eventually(lambda: house.supervisor.status()[0].state.value == "waiting", "unplugged")
        await house.tell_status()
        topic, said = await other.next_json()
        assert (topic, said["state"], said["connected"]) == ("box/device/vhf", "waiting", "OFF")
