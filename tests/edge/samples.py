"""Consumers and apps that the tests of `tests/edge` name by their paths."""

from dataclasses import dataclass

from edge.consumers import AsyncAprsConsumer, AsyncSerialConsumer, WebsocketConsumer
from edge.options import option


class Listener(AsyncAprsConsumer):
    """Takes packets."""


class LineListener(AsyncSerialConsumer):
    """Takes lines."""


class ChatConsumer(WebsocketConsumer):
    """DESIGN.md, section 5, exactly as written there."""

    def connect(self, message):
        self.username = "Anonymous"
        self.accept()
        self.send(text="[Welcome %s!]" % self.username)

    def receive(self, text, bytes=None):
        if text.startswith("/name"):
            self.username = text[5:].strip()
            self.send(text="[set your username to %s]" % self.username)
        else:
            self.send(text=self.username + ": " + text)

    def disconnect(self, message):
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeterOptions:
    greeting: str = option("hello", label="Greeting", maximum=10)


class Greeter(WebsocketConsumer):
    """A conversation with an option of its own."""

    Options = GreeterOptions


@dataclass
class NotDeclared:
    hosts: int = 5


class Unsound(AsyncAprsConsumer):
    """Its options were not declared with option()."""

    Options = NotDeclared


class Explodes(AsyncAprsConsumer):
    """Cannot be made."""

    @classmethod
    def as_asgi(cls, **_):
        raise RuntimeError("no such database")


async def plain_app(scope, receive, send):
    while not (await receive())["type"].endswith(".disconnect"):
        pass


ready_app = Listener.as_asgi()
number = 5
