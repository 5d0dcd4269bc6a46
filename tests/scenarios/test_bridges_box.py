"""Bridges in a box of its own process: its tap tells of acknowledgements, its status tells Home Assistant of itself."""

import json
import subprocess

import pytest

from tests.scenarios.hass import Hass
from tests.scenarios.running import Box, Workbench, make_rows, short_folder, until
from transports.simulator.broker import PrivateBroker

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub", "mosquitto_sub")


class Watch:
    """mosquitto_sub on everything."""

    def __init__(self, port, folder):
        self.path = folder / "heard"
        with self.path.open("wb") as out:
            command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "#", "-F", "%t %p"]
            self.process = subprocess.Popen(command, stdout=out)

    def on(self, topic):
        lines = self.path.read_text().splitlines()
        return [payload for found, _, payload in (line.partition(" ") for line in lines) if found == topic]

    def all(self):
        return [line.partition(" ")[::2] for line in self.path.read_text().splitlines()]


def test_a_box_says_that_a_message_arrived_and_shows_itself_to_home_assistant():
    with short_folder() as folder, Workbench() as bench:
        broker = PrivateBroker(folder / "broker", kind="mosquitto")
        bench.do(broker.start())
        watch = Watch(broker.port, folder)
        try:
            tell(folder, bench, broker, watch)
        finally:
            watch.process.kill()
            watch.process.wait()
            bench.do(broker.stop())


def tell(folder, bench, broker, watch):
    tnc = bench.plug(folder / "vhf")
    with Box(folder / "data") as box:
        make_rows(
            box.data,
            {
                "name": "vhf",
                "kind": "aprs",
                "link": f"serial://{folder}/vhf",
                "transmit": True,
                "options": {"callsign": "QQ1EDG"},
            },
            {"name": "broker", "kind": "mqtt", "link": broker.url},
            {
                "device": "broker",
                "consumer": "edge.contrib.transmit.Transmit",
                "match": "aprs/+to/send",
                "options": {"acknowledge": True, "result_topic": "aprs/{to}/result"},
            },
            {
                "device": "broker",
                "consumer": "edge.contrib.homeassistant.HomeAssistantBox",
                "match": "homeassistant/status",
            },
            {
                "device": "vhf",
                "consumer": "edge.contrib.forward.Forward",
                "options": {"topic": "kept/{source}", "payload": "{packet.status}", "durable": True},
            },
        )
        until(lambda: [r["text"] for r in box.device("broker")["routes"]] == ["running"] * 2, lambda: box.status())
        box.turns("vhf", "up")
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1"]
        subprocess.run([*command, "-t", "aprs/QQ1ABC-7/send", "-m", "hello"], check=True, timeout=10)

        def results():
            return [json.loads(payload) for payload in watch.on("aprs/QQ1ABC-7/result")]

        until(results, lambda: watch.all())
        assert results()[0]["result"] == "sent"
        bench.hear(tnc, f":QQ1EDG   :ack{results()[0]['id']}", source="QQ1ABC-7")
        until(lambda: [said["result"] for said in results()] == ["sent", "delivered"], lambda: results())

        def shown():
            hass = Hass()
            for topic, payload in watch.all():
                hass.take(topic, payload.encode())
            entity = hass.entities.get("edge_device_vhf_connected")
            return entity and entity["state"] == "ON"

        until(shown, lambda: watch.all())

        bench.do(broker.kill())
        box.turns("broker", "waiting")
        bench.hear(tnc, ">while it was away", source="QQ1OLD")
        until(lambda: box.device("vhf")["heard"] >= 2, lambda: box.status())
        bench.do(broker.start())
        box.turns("broker", "up", limit=40)
        until(lambda: box.device("broker")["outbox"]["sent"] == 2, lambda: box.status())
