"""Handlers take what they name: every form of signature, on every kind of event."""

# ruff: noqa: A006  (the fields of events are called so)

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.handlers import compile_handler, find_handler

RECEIVE = {"type": "websocket.receive", "text": "hello", "bytes": None}
DISCONNECT = {"type": "websocket.disconnect", "code": 1001, "reason": "away"}
CHAT = {"type": "chat.message", "text": "hello", "room": "lobby"}


def call(handler, event, **options):
    return compile_handler(handler, [event["type"]], **options)("self", event)


@pytest.mark.parametrize(
    ("handler", "event", "expected"),
    [
        (lambda self: (), RECEIVE, ()),
        (lambda self, message: message, RECEIVE, RECEIVE),
        (lambda self, event: event, RECEIVE, RECEIVE),
        (lambda self, text: text, RECEIVE, "hello"),
        (lambda self, text, bytes=None: (text, bytes), RECEIVE, ("hello", None)),
        (lambda self, bytes, text: (text, bytes), RECEIVE, ("hello", None)),
        (lambda self, text_data=None, bytes_data=None: (text_data, bytes_data), RECEIVE, ("hello", None)),
        (lambda self, text_data: text_data, RECEIVE, "hello"),
        (lambda self, *, text_data: text_data, RECEIVE, "hello"),
        (lambda self, message, text: (message, text), RECEIVE, (RECEIVE, "hello")),
        (lambda self, message, *, text: (message, text), RECEIVE, (RECEIVE, "hello")),
        (lambda self, text, bytes, message, type: (text, type), RECEIVE, ("hello", "websocket.receive")),
        (lambda self, text, **rest: (text, rest), RECEIVE, ("hello", {"type": "websocket.receive", "bytes": None})),
        (lambda self, **fields: fields, RECEIVE, RECEIVE),
        (lambda self, text, /: text, RECEIVE, "hello"),
        (lambda self, code: code, DISCONNECT, 1001),
        (lambda self, close_code: close_code, DISCONNECT, 1001),
        (lambda self, code, reason: (code, reason), DISCONNECT, (1001, "away")),
        (lambda self, event: event, CHAT, CHAT),
        (lambda self, anything: anything, CHAT, CHAT),
        (lambda self, text, room: (text, room), CHAT, ("hello", "lobby")),
        (lambda self, text, sender="?": (text, sender), CHAT, ("hello", "?")),
        (lambda self, *, room: room, CHAT, "lobby"),
        (lambda self, message, room: (message, room), CHAT, (CHAT, "lobby")),
    ],
)
def test_a_handler_gets_what_its_parameters_name(handler, event, expected):
    assert call(handler, event) == expected


@pytest.mark.parametrize("handler", [lambda self, *args: args, lambda self, *args, **kwargs: args])
def test_star_args_stand_for_the_positional_fields(handler):
    assert call(handler, DISCONNECT, positional=("code",)) == (1001,)


@pytest.mark.parametrize(
    "handler",
    [
        lambda self, text: text,
        lambda self, text, bytes: text,
        lambda self, text, bytes, message: text,
        lambda self, *, text: text,
    ],
)
def test_a_field_that_the_specification_allows_to_be_absent_is_none(handler):
    assert call(handler, {"type": "websocket.receive", "bytes": b"x"}) is None


@pytest.mark.parametrize(
    "handler", [lambda self, text="?": text, lambda self, text="?", bytes=b"": text, lambda self, *, text="?": text]
)
def test_an_absent_field_is_the_parameters_own_default_where_it_has_one(handler):
    assert call(handler, {"type": "websocket.receive"}) == "?"


@pytest.mark.parametrize("name", ["txt", "payload", "close_code", "self_"])
def test_a_name_that_no_event_has_is_an_error_that_lists_those_it_could_be(name):
    made = {}
    exec(f"def receive(self, {name}): pass", made)
    with pytest.raises(TypeError) as error:
        compile_handler(made["receive"], ["websocket.receive", "conversation.receive"])
    assert str(error.value) == (
        f"receive() asks for {name!r}, which no such event has; "
        "it could ask for bytes, bytes_data, message, text, text_data, type"
    )


def test_a_name_may_be_a_field_of_any_of_the_events():
    receive = compile_handler(lambda self, payload, info: (payload, info), ["mqtt.receive", "ax25.receive"])
    assert receive("self", {"type": "mqtt.receive", "payload": b"x"}) == (b"x", None)


def test_a_field_that_a_layer_message_lacks_is_an_error_that_says_what_it_has():
    def chat_message(self, text, author):
        pass

    with pytest.raises(TypeError, match=r"asks for 'author'; the event 'chat\.message' has type, text, room"):
        call(chat_message, CHAT)


fields = st.sampled_from(["text", "bytes", "type", "message", "text_data", "bytes_data"])


@given(
    positional=st.lists(fields, unique=True, max_size=4),
    keywords=st.lists(fields, unique=True, max_size=3),
    event=st.fixed_dictionaries(
        {"type": st.just("websocket.receive")}, optional={"text": st.text(), "bytes": st.binary()}
    ),
)
def test_every_signature_of_known_names_is_called_with_those_fields(positional, keywords, event):
    keywords = [name for name in keywords if name not in positional]
    names = [*positional, *keywords]
    made = {}
    star = ["*", *keywords] if keywords else []
    exec(f"def receive({', '.join(['self', *positional, *star])}): return [{', '.join(names)}]", made)
    expected = [event if name == "message" else event.get(name.removesuffix("_data")) for name in names]
    if not names:
        assert call(made["receive"], event) == []
    else:
        assert call(made["receive"], event) == expected


def test_a_method_is_found_as_a_function_of_the_consumer():
    class Decorated:
        __wrapped__ = staticmethod(lambda self, text: None)

        def __get__(self, instance, owner):
            return lambda text: (instance, text)

        def __call__(self, *args):
            raise AssertionError("called past the instance")

    class Consumer:
        plain_class = dict
        decorated = Decorated()

        def handler(self, text):
            return self, text

        @property
        def a_property(self):
            return None

        @classmethod
        def a_classmethod(cls):
            return None

        @staticmethod
        def a_staticmethod():
            return None

    class Child(Consumer):
        pass

    consumer = Child()
    for name in ("handler", "decorated"):
        found = find_handler(Child, name)
        assert list(inspect.signature(found).parameters) == ["self", "text"]
        assert found(consumer, "hello") == (consumer, "hello")
    for name in ("plain_class", "a_property", "a_classmethod", "a_staticmethod", "nothing"):
        assert find_handler(Child, name) is None
