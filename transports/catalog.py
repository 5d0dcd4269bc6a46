"""The kinds of device that come with Edge. Light to import: builders and options are import strings.

The fourth of the five steps to a new kind (README.md): one value here, one line in ``pyproject.toml``.
"""

from edge.registry import Kind

SERIAL = Kind(
    name="serial",
    label="Serial line",
    help="A serial port or a TCP stream without a protocol on it: a GPS, a sensor, a terminal.",
    scope_type="serial",
    schemes=("serial", "usb", "tcp", "memory"),
    link_example="serial:///dev/ttyUSB0",
    options="transports.options:SerialOptions",
    builder="transports.serial:build",
    radio=True,
)

AX25 = Kind(
    name="ax25",
    label="AX.25 by a KISS TNC",
    help="Packet radio frames as they are, from a KISS TNC on a serial port or over TCP, or from an AGWPE server.",
    scope_type="ax25",
    schemes=("serial", "usb", "tcp", "agwpe", "memory"),
    link_example="serial:///dev/ttyUSB0",
    options="transports.options:Ax25Options",
    builder="transports.ax25:build",
    radio=True,
    check="transports.tnc_profile:option_problems",
    check_data="transports.profiles:problems",
)

APRS = Kind(
    name="aprs",
    label="APRS by a KISS TNC",
    help="Positions, messages, weather and telemetry, from a KISS TNC on a serial port or over TCP, or from AGWPE.",
    scope_type="aprs",
    schemes=("serial", "usb", "tcp", "agwpe", "memory"),
    link_example="serial:///dev/ttyUSB0",
    options="transports.options:AprsOptions",
    builder="transports.aprs:build",
    radio=True,
    check="transports.tnc_profile:option_problems",
    check_data="transports.profiles:problems",
)

MQTT = Kind(
    name="mqtt",
    label="MQTT broker",
    help="Topics of a broker: sensors, Home Assistant, other boxes.",
    scope_type="mqtt",
    schemes=("mqtt", "mqtts", "ws", "wss"),
    link_example="mqtt://localhost:1883",
    options="transports.options:MqttOptions",
    builder="transports.mqtt:build",
    radio=False,
)
