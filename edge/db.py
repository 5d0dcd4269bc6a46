"""Django's ORM from async code, without stale connections. Names and behaviour follow Django Channels 4.3.

A connection to a database belongs to a thread and outlives the call that opened it, so one that the server has dropped
meanwhile must not be used again. Sync consumers need nothing of this: `edge.apps` looks after their threads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar, overload

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import close_old_connections

__all__ = ["DatabaseSyncToAsync", "aclose_old_connections", "database_sync_to_async"]

P = ParamSpec("P")
R = TypeVar("R")


class DatabaseSyncToAsync(SyncToAsync[P, R]):
    """A plain function made awaitable, with old connections closed in its thread before and after it.

    Old is what Django calls so: older than ``CONN_MAX_AGE`` (by default: after every use), or broken. A connection
    inside a transaction is left alone.
    """

    # Any: asgiref leaves its own hook untyped.
    def thread_handler(self, loop: asyncio.AbstractEventLoop, *args: Any, **kwargs: Any) -> Any:
        """Run in the thread: close, call, close; also where the call raised."""
        close_old_connections()
        try:
            return super().thread_handler(loop, *args, **kwargs)  # type: ignore[no-untyped-call]  # asgiref's
        finally:
            close_old_connections()


@overload
def database_sync_to_async(
    func: Callable[P, R],
    thread_sensitive: bool = ...,  # noqa: FBT001  (asgiref's signature)
    executor: ThreadPoolExecutor | None = ...,
) -> DatabaseSyncToAsync[P, R]: ...


@overload
def database_sync_to_async(
    *, thread_sensitive: bool = ..., executor: ThreadPoolExecutor | None = ...
) -> Callable[[Callable[P, R]], DatabaseSyncToAsync[P, R]]: ...


def database_sync_to_async(
    func: Callable[P, R] | None = None,
    thread_sensitive: bool = True,  # noqa: FBT001, FBT002  (asgiref's signature)
    executor: ThreadPoolExecutor | None = None,
) -> DatabaseSyncToAsync[P, R] | Callable[[Callable[P, R]], DatabaseSyncToAsync[P, R]]:
    """Make a function that uses the ORM awaitable: called as a function, or as a decorator with or without arguments.

    By default all such calls run one after another on one thread, as transactions in tests and SQLite's writers want.
    Give ``thread_sensitive=False`` for a query that may be slow, so that it delays nobody.
    """
    if func is None:
        return lambda function: DatabaseSyncToAsync(function, thread_sensitive, executor)
    return DatabaseSyncToAsync(func, thread_sensitive, executor)


async def aclose_old_connections() -> None:
    """Close the old connections of the thread on which the ORM's own async methods run; one thread hop.

    For a long-lived async consumer that uses those (``await Model.objects.aget()``) without `database_sync_to_async`.
    """
    await sync_to_async(close_old_connections)()
