import json

import pytest

from edge.contrib.discovery import UNITS, WEATHER, Telemetry, identifier, sensor
from tests.scenarios.hass import SENSOR_CLASSES
from transports.codecs import aprs


@pytest.fixture
def hut():
    """A station that has told what its telemetry means, in the standard's own words (chapter 13)."""
    telemetry = Telemetry()
    for text in (
        "PARM.Battery,Btemp,ATemp,Pres,Alt,Camra,Chut,Sun,10m,ATV",
        "UNIT.v/100,deg.F,deg.C,Mbar,Kft,Click,OPEN,on,on,hi",
        "EQNS.0,5.2,0,0,.53,-32,3,4.39,49,-32,3,18,1,2,3",
        "BITS.10110000,PROJECT TITLE...",
    ):
        packet = aprs.parse("QQ1HUT", "APZEDG", [], f":QQ1HUT   :{text}".encode())
        telemetry.define(packet.fields)
    return telemetry


def test_values_are_scaled_by_the_stations_equations(hut):
    said = hut.values({"sequence": 5, "values": [199, 0, 100, 7.5, None], "bits": "11001111"})
    assert said["a1"] == pytest.approx(5.2 * 199)
    assert said["a2"] == -32
    assert said["a3"] == 3 * 100**2 + 4.39 * 100 + 49
    assert said["a4"] == -32 * 7.5**2 + 3 * 7.5 + 18
    assert said["a5"] is None


def test_bits_are_on_where_they_are_as_the_station_says_that_they_are_active(hut):
    said = hut.values({"values": [1], "bits": "11001111"})
    assert {key: value for key, value in said.items() if key[0] == "b"} == {
        "b1": "ON",
        "b2": "OFF",
        "b3": "OFF",
        "b4": "OFF",
        "b5": "OFF",
    }


def test_units_are_home_assistants_where_it_has_them(hut):
    shown = [(hut.measure(n).name, hut.measure(n).unit, hut.measure(n).device_class) for n in range(5)]
    assert shown == [
        ("Battery", "v/100", ""),
        ("Btemp", "°F", "temperature"),
        ("ATemp", "°C", "temperature"),
        ("Pres", "hPa", "atmospheric_pressure"),
        ("Alt", "Kft", ""),
    ]


def test_without_definitions_channels_are_as_they_were_sent_and_bits_are_not_shown():
    telemetry = Telemetry()
    assert telemetry.values({"values": [199, 3], "bits": "10101010"}) == {"a1": 199, "a2": 3}
    assert telemetry.measure(1).name == "Channel 2"


def test_hostile_definitions_are_cut_and_never_raise():
    telemetry = Telemetry()
    telemetry.define({"definition": "PARM", "names": ["\x1b[2J" + "x" * 500] * 50})
    telemetry.define({"definition": "UNIT", "names": ["\n"] * 50})
    telemetry.define({"definition": "EQNS", "coefficients": [1e308, 1e308, float("nan"), True] * 9})
    telemetry.define({"definition": "BITS", "bits": "1" * 99, "title": "\0"})
    telemetry.define({"definition": "WHAT"})
    assert telemetry.values({"values": [1e300, "x", True, 2, 3, 4], "bits": "10"})["a1"] is None
    assert len(telemetry.measure(0).name) == 60
    json.dumps(telemetry.components(["a1", "a5", "b8"], "id", "topic"), allow_nan=False)


@pytest.mark.parametrize("key", WEATHER)
def test_each_field_of_the_weather_has_a_unit_that_home_assistant_knows(key):
    config = sensor(WEATHER[key], key, "id", "topic")
    if (class_ := config.get("device_class")) is not None:
        units, states = SENSOR_CLASSES[class_]
        assert config["unit_of_measurement"] in units
        assert config["state_class"] in states
    assert config["unit_of_measurement"]


@pytest.mark.parametrize(("unit", "class_"), sorted(set(UNITS.values())))
def test_each_unit_of_telemetry_is_one_of_its_device_class(unit, class_):
    assert not class_ or unit in SENSOR_CLASSES[class_][0]


def test_an_id_is_stable_and_of_safe_characters_and_tells_apart_what_becomes_alike():
    assert identifier("edge", "vhf", "QQ1ABC-7") == "edge_vhf_QQ1ABC-7"
    strange = {identifier("edge", name) for name in ("A B", "A/B", "A#B", "ÄB", "x" * 300, "x" * 301, "\ud800")}
    assert len(strange) == 7
    assert all(name.isascii() and name.replace("_", "").replace("-", "").isalnum() for name in strange)
