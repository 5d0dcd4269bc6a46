import json

import pytest

from edge.contrib.ha_stations import FRESH, PATIENCE, Stations, StationsOptions
from tests.scenarios.hass import Hass
from transports.codecs import aprs


def event(info, source="QQ1WX"):
    packet = aprs.parse(source, "APZEDG", [], info.encode("latin-1"))
    return {"source": source, "format": packet.format, "packet": {"format": packet.format, **packet.fields}}


class House:
    def __init__(self, **options):
        self.stations = Stations("vhf", StationsOptions(**options))
        self.hass = Hass()
        self.messages = []

    def hear(self, info, source="QQ1WX", now=0.0):
        return self.take(self.stations.hear(event(info, source), now))

    def take(self, published):
        messages = list(published)
        for topic, payload, _ in messages:
            self.hass.take(topic, payload)
        self.messages += messages
        return messages


WEATHER = "!4903.50N/07201.75W_220/004g005t077r000p010P020h50b09900"


def test_a_weather_station_is_told_with_its_units():
    house = House()
    house.hear(WEATHER)
    assert house.hass.state("edge_vhf_QQ1WX_temperature") == pytest.approx(25.0)
    assert house.hass.state("edge_vhf_QQ1WX_humidity") == 50
    assert house.hass.state("edge_vhf_QQ1WX_pressure") == pytest.approx(990.0)
    assert house.hass.state("edge_vhf_QQ1WX_wind_direction") == 220
    assert "edge_vhf_QQ1WX_place" not in house.hass.entities
    assert {expiry for _, _, expiry in house.messages} == {86_400}


EQUATIONS = ":QQ1WX    :EQNS.0,0.1,0,0,1,-20"


def test_telemetry_is_told_with_names_units_and_equations_once_they_have_come():
    house = House()
    for text in ("PARM.Battery,Inside,,,,Door", "UNIT.V,deg.C", "BITS.11111111,Hut"):
        house.hear(f":QQ1WX    :{text}")
    house.hear("T#005,138,050,000,000,000,10000000")
    assert not house.messages, "raw numbers must not be taken for volts"
    house.hear(EQUATIONS)
    house.hear("T#006,138,050,000,000,000,10000000")
    names = house.hass.names()
    assert names["Battery"]["state"] == pytest.approx(13.8)
    assert names["Battery"]["config"]["unit_of_measurement"] == "V"
    assert names["Inside"]["state"] == 30
    assert names["Door"]["state"] == "ON"
    assert house.hass.devices["edge_vhf_QQ1WX"]["device"]["model"] == "Hut"


def test_telemetry_without_equations_is_told_as_it_was_sent_when_none_came_for_two_hours():
    house = House()
    house.hear("T#005,100,050,000,000,000,10000000")
    house.hear("T#006,101,050,000,000,000,10000000", now=PATIENCE - 1)
    assert not house.messages
    house.hear("T#007,102,050,000,000,000,10000000", now=PATIENCE)
    assert house.hass.state("edge_vhf_QQ1WX_a1") == 102


def test_only_the_station_itself_says_what_its_telemetry_means():
    house = House()
    house.hear(EQUATIONS)
    house.hear(":QQ1WX    :PARM.Money", source="QQ2BAD")
    house.hear(":QQ1WX    :EQNS.0,0,666", source="QQ2BAD")
    house.hear("T#005,100,050,000,000,000,10000000")
    assert "Money" not in house.hass.names()
    assert house.hass.state("edge_vhf_QQ1WX_a1") == 10


def test_positions_are_told_where_they_are_asked_for():
    house = House(positions=True)
    house.hear("!4903.50N/07201.75W>088/036hello", source="QQ1CAR-9")
    assert house.hass.state("edge_vhf_QQ1CAR-9_place") == (pytest.approx(49.0583333), pytest.approx(-72.0291667))
    said = json.loads(house.hass.last["edge/vhf/edge_vhf_QQ1CAR-9/place"])
    assert said["gps_accuracy"] == 18
    assert said["course"] == 88


def test_discovery_is_published_when_it_changes_and_not_for_each_packet():
    house = House()
    first = house.hear(WEATHER)
    assert [topic.rsplit("/", 1)[1] for topic, _, _ in first] == ["state", "config"]
    assert [topic.rsplit("/", 1)[1] for topic, _, _ in house.hear(WEATHER, now=60.0)] == ["state"]
    assert "config" in [topic.rsplit("/", 1)[1] for topic, _, _ in house.hear(WEATHER, now=12 * 3600.0)]


def test_a_field_that_is_not_sent_any_more_is_null_after_an_hour():
    house = House()
    house.hear("!4903.50N/07201.75W_220/004g005t077h50")
    house.hear("!4903.50N/07201.75W_220/004g005t077", now=FRESH - 1)
    assert house.hass.state("edge_vhf_QQ1WX_humidity") == 50
    house.hear("!4903.50N/07201.75W_220/004g005t077", now=FRESH)
    assert house.hass.state("edge_vhf_QQ1WX_humidity") is None
    assert house.hass.state("edge_vhf_QQ1WX_temperature") is not None


def test_a_silent_station_is_taken_back_with_all_that_was_retained():
    house = House(expire_hours=1, positions=True)
    house.hear(WEATHER)
    house.take(house.stations.tick(3599.0))
    assert house.hass.entities
    gone = house.take(house.stations.tick(3600.0))
    assert {topic for topic, payload, _ in gone if not payload} == {topic for topic, _, _ in house.messages}
    assert not house.hass.entities
    assert len(house.stations) == 0


def test_stations_are_bounded_and_the_one_that_was_silent_longest_goes():
    house = House(most_stations=2)
    for number in range(50):
        house.hear(WEATHER, source=f"QQ{number}WX", now=number)
    assert len(house.stations) == 2
    assert set(house.hass.devices) == {"edge_vhf_QQ48WX", "edge_vhf_QQ49WX"}


def test_everything_can_be_told_again_and_taken_back():
    house = House(positions=True)
    house.hear(WEATHER)
    house.hear(EQUATIONS)
    house.hear("T#005,100,050,000,000,000,10000000")
    new = Hass()
    for topic, payload, _ in house.stations.everything(1.0):
        new.take(topic, payload)
    assert new.devices == house.hass.devices
    assert {key: entity["state"] for key, entity in new.entities.items()} == {
        key: entity["state"] for key, entity in house.hass.entities.items()
    }
    house.take(house.stations.clear())
    assert not house.hass.devices


def test_objects_are_told_by_their_own_name_and_hostile_names_stay_in_their_place():
    house = House(positions=True)
    house.hear(";WX/+# \"'}*092345z4903.50N/07201.75W_220/004g005t077")
    (object_id,) = house.hass.devices
    assert house.hass.devices[object_id]["device"]["name"] == "WX/+# \"'}"
    assert all(topic.count("/") == 3 for topic, _, _ in house.messages)


def test_recorded_looking_packets_of_all_sorts_are_told_or_passed_over():
    house = House(positions=True, most_stations=5)
    for number, info in enumerate(
        (
            "_10090556c220s004g005t077r000p000P000h50b09900wRSW",
            "!4903.50N/07201.75W_.../...g...t...r...p...h..b.....",
            "T#MIC199,000,255,073,123,01101001",
            "T#5,,,,,",
            ":QQ0WX    :EQNS.1e9,x,",
            ":QQ0WX    :BITS.1",
            ">status",
            "}QQ1ABC>APRS,TCPIP,QQ1GAT*::QQ2ABC   :hello",
            "=49  .  N/072  .  W- very unsure",
            "!0000.00N/00000.00E-|!!!!!!!!!!!!!!|",
        )
    ):
        house.hear(info, source=f"QQ{number}WX", now=number)
