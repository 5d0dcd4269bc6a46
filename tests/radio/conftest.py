"""A radio channel for whoever asks for one, and the devices of this process on it."""

import contextlib
import os

import pytest

from edge.desired import Desired
from edge.supervisor import Supervisor
from tests.radio.lab import RadioLab, alsa_speaks_pulse
from tests.radio.offair import Direwolf, make_audio
from tests.scenarios.running import eventually, short_folder


@pytest.fixture(scope="module")
def radio():
    """Give a function that opens a radio lab with these paths (``"A-B B-C"``); all are closed at the module's end."""
    if not alsa_speaks_pulse():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs libasound2-plugins (a Debian package)")
    with contextlib.ExitStack() as stack:
        yield lambda paths: stack.enter_context(RadioLab(stack.enter_context(short_folder()), paths))


@pytest.fixture
async def devices():
    """Give a function that runs devices and waits until all are up; it returns their supervisor and what each heard."""
    events = {}

    def observe(device, direction, event, _reason):
        if direction == "heard":
            events.setdefault(device, []).append(event)

    supervisor = Supervisor(layer=None, observe=observe)

    async def run(*wishes, routes=()):
        await supervisor.apply(Desired(devices=wishes, routes=routes))
        await eventually(lambda: all(status.text == "up" for status in supervisor.status()), supervisor.status)
        return supervisor, events

    yield run
    await supervisor.stop()


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    return make_audio(tmp_path_factory.mktemp("audio"))


@pytest.fixture
async def direwolf():
    with short_folder() as folder:
        running = Direwolf(folder)
        await running.start()
        yield running
        running.kill()
