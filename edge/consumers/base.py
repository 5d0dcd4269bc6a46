"""What every consumer shares: the loop over its events, the ways out, and the channel layer.

One task per consumer. What it hears comes through its `edge.consumers.inbox`: straight out of the transport's mailbox
under our own transports, from the server's ``receive`` under any other, with the channel layer's messages among it once
a handler has asked for its `channel_name`.

**The ways out** all pass through `Consumer.__call__`: the peer leaves, a handler raises (code 1011, and the error goes
on to the server), the box stops (1012), the link is lost (1006), the consumer stops itself (1000). In each of them
every group is left, and ``disconnect`` is called once if ``connect`` was, bounded by `GOODBYE` seconds. After a
consumer's own ``close`` only ``disconnect`` comes: what the peer or the layer said meanwhile is not for it any more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from edge import spec
from edge.asgi import App, Event, Receive, Scope, Send
from edge.consumers.dispatching import Handlers
from edge.consumers.eager import Eager, context_of_this_task
from edge.consumers.inbox import Inbox
from edge.consumers.overlap import OVERLAPPING, Overlap
from edge.errors import LinkLost
from edge.exceptions import AcceptConnection, DenyConnection, InvalidChannelLayerError, StopConsumer
from edge.handlers import Call, find_handler
from edge.layers import DEFAULT, AttachableLayer, ChannelLayer, get_channel_layer
from edge.mailbox import LAYER, TRANSPORT, Lane
from edge.spec import CloseCode

logger = logging.getLogger("edge.consumers")

GOODBYE = 5.0  # seconds that disconnect() may take on any way out, and as many for leaving the groups
WHY = 0.2  # seconds for a server to say why a connection is gone, after a send has said that it is
LAST_WORDS = 1.0  # seconds for the same where a second cancellation says that there is a hurry
NO_CODE = 1005  # the code of a WebSocket's end where the client gave none (RFC 6455, section 7.1.5)

STEERING = (StopConsumer, AcceptConnection, DenyConnection, LinkLost)  # ways to end, not errors of a handler

# Called on the loop with each error that ends a connection and that no `Consumer.on_error` answered, for tools that
# collect errors: ``hook(consumer, error, event)``. They must not block; what they raise is logged.
error_hooks: list[Callable[["Consumer", Exception, Event], None]] = []


class Consumer(Handlers):
    """The machinery below `AsyncConsumer` and `SyncConsumer`; people subclass those, and the classes made of them.

    Attributes, from the call on: ``scope``; ``base_send``, the server's own send; ``channel_layer``, None where none is
    configured; ``channel_name``, whose first use opens this consumer's channel.
    """

    channel_layer_alias: ClassVar[str] = DEFAULT
    groups: list[str] | tuple[str, ...] = ()  # joined before connect(), left before disconnect()

    Options: ClassVar[type[Any] | None] = None  # what a route may set: a dataclass of `edge.options`
    options: Any = None  # an instance of Options, which only the subclass knows

    scope: Scope
    base_send: Send
    channel_layer: ChannelLayer | None
    _channel_name: str | None
    _channel_open: bool
    _limited: Callable[[Event], Awaitable[bool]] | None = None  # what may be said, where there are limits

    def __init__(self, *_args: Any, options: Any = None, **_kwargs: Any) -> None:
        self.options = options if options is not None or self.Options is None else self.Options()

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> App:
        """Return an ASGI app that makes one instance per connection, with these arguments."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await cls(**initkwargs)(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]  # Channels' name, which tools look at
        app.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]  # likewise
        app.__name__, app.__qualname__, app.__doc__ = cls.__name__, cls.__qualname__, cls.__doc__
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, to its end: an ASGI app."""
        self._begin(scope, receive, send)
        try:
            if self.channel_layer is not None:
                self._channel_name = await self.channel_layer.new_channel()
            try:
                ending = await self._serve()
            except LinkLost as error:
                ending = await self._find_ending(error)
        except StopConsumer:
            ending = self._ending(CloseCode.NORMAL, "the consumer stopped")
        except LinkLost as error:  # of the layer
            ending = self._ending(CloseCode.LINK_LOST, str(error))
        except asyncio.CancelledError:
            await self._end_in_peace(self._ending(CloseCode.RESTART, "the box is stopping"))
            raise
        except Exception as error:
            ending = self._ending(CloseCode.HANDLER_ERROR, f"{type(error).__name__} in a handler")
            try:
                await self._close_after_error(CloseCode.HANDLER_ERROR)
            finally:
                await self._end_after_error(ending)
            raise
        await self._end(ending)

    @property
    def channel_name(self) -> str:
        """The name of this consumer's own channel, which the first use opens.

        AttributeError where no layer is configured. RuntimeError where the first use is outside a handler, under a
        foreign ASGI server: its ``receive`` is being awaited then, and cannot be by two.
        """
        if self._channel_name is None:
            raise AttributeError(
                f"no channel layer {self.channel_layer_alias!r} is configured, so there is no channel_name"
            )
        if not self._channel_open:
            if self._inbox.listening:
                raise RuntimeError("channel_name was used for the first time outside a handler; use it in connect()")
            self._channel_open = True
            self._on_loop(self._open_channel)
        return self._channel_name

    @property
    def dropped(self) -> int:
        """How many events and messages this consumer was too slow for."""
        mailbox = self._inbox.mailbox
        return 0 if mailbox is None else mailbox.dropped

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.base_send = send
        self._inbox = Inbox(receive, scope["type"])
        self._loop = asyncio.get_running_loop()
        self._joined: list[str] = []
        self._connected = f"{scope['type']}.connect" not in spec.event_types()  # such a scope begins without one
        self._closed = False  # by this consumer itself
        self._unsent = False  # a send has failed, for the peer is gone
        self._overlap: Overlap | None = None
        self._interrupt: asyncio.Timeout | None = None  # by a handler that overlaps and fails
        self._failure: Exception | None = None
        self._channel_name = None
        self._channel_open = False
        self.channel_layer = get_channel_layer(self.channel_layer_alias)

    async def dispatch(self, message: Event) -> None:
        """Run the handler of one event; override to stand around each of them, and ``await super().dispatch()``.

        Every event passes here, from the peer and from the layer; on the loop, in a consumer of plain handlers too.
        """
        type_ = message.get("type", "")
        await self._handle(self._layer_calls.get(type_) or self._call_for(type_), message)

    async def _serve(self) -> Event:
        """Handle events until the last one, and return that."""
        if self.concurrency == 1 and not self._overlapping:
            return await self._serve_each()
        self._overlap = Overlap(self.concurrency if self.concurrency > 1 else OVERLAPPING, self._fail)
        try:
            async with asyncio.timeout(None) as self._interrupt:
                return await self._serve_each()
        except TimeoutError:
            if self._failure is None:
                raise  # a handler's own
            failure, self._failure = self._failure, None
            raise failure from None
        finally:
            self._interrupt = None
            await self._overlap.end(GOODBYE)

    async def _serve_each(self) -> Event:
        """Handle events until the last one, in the order in which they come, and return that."""
        is_job = self.scope["type"] == "channel"  # a worker's: every event is a message of the layer
        is_plain = not (is_job or self._dispatches or self._overlap is not None or self._limited is not None)
        quick = self._receives if is_plain else {}
        mailbox = self._inbox.mailbox
        if mailbox is None or not quick or not self.handlers_are_async:
            return await self._follow(quick, None, is_job=is_job)
        eager = Eager(self, quick, mailbox, await context_of_this_task())
        try:
            return await self._follow(quick, eager, is_job=is_job)
        finally:
            eager.close()

    async def _follow(self, quick: Mapping[str, Call], eager: Eager | None, *, is_job: bool) -> Event:
        # Every event of every consumer passes here, but for those that `eager` has handled by itself.
        inbox = self._inbox
        while True:
            if (mailbox := inbox.mailbox) is None:
                lane, event = TRANSPORT, await inbox.listen()
            elif (found := mailbox.take()) is not None:
                lane, event = found
            else:
                await (inbox.wait(mailbox) if eager is None else eager.wait())
                continue
            type_ = event.get("type", "")
            call = quick.get(type_) if lane is TRANSPORT else None
            if call is None and lane is TRANSPORT and not is_job and type_.endswith(".disconnect"):
                return event
            try:
                if call is None:
                    await (self._take_job(event) if is_job else self._take(lane, event))
                elif not self._closed:
                    await self._handle(call, event)
            except Exception as error:
                if not await self._is_answered(error, event):
                    raise

    async def _take(self, lane: Lane, event: Event) -> None:
        if lane is LAYER:
            if (call := self._layer_call(event)) is not None and not self._closed:
                await self._perform(call, event)
        elif (type_ := event.get("type", "")).endswith(".connect"):
            await self._connect(event)
        elif type_ in spec.UNASKED and type_ not in self._calls:
            return
        elif not self._closed and (self._limited is None or await self._limited(event)):
            await self._perform(self._call_for(type_), event)

    async def _take_job(self, job: Event) -> None:
        await self._perform(self._job_call(job), job)

    def _perform(self, call: Call, event: Event) -> Awaitable[Any]:
        """Run a handler by the way that its class has chosen."""
        if self._overlap is None and not self._dispatches:
            return self._handle(call, event)
        run = partial(self.dispatch, event) if self._dispatches else partial(self._handle, call, event)
        if self._overlap is None or (self.concurrency == 1 and call not in self._overlapping):
            return run()
        if (mailbox := self._inbox.mailbox) is not None:
            mailbox.lend(event)
        return self._overlap.start(partial(self._overlapped, run, event))

    async def _overlapped(self, run: Callable[[], Awaitable[Any]], event: Event) -> None:
        try:
            await run()
        except Exception as error:
            if not await self._is_answered(error, event):
                raise
        if (mailbox := self._inbox.mailbox) is not None:
            mailbox.give_back(event)

    def _fail(self, error: Exception) -> None:
        """End the connection for an error of a handler that overlaps others."""
        if self._failure is None:
            self._failure = error
            if self._interrupt is not None:
                self._interrupt.reschedule(self._loop.time())

    async def _is_answered(self, error: Exception, event: Event) -> bool:
        """Ask the consumer's `on_error`, and where that has no answer tell the `error_hooks`."""
        if isinstance(error, STEERING):
            return False
        if await self._ask_on_error(error, event):
            return True
        for hook in error_hooks:
            try:
                hook(self, error, event)
            except Exception:
                logger.exception("%s: a hook for errors failed itself", type(self).__qualname__)
        return False

    async def _ask_on_error(self, error: Exception, event: Event) -> bool:
        raise NotImplementedError

    async def _connect(self, event: Event) -> None:
        for group in self.groups:
            if self.channel_layer is None:
                raise InvalidChannelLayerError("BACKEND is unconfigured or doesn't support groups")
            self._joined.append(group)
            await self.channel_layer.group_add(group, self.channel_name)
        self._connected = True
        call = self._call_for(event["type"])
        await (self.dispatch(event) if self._dispatches else self._handle(call, event))

    def _handle(self, call: Call, event: Event) -> Awaitable[Any]:
        """Run one handler; what it returns is of no interest."""
        raise NotImplementedError

    async def _close_after_error(self, code: int) -> None:
        """Tell the peer that a handler failed, where the protocol can. Raises nothing of its own."""

    def _open_channel(self) -> None:
        """Let the layer's messages in; on the loop."""
        if self._channel_name is not None:
            self._inbox.open(self.channel_layer, self._channel_name, self._join_again)

    async def _join_again(self) -> bool:
        """Join our groups again, which a layer that was away may have forgotten; True where that is to be told."""
        if self.channel_layer is not None and self._channel_name is not None:
            for group in self._joined:
                await self.channel_layer.group_add(group, self._channel_name)
        return find_handler(type(self), "layer_restored") is not None

    async def _find_ending(self, error: LinkLost) -> Event:
        """Return the server's own word for an end that a failed send has told us of; it says the client's code."""
        try:
            async with asyncio.timeout(WHY if self._unsent else 0):
                while True:
                    event = await self._inbox.next()
                    if event.get("type", "").endswith(".disconnect"):
                        return event
        except (TimeoutError, LinkLost):
            return self._ending(CloseCode.LINK_LOST, str(error))

    async def _end_in_peace(self, ending: Event) -> None:
        """End although we were cancelled, and hurry where we are cancelled again: some servers do so at once."""
        ending_task = asyncio.create_task(self._end_after_error(ending), name="edge-consumer-end")
        try:
            await asyncio.shield(ending_task)
        except asyncio.CancelledError:
            await asyncio.wait((ending_task,), timeout=LAST_WORDS)
        finally:
            ending_task.cancel()

    async def _end_after_error(self, ending: Event) -> None:
        """End while an error is on its way out, which a second one must not hide."""
        try:
            await self._end(ending)
        except Exception:
            logger.exception("%s: disconnect() failed, too", type(self).__qualname__)

    async def _end(self, ending: Event) -> None:
        """Leave the groups, say goodbye once, let go of what this connection had; on every way out."""
        pumps = self._inbox.stop()
        try:
            await self._leave_groups()
            if pumps:
                await asyncio.wait(pumps, timeout=GOODBYE)
        finally:
            await self._say_goodbye(ending)

    async def _leave_groups(self) -> None:
        was_open, self._channel_open = self._channel_open, True  # from here on channel_name is only a name
        if self.channel_layer is None or self._channel_name is None:
            return
        if not was_open:
            await _give_back(self.channel_layer, self._channel_name)
            return
        try:
            async with asyncio.timeout(GOODBYE):
                for group in self._joined:
                    await self.channel_layer.group_discard(group, self._channel_name)
        except Exception:
            logger.exception("%s: could not leave its groups", type(self).__qualname__)
        finally:
            if isinstance(self.channel_layer, AttachableLayer):
                self.channel_layer.detach(self._channel_name)

    async def _say_goodbye(self, ending: Event) -> None:
        type_ = ending["type"]
        if not self._connected or not (type_ in self._calls or find_handler(type(self), type_.replace(".", "_"))):
            return
        self._connected = False
        if "code" not in ending and "code" in (spec.fields(type_) or ()):
            ending = {**ending, "code": NO_CODE}
        try:
            async with asyncio.timeout(GOODBYE) as limit:
                await (self.dispatch(ending) if self._dispatches else self._handle(self._call_for(type_), ending))
        except (StopConsumer, LinkLost):
            return
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning("%s: disconnect() took more than %g s and was left behind", type(self).__qualname__, GOODBYE)

    def _ending(self, code: int, reason: str) -> Event:
        return {"type": f"{self.scope['type']}.disconnect", "code": int(code), "reason": reason}

    def _on_loop(self, function: Callable[[], None]) -> None:
        """Run on the loop, at once where we are on it; from a thread before anything that the thread asks for later."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            function()
        else:
            self._loop.call_soon_threadsafe(function)

    async def _transmit(self, event: Event) -> None:
        """Send one event to the server; a peer that has gone is `LinkLost`, whatever the server calls it."""
        try:
            await self.base_send(event)
        except LinkLost:
            self._unsent = True
            raise
        except OSError as error:
            self._unsent = True
            raise LinkLost(f"the peer is gone: {error}") from error


async def _give_back(layer: ChannelLayer, channel: str) -> None:
    """Let a third party's layer free a channel that was named and never read: they do so when a reader leaves."""
    if isinstance(layer, AttachableLayer):
        return
    reader = asyncio.create_task(_read_nothing(layer, channel), name="edge-consumer-give-back")
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait((reader,), timeout=GOODBYE)


async def _read_nothing(layer: ChannelLayer, channel: str) -> None:
    with contextlib.suppress(Exception):  # an outage: there is nothing to free
        await layer.receive(channel)


class AsyncConsumer(Consumer):
    """A consumer whose handlers are async functions, run one after another on the loop."""

    handlers_are_async = True

    async def send(self, message: Event) -> None:
        """Send one ASGI event to the server."""
        await self._transmit(message)

    async def on_error(self, error: Exception, event: Event) -> bool:  # noqa: ARG002  (for those who override it)
        """Answer a handler's error: True, and the connection goes on with the next event. By default it ends."""
        return False

    async def _ask_on_error(self, error: Exception, event: Event) -> bool:
        return await self.on_error(error, event)

    def _handle(self, call: Call, event: Event) -> Awaitable[Any]:
        handling: Awaitable[Any] = call(self, event)
        return handling
