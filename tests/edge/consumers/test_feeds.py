"""Consumers of what devices hear: each class over its own scope, sync and async."""

import asyncio

import pytest

from edge import consumers
from edge.consumers import AprsConsumer, AsyncAprsConsumer, AsyncMqttConsumer, MqttConsumer, SerialConsumer
from edge.errors import LinkLost, LocalProtocolError
from edge.handlers import ALIASES
from edge.spec import SCOPES, fields

FEEDS = [
    (f"{prefix}{noun}Consumer", type_)
    for noun, type_ in (("Serial", "serial"), ("Ax25", "ax25"), ("Aprs", "aprs"), ("Mqtt", "mqtt"))
    for prefix in ("", "Async")
]


def sample(type_):
    """Return an event with every field that its specification has; each value is its own name."""
    return {name: name for name in fields(type_) if name != "type"}


@pytest.mark.parametrize(("name", "type_"), FEEDS)
async def test_each_class_lives_through_its_own_scope(serve, name, type_):
    log = []
    base = getattr(consumers, name)

    if name.startswith("Async"):

        class Consumer(base):
            async def connect(self):
                log.append("connect")

            async def receive(self, message):
                log.append(message)

            async def disconnect(self, code, reason):
                log.append((code, reason))

    else:

        class Consumer(base):
            def connect(self):
                log.append("connect")

            def receive(self, message):
                log.append(message)

            def disconnect(self, code, reason):
                log.append((code, reason))

    line = serve(Consumer.as_asgi(), type_)
    heard = sample(f"{type_}.receive")
    line.say("receive", **heard)
    line.say("disconnect", code=1006, reason="the cable was pulled")
    await line.ended()
    assert log == ["connect", {"type": f"{type_}.receive", **heard}, (1006, "the cable was pulled")]


@pytest.mark.parametrize(("name", "type_"), FEEDS)
async def test_a_class_without_handlers_of_its_own_listens_and_ends(serve, name, type_):
    line = serve(getattr(consumers, name).as_asgi(), type_)
    line.say("receive", **sample(f"{type_}.receive"))
    line.say("disconnect", code=1006, reason="")
    await line.ended()
    assert line.sent == []


@pytest.mark.parametrize(("name", "type_"), FEEDS)
def test_a_handler_may_name_each_field_that_its_specification_has(name, type_):
    base = getattr(consumers, name)
    known = [field for field in fields(f"{type_}.receive") if field not in ALIASES.values()]
    parameters = ", ".join(["self", *known])
    colour = "async def" if name.startswith("Async") else "def"
    made = {}
    exec(f"{colour} receive({parameters}): pass", made)
    type("Consumer", (base,), {"receive": made["receive"]})
    with pytest.raises(TypeError, match=f"asks for 'nonsense'.* could ask for .*{known[0]}"):
        exec(f"{colour} receive(self, nonsense): pass", made)
        type("Consumer", (base,), {"receive": made["receive"]})


async def test_handlers_take_the_fields_they_name(serve):
    class Consumer(AsyncAprsConsumer):
        async def receive(self, source, info, *, format):
            await self.send(info=info + b"!", destination=f"{source} {format}")

    line = serve(Consumer.as_asgi(), "aprs")
    line.say("receive", source="QQ1ABC-7", info=b"hello", format="status", packet={})
    assert await line.answer() == {"type": "aprs.send", "info": b"hello!", "destination": "QQ1ABC-7 status"}


@pytest.mark.parametrize("base", [AprsConsumer, AsyncAprsConsumer])
async def test_what_a_tnc_confirms_and_reports_needs_no_handler_and_can_have_one(serve, base):
    log = []

    class Silent(base):
        pass

    class Plain(AprsConsumer):
        def aprs_sent(self, id, confirmed):
            log.append((id, confirmed))

        def receive(self):
            log.append("receive")

    class Async(AsyncAprsConsumer):
        async def aprs_sent(self, id, confirmed):
            log.append((id, confirmed))

        async def receive(self):
            log.append("receive")

    for consumer in (Silent, Plain if base is AprsConsumer else Async):
        line = serve(consumer.as_asgi(), "aprs")
        line.say("sent", **{**sample("aprs.sent"), "id": "mine", "confirmed": True})
        line.say("report", **sample("aprs.report"))
        line.say("receive", **sample("aprs.receive"))
        line.say("disconnect", code=1006, reason="")
        await line.ended()
    assert log == [("mine", True), "receive"]


@pytest.mark.parametrize("base", [AprsConsumer, AsyncAprsConsumer])
async def test_a_field_that_cannot_be_sent_is_named_beside_those_that_can(serve, base):
    class Plain(AprsConsumer):
        def receive(self):
            self.send(text="hello")

    class Async(AsyncAprsConsumer):
        async def receive(self):
            await self.send(text="hello")

    line = serve((Plain if base is AprsConsumer else Async).as_asgi(), "aprs")
    line.say("receive")
    with pytest.raises(LocalProtocolError, match=r"aprs\.send has no text; it has destination, .*id, info, origin"):
        await line.ended()


async def test_what_is_none_is_not_sent(serve):
    class Consumer(SerialConsumer):
        def receive(self, bytes, text):
            self.send(bytes=bytes, text=text)

    line = serve(Consumer.as_asgi(), "serial")
    line.say("receive", bytes=b"x", text=None, time=0.0)
    assert await line.answer() == {"type": "serial.send", "bytes": b"x"}


async def test_a_broker_is_subscribed_to_and_published_to(serve):
    class Plain(MqttConsumer):
        def connect(self):
            self.subscribe("a/+", qos=1)
            self.send(topic="b", payload="hello")

    class Async(AsyncMqttConsumer):
        async def connect(self):
            await self.subscribe("a/+", qos=1)
            await self.send(topic="b", payload="hello")

    for consumer in (Plain, Async):
        line = serve(consumer.as_asgi(), "mqtt")
        assert await line.answer() == {"type": "mqtt.subscribe", "topic": "a/+", "qos": 1}
        assert await line.answer() == {"type": "mqtt.send", "topic": "b", "payload": "hello"}


@pytest.mark.parametrize("base", [AprsConsumer, AsyncAprsConsumer])
async def test_after_its_own_close_a_consumer_hears_no_more(serve, base):
    heard = []

    class Plain(AprsConsumer):
        def receive(self, source):
            heard.append(source)
            self.close(1000, "enough")

    class Async(AsyncAprsConsumer):
        async def receive(self, source):
            heard.append(source)
            await self.close(1000, "enough")

    line = serve((Plain if base is AprsConsumer else Async).as_asgi(), "aprs")
    line.say("receive", source="first")
    line.say("receive", source="second")
    assert await line.answer() == {"type": "aprs.close", "code": 1000, "reason": "enough"}
    line.say("disconnect", code=1000, reason="enough")
    await line.ended()
    assert heard == ["first"]


async def test_a_send_after_the_link_was_lost_ends_the_consumer_quietly(serve):
    codes = []

    async def send(event):
        raise LinkLost("the cable was pulled")

    class Consumer(AsyncAprsConsumer):
        async def receive(self):
            await self.send(info=b"x")

        async def disconnect(self, code):
            codes.append(code)
            await self.send(info=b"goodbye")

    line = serve(Consumer.as_asgi(), "aprs", send=send)
    line.say("receive")
    await line.ended()
    assert codes == [1006]


async def test_a_feed_that_raises_closes_nothing_for_the_router_decides(serve):
    class Consumer(AsyncAprsConsumer):
        async def receive(self):
            raise KeyError

    line = serve(Consumer.as_asgi(), "aprs")
    line.say("receive")
    with pytest.raises(KeyError):
        await asyncio.wait_for(line.task, 5)
    assert line.sent == []


def test_there_is_a_class_of_each_colour_for_each_scope_of_a_device():
    served = {type_ for _, type_ in FEEDS}
    assert served == set(SCOPES) - {"websocket", "conversation"}
    for name, type_ in FEEDS:
        assert getattr(consumers, name).protocols == {type_}
