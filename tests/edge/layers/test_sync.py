"""A layer for code that cannot await: on the loop that runs it, or on one of its own, and never in a loop's way."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import InMemoryChannelLayer as Theirs

from edge.exceptions import ChannelFull
from edge.layers import ChannelLayerManager, InMemoryChannelLayer, Receipt, sync, sync_facade
from edge.mailbox import LAYER, Mailbox

SOON = 5.0
HELLO = {"type": "chat.message", "text": "hello"}


class Noting(InMemoryChannelLayer):
    """Notes on which loops it was called."""

    def __init__(self):
        super().__init__()
        self.loops = []

    async def group_send(self, group, message):
        self.loops.append(asyncio.get_running_loop())
        return await super().group_send(group, message)


class Silent:
    """A third party's layer that never answers."""

    asked = 0

    async def send(self, channel, message):
        self.asked += 1
        await asyncio.get_running_loop().create_future()

    async def receive(self, channel):
        raise TimeoutError("the server is away")


def in_thread(function, *arguments):
    """Run in a plain thread, which no library knows of, and return what it returned or raised."""
    outcome = []

    def run():
        try:
            outcome.append(function(*arguments))
        except (RuntimeError, OSError) as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON)
    return outcome[0]


def test_without_a_loop_every_method_works_from_plain_code():
    facade = InMemoryChannelLayer(capacity=1).sync
    name = facade.new_channel()
    facade.send(name, HELLO)
    with pytest.raises(ChannelFull):
        facade.send(name, HELLO)
    assert facade.receive(name) == HELLO
    facade.group_add("room", name)
    assert (facade.group_members("room"), facade.group_count("room")) == ([name], 1)
    assert facade.group_send("room", HELLO) == Receipt(delivered=1)
    facade.group_discard("room", name)
    facade.group_add("room", facade.new_channel("mine"))
    facade.flush()
    assert facade.group_count("room") == 0


def test_without_a_loop_all_calls_share_one_that_stays():
    first, second = Noting(), Noting()
    for layer in (first, second, first):
        layer.sync.group_send("room", HELLO)
        in_thread(sync_facade(layer).group_send, "room", HELLO)
    assert len({*first.loops, *second.loops}) == 1
    assert len([thread for thread in threading.enumerate() if thread.name == "edge-layers-sync"]) == 1


async def test_a_thread_reaches_the_consumers_on_the_loop_that_runs_the_layer():
    layer, box, here = Noting(), Mailbox(), asyncio.get_running_loop()
    name = await layer.new_channel()
    layer.attach(name, box)
    await layer.group_add("room", name)
    facade = in_thread(sync_facade, layer)  # made where no loop is to be seen
    async with asyncio.timeout(SOON):
        assert await asyncio.to_thread(in_thread, facade.group_send, "room", HELLO) == Receipt(delivered=1)
        assert await asyncio.to_thread(facade.group_send, "room", HELLO) == Receipt(delivered=1)
        assert await sync_to_async(facade.group_send)("room", HELLO) == Receipt(delivered=1)
    assert layer.loops == [here] * 3
    assert box.waiting(LAYER) == 3


async def test_a_layer_that_was_looked_up_on_a_loop_belongs_to_it_whoever_made_it():
    manager = ChannelLayerManager({"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
    layer = manager["default"]
    assert isinstance(layer, Theirs)
    assert sync.loop_of(layer) is asyncio.get_running_loop()
    receiving = asyncio.create_task(layer.receive("a"))
    async with asyncio.timeout(SOON):
        await asyncio.to_thread(lambda: sync_facade(manager["default"]).send("a", HELLO))
        assert await receiving == HELLO


async def test_on_a_loop_that_it_would_block_it_says_what_to_await():
    layer = InMemoryChannelLayer()
    with pytest.raises(RuntimeError, match=r"would block the event loop that runs here; await group_send\(\) of the"):
        layer.sync.group_send("room", HELLO)


def test_a_second_loop_of_a_command_does_not_take_a_layer_from_the_first():
    layer = Noting()

    async def box():
        sync.settle(layer)
        first = asyncio.get_running_loop()

        async def elsewhere():
            sync.settle(layer)
            assert asyncio.get_running_loop() is not first

        await asyncio.to_thread(asyncio.run, elsewhere())
        await asyncio.to_thread(lambda: layer.sync.group_send("room", HELLO))
        assert layer.loops == [first]

    asyncio.run(asyncio.wait_for(box(), SOON))


def test_a_loop_that_has_ended_is_forgotten():
    layer = Noting()

    async def brief():
        sync.settle(layer)

    asyncio.run(brief())
    assert layer.sync.group_send("room", HELLO) == Receipt()

    async def box():
        receiving = asyncio.create_task(layer.receive("a"))
        await asyncio.sleep(0)
        await asyncio.to_thread(lambda: layer.sync.send("a", HELLO))
        assert await receiving == HELLO

    asyncio.run(asyncio.wait_for(box(), SOON))


def test_it_works_within_async_to_sync_as_in_a_view():
    layer = InMemoryChannelLayer()

    async def view():
        return await sync_to_async(lambda: layer.sync.group_send("room", HELLO))()

    assert async_to_sync(view)() == Receipt()


def test_an_answer_that_does_not_come_is_given_up_and_said():
    with pytest.raises(TimeoutError, match=r"send\(\): the channel layer gave no answer within 0\.01 s"):
        sync_facade(Silent(), timeout=0.01).send("a", HELLO)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        InMemoryChannelLayer().sync.receive("a", timeout=0.01)


def test_a_timeout_of_the_layers_own_is_not_taken_for_ours():
    with pytest.raises(TimeoutError, match="the server is away"):
        sync_facade(Silent()).receive("a")


def test_a_loop_that_ends_meanwhile_cuts_the_call_off():
    layer, waiting = Silent(), []

    async def box():
        sync.settle(layer)
        thread = threading.Thread(target=lambda: waiting.append(in_thread(sync_facade(layer).send, "a", HELLO)))
        thread.start()
        while not layer.asked:
            await asyncio.sleep(0.001)
        return thread

    asyncio.run(asyncio.wait_for(box(), SOON)).join(SOON)
    assert isinstance(waiting[0], RuntimeError)
    assert "is ending" in str(waiting[0])


def test_no_layer_is_said_at_once():
    with pytest.raises(ValueError, match="there is no channel layer"):
        sync_facade(None)


def test_a_layer_that_nobody_has_is_not_kept():
    async def use():
        layer = InMemoryChannelLayer()
        sync.settle(layer)

    before = len(sync._homes)
    asyncio.run(use())
    gc.collect()
    assert len(sync._homes) <= before


def test_a_command_that_forks_goes_on_in_both_processes_and_ends_without_a_warning():
    program = """
        import os
        from edge.layers import InMemoryChannelLayer
        layer = InMemoryChannelLayer()
        layer.sync.send("a", {"type": "x"})
        child = os.fork()
        layer.sync.send("b", {"type": "x"})
        if child == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-W",
            "ignore:This process:DeprecationWarning",
            "-c",
            textwrap.dedent(program),
        ],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")
