import asyncio
import threading

import django
import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django.test import override_settings

import edge.apps
from edge.apps import EdgeConfig, close_used_connections
from edge.consumers.plain import around_sync_handlers
from edge.db import DatabaseSyncToAsync, aclose_old_connections, database_sync_to_async
from edge.layers import InMemoryChannelLayer, channel_layers, get_channel_layer

django.setup()

in_threads = pytest.mark.django_db(transaction=True)


def one():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


def is_open():
    return connection.connection is not None


@in_threads
async def test_the_connection_that_a_call_opened_is_closed_after_it():
    def look():
        return one(), is_open(), threading.get_ident()

    found, was_open, thread = await DatabaseSyncToAsync(look)()
    assert (found, was_open) == (1, True)
    assert thread != threading.get_ident()
    assert await database_sync_to_async(is_open)() is False


@in_threads
async def test_it_is_closed_where_the_call_raised_too():
    def fail():
        one()
        raise KeyError("lost")

    with pytest.raises(KeyError):
        await database_sync_to_async(fail)()
    assert await database_sync_to_async(is_open)() is False


@in_threads
async def test_a_connection_that_the_settings_keep_is_kept():
    def keep(age):
        connections["default"].settings_dict["CONN_MAX_AGE"] = age

    await database_sync_to_async(keep)(None)
    try:
        assert await database_sync_to_async(one)() == 1
        assert await database_sync_to_async(is_open)() is True
    finally:
        await database_sync_to_async(keep)(0)
        await database_sync_to_async(connections.close_all)()


@in_threads
async def test_old_connections_of_the_orms_own_thread_can_be_closed():
    assert await sync_to_async(one)() == 1
    assert await sync_to_async(is_open)() is True
    await aclose_old_connections()
    assert await sync_to_async(is_open)() is False


async def test_it_decorates_functions_and_methods():
    @database_sync_to_async
    def double(number, *, plus=0):
        return number * 2 + plus

    class Counter:
        step = 3

        @database_sync_to_async
        def add(self, number):
            return number + self.step

    assert await double(4, plus=1) == 9
    assert double.__name__ == "double"
    assert await Counter().add(1) == 4


async def test_a_slow_call_can_have_a_thread_that_nobody_else_waits_for():
    go_on = threading.Event()

    @database_sync_to_async(thread_sensitive=False)
    def slow():
        return go_on.wait(10)

    waiting = asyncio.ensure_future(slow())
    await database_sync_to_async(go_on.set)()  # would wait behind a thread-sensitive one
    assert await asyncio.wait_for(waiting, 10)


def test_an_async_function_is_refused():
    async def wrong():
        pass

    with pytest.raises(TypeError):
        database_sync_to_async(wrong)


@pytest.fixture
def config():
    return EdgeConfig("edge", edge)


def test_the_app_looks_after_the_threads_of_sync_consumers_once(config):
    config.ready()
    config.ready()
    assert around_sync_handlers.count(close_used_connections) == 1


def test_only_a_thread_that_has_opened_a_connection_is_cleaned_up(config, monkeypatch):
    config.ready()
    closings = []
    monkeypatch.setattr(edge.apps, "close_old_connections", lambda: closings.append(1))
    counts = []

    def work():
        close_used_connections()
        counts.append(len(closings))
        connection_created.send(sender=None)
        close_used_connections()
        counts.append(len(closings))

    for _ in range(2):  # each thread for itself
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
    assert counts == [0, 1, 1, 2]


def test_the_app_hands_channel_layers_on_and_follows_them(config):
    config.ready()
    memory = {"BACKEND": "edge.layers.InMemoryChannelLayer"}
    own = {"default": memory, "other": memory}
    with override_settings(CHANNEL_LAYERS=own):
        assert "other" in channel_layers
    assert "other" not in channel_layers
    with override_settings(CHANNEL_LAYERS={}):
        assert get_channel_layer() is None
    assert isinstance(get_channel_layer(), InMemoryChannelLayer)
    with override_settings(CHANNEL_LAYERS=own):
        channel_layers.configure({})
        config.ready()
        assert "other" in channel_layers


def test_django_finds_the_app_by_the_name_of_the_package():
    assert isinstance(apps.get_app_config("edge"), EdgeConfig)
