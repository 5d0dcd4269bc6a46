import pytest

from edge.conversations import Conversations
from edge.errors import ConfigError
from edge.legs import build_app, options_types, parse_route_options, speaks
from tests.edge import samples


def test_a_consumer_says_what_it_speaks():
    assert speaks(samples.Listener, "aprs") == ""
    assert speaks(samples.Listener, "serial") == "Listener speaks aprs; this device offers serial"
    assert speaks(samples.plain_app, "whatever") == ""


@pytest.mark.parametrize("scope_type", ["aprs", "mqtt", "conversation", "websocket"])
def test_a_conversation_is_carried_where_there_is_a_carrier(scope_type):
    assert speaks(samples.ChatConsumer, scope_type) == ""


def test_a_conversation_is_not_carried_over_a_serial_line():
    assert "this device offers serial" in speaks(samples.ChatConsumer, "serial")


def test_the_options_of_a_route_are_the_consumers_and_the_carriers():
    assert options_types(samples.Listener, "aprs") == ()
    assert [type_.__name__ for type_ in options_types(samples.Greeter, "aprs")] == [
        "GreeterOptions",
        "AprsCarrierOptions",
    ]
    own, carrier = parse_route_options(samples.Greeter, "aprs", {"greeting": "hi", "idle_minutes": 5}, "")
    assert (own.greeting, carrier.idle_minutes) == ("hi", 5)


def test_an_app_is_called_as_it_is():
    assert build_app("tests.edge.samples.plain_app", "aprs", {}, "") is samples.plain_app


def test_a_consumer_becomes_an_app_with_its_options():
    app = build_app("tests.edge.samples.Greeter", "conversation", {"greeting": "hi"}, "")
    assert app.consumer_class is samples.Greeter
    assert app.consumer_initkwargs["options"].greeting == "hi"


def test_a_conversation_is_put_behind_the_carrier_of_its_feed():
    app = build_app("tests.edge.samples.ChatConsumer", "mqtt", {"reply_topic": "c/{peer}"}, "chat/+peer/in")
    assert isinstance(app, Conversations)
    carrier = app.make_carrier({"type": "mqtt", "state": {}})
    assert (carrier.over, carrier.reply_topic) == ("mqtt", "c/{peer}")


def test_two_routes_of_one_device_do_not_share_their_messages():
    state = {}
    carriers = [
        build_app("tests.edge.samples.ChatConsumer", "aprs", {}, match).make_carrier(
            {"state": state, "callsign": "QQ1EDG"}
        )
        for match in ("", "source=QQ1*", "")
    ]
    assert carriers[0].messages is carriers[2].messages
    assert carriers[0].messages is not carriers[1].messages
    assert carriers[0].messages.station is carriers[1].messages.station


def test_what_is_wrong_is_a_config_error():
    with pytest.raises(ConfigError, match="unknown option 'x'"):
        build_app("tests.edge.samples.Listener", "aprs", {"x": 1}, "")
