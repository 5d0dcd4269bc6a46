"""Consumers that keep a diary in a file, where a story reads it whatever process they run in; some misbehave.

A line is ``device name what text``. The file is that of ``FAULTS_DIARY``.
"""

import asyncio
import os
import threading
from pathlib import Path

from edge.consumers import AprsConsumer, AsyncAprsConsumer, AsyncMqttConsumer

A_MINUTE = 60.0  # seconds
ALARM = threading.Event()  # rung when a story is over, so that no thread sleeps on into another one


def write(consumer, what, text=""):
    with Path(os.environ["FAULTS_DIARY"]).open("a") as diary:
        diary.write(f"{consumer.scope['device']} {type(consumer).__name__} {what} {text}\n")


class Listener(AsyncAprsConsumer):
    """Writes down all that it is told."""

    async def connect(self):
        write(self, "connect")

    async def receive(self, info):
        write(self, "receive", info.decode())

    async def disconnect(self, code, reason):
        write(self, "disconnect", f"{code} {reason}")


class PlainListener(AprsConsumer):
    """The same with plain handlers."""

    def connect(self):
        write(self, "connect")

    def receive(self, info):
        write(self, "receive", info.decode())

    def disconnect(self, code, reason):
        write(self, "disconnect", f"{code} {reason}")


class TopicListener(AsyncMqttConsumer):
    """The same on a broker."""

    async def connect(self):
        write(self, "connect")

    async def receive(self, topic, payload):
        write(self, "receive", f"{topic} {payload.decode()}")

    async def disconnect(self, code, reason):
        write(self, "disconnect", f"{code} {reason}")


class Raiser(Listener):
    """Cannot bear the word boom."""

    async def receive(self, info):
        if b"boom" in info:
            raise ValueError("I cannot bear this word")
        await super().receive(info)


class PlainRaiser(PlainListener):
    """The same with plain handlers."""

    def receive(self, info):
        if b"boom" in info:
            raise ValueError("I cannot bear this word")
        super().receive(info)


class Unwilling(Listener):
    """Never gets as far as listening."""

    async def connect(self):
        await super().connect()
        raise RuntimeError("not today")


class Sleeper(Listener):
    """Falls asleep at its first packet."""

    async def receive(self, info):
        await super().receive(info)
        await asyncio.sleep(A_MINUTE)


class PlainSleeper(PlainListener):
    """The same, in a thread."""

    def receive(self, info):
        super().receive(info)
        ALARM.wait(A_MINUTE)
