"""As much of Home Assistant's MQTT integration as it takes to judge what is published for it, strictly.

Written from its documentation (home-assistant.io: integrations mqtt, sensor.mqtt, binary_sensor.mqtt,
device_tracker.mqtt; developers: core/entity/sensor), and it knows nothing of our code. What Home Assistant would
refuse, log as an error or warn of as deprecated is a `Wrong` here, and so is a field that it would pass over.
"""

import json
import re

SUPPORTED = {"sensor", "binary_sensor", "device_tracker", "button", "switch", "number", "select", "text", "event"}
ROOT = {
    "device",
    "origin",
    "components",
    "availability",
    "availability_mode",
    "state_topic",
    "command_topic",
    "qos",
    "encoding",
}
DEVICE = {
    *("identifiers", "connections", "name", "manufacturer", "model", "model_id", "hw_version", "sw_version"),
    *("serial_number", "suggested_area", "via_device", "configuration_url"),
}
ORIGIN = {"name", "sw_version", "support_url"}
ENTITY = {
    *("platform", "unique_id", "name", "icon", "entity_category", "enabled_by_default", "default_entity_id", "qos"),
    *("availability", "json_attributes_topic", "json_attributes_template", "encoding", "entity_picture"),
}
READING = {"state_topic", "value_template", "device_class", "expire_after", "force_update"}
KEYS = {
    "sensor": ENTITY | READING | {"unit_of_measurement", "state_class", "options", "suggested_display_precision"},
    "binary_sensor": ENTITY | READING | {"payload_on", "payload_off", "off_delay"},
    "device_tracker": ENTITY | {"source_type", "payload_reset"},
}
TOTALS = {"total", "total_increasing", "measurement"}
# Device classes of sensors: their units, and the state classes that each may have.
SENSOR_CLASSES = {
    "temperature": ({"°C", "°F", "K"}, {"measurement"}),
    "humidity": ({"%"}, {"measurement"}),
    "atmospheric_pressure": ({"hPa", "mbar", "Pa", "kPa", "inHg", "mmHg", "psi", "bar", "cbar"}, {"measurement"}),
    "wind_speed": ({"m/s", "km/h", "mph", "kn", "ft/s", "Beaufort"}, {"measurement"}),
    "speed": ({"m/s", "km/h", "mph", "kn", "ft/s", "mm/d", "mm/h", "in/d", "in/h"}, {"measurement"}),
    "precipitation": ({"mm", "cm", "in"}, TOTALS),
    "irradiance": ({"W/m²", "BTU/(h⋅ft²)"}, {"measurement"}),
    "illuminance": ({"lx"}, {"measurement"}),
    "distance": ({"km", "m", "cm", "mm", "mi", "nmi", "yd", "ft", "in"}, TOTALS),
    "voltage": ({"V", "mV", "µV", "kV", "MV"}, {"measurement"}),
    "current": ({"A", "mA"}, {"measurement"}),
    "power": ({"mW", "W", "kW", "MW", "GW", "TW"}, {"measurement"}),
    "frequency": ({"Hz", "kHz", "MHz", "GHz"}, {"measurement"}),
    "signal_strength": ({"dB", "dBm"}, {"measurement"}),
    "enum": ({None}, set()),
}
BINARY_CLASSES = {"connectivity", "problem", "power", "running", "door", "motion", "battery"}
PICK = re.compile(r"\{\{ value_json\['(\w+)'\] \}\}")
CONFIG = re.compile(r"homeassistant/device/([a-zA-Z0-9_-]+)/config")


class Wrong(AssertionError):  # noqa: N818  (its own word for it)
    """Home Assistant would not take it."""


def require(true, what):
    if not true:
        raise Wrong(what)


class Hass:
    """Takes messages in their order; ``entities`` by unique id: (platform, configuration, state)."""

    def __init__(self):
        self.devices = {}
        self.entities = {}
        self.retained = {}
        self.last = {}

    def take(self, topic, payload, *, retain=None):
        """Take a message, as a subscriber does."""
        if found := CONFIG.fullmatch(topic):
            self._discover(found[1], payload)
        else:
            require(not topic.startswith("homeassistant/device/"), f"{topic}: an id with other than [a-zA-Z0-9_-]")
            self.last[topic] = payload
        for unique_id in [
            key for key, entity in self.entities.items() if topic in entity["topics"] or CONFIG.match(topic)
        ]:
            self._update(unique_id)

    def state(self, unique_id):
        return self.entities[unique_id]["state"]

    def names(self):
        return {entity["config"].get("name"): entity for entity in self.entities.values()}

    def _discover(self, object_id, payload):
        if not payload:
            self.devices.pop(object_id, None)
            self.entities = {key: entity for key, entity in self.entities.items() if entity["object"] != object_id}
            return
        message = json.loads(payload)
        require(message.keys() <= ROOT, f"unknown: {message.keys() - ROOT}")
        for name in ("device", "origin", "components"):
            require(isinstance(message.get(name), dict), f"{name} is needed")
        self._device(message["device"])
        self._origin(message["origin"])
        require(message.get("qos", 0) in (0, 1, 2), "qos")
        for place in message.get("availability", []):
            require(topic_is_right(place.get("topic")), f"availability {place}")
        require(message["components"], "a device without components")
        self.devices[object_id] = message
        for key, config in message["components"].items():
            self._component(object_id, key, config)

    def _device(self, device):
        require(device.keys() <= DEVICE, f"unknown in device: {device.keys() - DEVICE}")
        require(device.get("identifiers") or device.get("connections"), "a device needs an identifier")
        texts = [value for name, value in device.items() if name not in ("identifiers", "connections")]
        require(all(isinstance(text, str) and text for text in texts), f"texts in {device}")
        require(all(isinstance(text, str) for text in device.get("identifiers", [])), "identifiers")

    def _origin(self, origin):
        require(origin.keys() <= ORIGIN, f"unknown in origin: {origin.keys() - ORIGIN}")
        require(isinstance(origin.get("name"), str), "origin needs a name")

    def _component(self, object_id, key, config):
        platform = config.get("platform")
        require(platform in SUPPORTED, f"{key}: platform {platform!r}")
        mine = [uid for uid, entity in self.entities.items() if (entity["object"], entity["key"]) == (object_id, key)]
        if config.keys() == {"platform"}:
            for unique_id in mine:
                del self.entities[unique_id]
            return
        unique_id = config.get("unique_id")
        require(isinstance(unique_id, str) and unique_id, f"{key}: unique_id is needed")
        other = self.entities.get(unique_id)
        require(other is None or (other["object"], other["key"]) == (object_id, key), f"{unique_id} is there twice")
        require(mine in ([], [unique_id]), f"{key} was {mine}, and is {unique_id}: ids must be stable")
        require(config.keys() <= KEYS[platform], f"{key}: unknown {config.keys() - KEYS[platform]}")
        require(isinstance(config.get("name"), str | None), f"{key}: name")
        require(config.get("entity_category") in (None, "diagnostic"), f"{key}: entity_category")
        getattr(self, f"_{platform}")(key, config)
        topics = {config[name] for name in ("state_topic", "json_attributes_topic") if name in config}
        require(all(topic_is_right(topic) for topic in topics), f"{key}: {topics}")
        self.entities[unique_id] = {"object": object_id, "key": key, "config": config, "topics": topics, "state": None}

    def _sensor(self, key, config):
        require("state_topic" in config, f"{key}: a sensor needs a state_topic")
        class_, unit, state_class = (
            config.get(name) for name in ("device_class", "unit_of_measurement", "state_class")
        )
        require(state_class in (None, "measurement", "total", "total_increasing"), f"{key}: state_class {state_class}")
        require(class_ is None or class_ in SENSOR_CLASSES, f"{key}: device_class {class_}")
        if class_ is not None:
            units, state_classes = SENSOR_CLASSES[class_]
            require(unit in units, f"{key}: {class_} in {unit!r}")
            require(state_class is None or state_class in state_classes, f"{key}: {class_} as {state_class}")
        require(unit is None or (isinstance(unit, str) and unit), f"{key}: unit {unit!r}")
        require((class_ == "enum") == ("options" in config), f"{key}: an enum has options, others have none")

    def _binary_sensor(self, key, config):
        require("state_topic" in config, f"{key}: a binary sensor needs a state_topic")
        require(config.get("device_class") in (None, *BINARY_CLASSES), f"{key}: device_class")

    def _device_tracker(self, key, config):
        require("json_attributes_topic" in config, f"{key}: a tracker needs json_attributes_topic")
        require(
            config.get("source_type", "gps") in ("gps", "router", "bluetooth", "bluetooth_le"), f"{key}: source_type"
        )

    def _update(self, unique_id):
        entity = self.entities[unique_id]
        (topic,) = entity["topics"]
        payload = self.last.get(topic)
        if not payload:
            return
        said = json.loads(payload)
        require(isinstance(said, dict), f"{topic}: expected a JSON object")
        config = entity["config"]
        if config["platform"] == "device_tracker":
            for name in ("latitude", "longitude", "gps_accuracy"):
                require(is_number(said.get(name)), f"{topic}: {name} {said.get(name)!r}")
            entity["state"] = (said["latitude"], said["longitude"])
            return
        key = PICK.fullmatch(config["value_template"])
        require(key and key[1] in said, f"{topic} has nothing for {config['value_template']}: {said}")
        value = entity["state"] = said[key[1]]
        if config["platform"] == "binary_sensor":
            require(value in ("ON", "OFF", None), f"{unique_id}: {value!r}")
        elif config.get("device_class") == "enum":
            require(value in config["options"], f"{unique_id}: {value!r} is no option")
        elif {"unit_of_measurement", "state_class"} & config.keys():
            require(value is None or is_number(value), f"{unique_id}: {value!r} is no number")


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def topic_is_right(topic):
    return isinstance(topic, str) and 0 < len(topic.encode()) < 65_536 and not set("+#\0") & set(topic)
