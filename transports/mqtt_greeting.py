"""How an MQTT session begins: what CONNECT asks for, and what a CONNACK that refuses means for people.

Pure: `transports.mqtt_wire` sends the one and waits for the other.
"""

from edge.errors import ConfigError, EdgeError, LinkLost
from transports.codecs import mqtt as codec
from transports.mqtt_dial import Broker
from transports.options import MqttOptions

# Reason codes of CONNACK (MQTT 5.0, section 3.2.2.2; those of 3.1.1 are translated) that no new attempt will change.
REFUSALS = {
    132: "does not speak MQTT {protocol}; set the MQTT version of this device to {other}",
    133: "does not take the client id {client_id!r}; set another in this device's options",
    134: "does not know this user name and password; correct them in this device's options",
    135: "says that this client is not authorised; check the user name and password in this device's options,"
    " and what the broker allows that user",
    138: "has banned this client; ask whoever runs the broker",
    140: "wants another way of authentication than user name and password",
    154: "keeps no retained messages; take the retain option of the will off in this device's options",
    155: "does not take the QoS of the will; choose a lower one in this device's options",
}
LOGIN = (134, 135)  # of these a new attempt may change, where the password is in a file: it may have been renewed


def hello(broker: Broker, options: MqttOptions, client_id: str, limit: int) -> codec.Connect:
    """Return what is said first; ``limit`` is the largest packet that we take, in bytes."""
    v5 = options.protocol == "5"
    wishes = {"receive_maximum": options.in_flight, "maximum_packet_size": limit}
    if options.session_expiry:
        wishes["session_expiry_interval"] = options.session_expiry
    will = None
    if options.will_topic:
        payload = options.will_payload.encode()
        will = codec.Will(topic=options.will_topic, payload=payload, qos=options.will_qos, retain=options.will_retain)
    return codec.Connect(
        client_id=client_id,
        v5=v5,
        clean=not options.session_expiry,
        keepalive=options.keepalive,
        # 3.1.1 allows no password without a user name (section 3.1.2.9).
        username=broker.username or ("" if broker.password and not v5 else None),
        password=broker.password.encode() if broker.password else None,
        will=will,
        properties=wishes,
    )


def refusal(broker: Broker, options: MqttOptions, client_id: str, reason: int) -> EdgeError:
    """Return what a refusing CONNACK is, in words: ConfigError for good, LinkLost for now."""
    words = REFUSALS.get(reason)
    if words is None:
        return LinkLost(f"{broker.where} refused the session for now: {codec.reason_text(reason)}")
    other = "3.1.1" if options.protocol == "5" else "5.0"
    told = words.format(protocol=options.protocol, other=other, client_id=client_id)
    kind = LinkLost if reason in LOGIN and options.password_file else ConfigError
    return kind(f"{broker.where} {told}")
