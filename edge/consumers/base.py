"""What every consumer shares: the loop over its events, the ways out, and the channel layer.

One task per consumer. Under our own transports its events come straight out of the transport's mailbox; under any other
ASGI server it awaits ``receive`` itself, until it asks for its `channel_name`: from then on one pump task carries the server's events into a
mailbox, where the layer's messages join them.

**The ways out** all pass through `Consumer.__call__`: the peer leaves, a handler raises (code 1011, and the error goes
on to the server), the box stops (1012), the link is lost (1006), the consumer stops itself. In each of them ``disconnect`` is called
once, bounded by `GOODBYE` seconds, and every group is left.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, ClassVar, TypeVar

from asgiref.sync import SyncToAsync

from edge import spec
from edge.asgi import App, Event, Receive, Scope, Send
from edge.errors import LinkLost
from edge.exceptions import InvalidChannelLayerError, StopConsumer
from edge.handlers import Call, compile_handler
from edge.layers import DEFAULT, ChannelLayer, get_channel_layer
from edge.mailbox import Lane, Mailbox
from edge.spec import CloseCode
from edge.threads import StickyThread, pool

logger = logging.getLogger("edge.consumers")

GOODBYE = 5.0  # seconds that disconnect() may take on any way out
VERBS = ("connect", "receive", "disconnect")

T = TypeVar("T")

# Called in a sync consumer's thread before and after each handler; Django's leaf puts close_old_connections here.
around_sync_handlers: list[Callable[[], None]] = []


class Consumer:
    """The machinery below `AsyncConsumer` and `SyncConsumer`; people subclass those, and the classes made of them.

    Attributes, from the call on: ``scope``; ``base_send``, the server's own send; ``channel_layer``, None where none is
    configured; ``channel_name``, whose first use opens this consumer's channel.
    """

    protocols: ClassVar[frozenset[str]] = frozenset()  # scope types whose connect, receive and disconnect it handles
    positional: ClassVar[dict[str, tuple[str, ...]]] = {"disconnect": ("code",)}  # what *args stands for
    channel_layer_alias: ClassVar[str] = DEFAULT
    groups: list[str] | tuple[str, ...] = ()  # joined before connect(), left before disconnect()
    handlers_are_async: ClassVar[bool]

    Options: ClassVar[type[Any] | None] = None  # what a route may set: a dataclass of `edge.options`
    options: Any  # an instance of Options, which only the subclass knows

    scope: Scope
    base_send: Send
    channel_layer: ChannelLayer | None
    _calls: ClassVar[dict[str, Call]] = {}
    _layer_calls: ClassVar[dict[str, Call]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._calls = {}
        cls._layer_calls = {}
        for verb in VERBS if cls.protocols else ():
            function = getattr(cls, verb, None)
            if function is None:
                continue
            types = sorted(f"{protocol}.{verb}" for protocol in cls.protocols)
            call = compile_handler(function, types, cls.positional.get(verb, ()))
            cls._calls |= dict.fromkeys(types, call)
        for type_ in spec.event_types():
            if (function := getattr(cls, type_.replace(".", "_"), None)) is not None:
                cls._calls[type_] = compile_handler(function, [type_])
        cls._check_colours()

    def __init__(self, *_args: Any, options: Any = None, **_kwargs: Any) -> None:
        self.options = options if options is not None or self.Options is None else self.Options()

    @classmethod
    def _check_colours(cls) -> None:
        """Refuse an async handler where handlers run in a thread, and the other way round: neither would ever run."""
        names = [name for name in vars(cls) if name in VERBS or "_" in name.strip("_")]
        for name in names:
            function = vars(cls)[name]
            if not inspect.isfunction(function) or name.startswith("_"):
                continue
            is_handler = name in VERBS or name.replace("_", ".", 1) in spec.event_types()
            if is_handler and inspect.iscoroutinefunction(function) is not cls.handlers_are_async:
                have, need = ("a plain", "async") if cls.handlers_are_async else ("an async", "plain")
                raise TypeError(
                    f"{cls.__qualname__}.{name}() is {have} function; handlers of this class are {need} functions "
                    f"({'Async…' if not cls.handlers_are_async else 'a consumer without Async'} is the class for the other kind)"
                )

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
        ending = self._ending(CloseCode.NORMAL, "the consumer stopped")
        try:
            if self.channel_layer is not None:
                self._channel_name = await self.channel_layer.new_channel()
            ending = await self._serve()
        except StopConsumer:
            pass
        except LinkLost as error:
            ending = self._ending(CloseCode.LINK_LOST, str(error))
        except asyncio.CancelledError:
            ending = self._ending(CloseCode.RESTART, "the box is stopping")
            raise
        except Exception as error:
            ending = self._ending(CloseCode.HANDLER_ERROR, f"{type(error).__name__} in a handler")
            await self._close_after_error(CloseCode.HANDLER_ERROR)
            raise
        finally:
            await self._end(ending)

    @property
    def channel_name(self) -> str:
        """This consumer's own channel; the first use opens it. Raises AttributeError where no layer is configured."""
        if self._channel_name is None:
            raise AttributeError(
                f"no channel layer {self.channel_layer_alias!r} is configured, so there is no channel_name"
            )
        if not self._channel_open:
            self._channel_open = True
            self._on_loop(self._open_channel)
        return self._channel_name

    @property
    def dropped(self) -> int:
        """How many events and messages this consumer was too slow for."""
        return self._mailbox.dropped if self._mailbox else 0

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.base_send = send
        self._receive = receive
        self._mailbox = Mailbox.behind(receive)
        self._loop = asyncio.get_running_loop()
        self._pumps: list[asyncio.Task[None]] = []
        self._joined: list[str] = []
        self._channel_name: str | None = None
        self._channel_open = False
        self.channel_layer = get_channel_layer(self.channel_layer_alias)

    async def _serve(self) -> Event:
        """Handle events until the last one, and return that."""
        while True:
            if self._mailbox is None:
                event = await self._receive()
            else:
                lane, event = await self._mailbox.next()
                if lane is Lane.LAYER:
                    await self._handle_layer(event)
                    continue
            type_ = event.get("type", "")
            if type_.endswith(".disconnect"):
                return event
            if type_.endswith(".connect"):
                await self._join_groups()
            await self._handle(self._call_for(type_), event)

    async def _handle(self, call: Call, event: Event) -> None:
        """Run one handler."""
        raise NotImplementedError

    async def _close_after_error(self, code: int) -> None:
        """Tell the peer that a handler failed, where the protocol can."""

    def _call_for(self, type_: str) -> Call:
        call = self._calls.get(type_)
        if call is None:
            call = self._calls[type_] = self._find_call(type_)
        return call

    @classmethod
    def _find_call(cls, type_: str) -> Call:
        if not type_:
            raise ValueError("Incoming message has no 'type' attribute")
        name = type_.replace(".", "_")
        if name.startswith("_"):
            raise ValueError("Malformed type in message (leading underscore)")
        function = getattr(cls, name, None)
        if function is None:
            raise ValueError(f"No handler for message type {type_}")
        return compile_handler(function, [type_])

    async def _handle_layer(self, message: Event) -> None:
        type_ = message.get("type", "")
        call = self._layer_calls.get(type_)
        if call is None:
            if (problem := self._layer_problem(type_)) is not None:
                logger.warning("%s: a layer message was refused: %s", type(self).__qualname__, problem)
                return
            call = self._layer_calls[type_] = self._find_call(type_)
        await self._handle(call, message)

    @classmethod
    def _layer_problem(cls, type_: str) -> str | None:
        """Say why a layer message may not reach a method of this name: only handlers that a person wrote are reached."""
        name = type_.replace(".", "_")
        if not name or name.startswith("_") or type_ in spec.event_types() or name in VERBS:
            return f"the type {type_!r} is not for the layer"
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None:
            return f"{cls.__qualname__} has no handler for {type_!r}"
        if owner.__module__.startswith("edge.consumers.") or not inspect.isfunction(vars(owner)[name]):
            return f"{name} is no handler"
        return None

    async def _join_groups(self) -> None:
        for group in self.groups:
            if self.channel_layer is None:
                raise InvalidChannelLayerError("BACKEND is unconfigured or doesn't support groups")
            await self.channel_layer.group_add(group, self.channel_name)
            self._joined.append(group)

    def _open_channel(self) -> None:
        """Let the layer's messages in; on the loop."""
        if self._mailbox is None:
            self._mailbox = Mailbox()
            self._pumps.append(asyncio.create_task(self._pump_transport(self._mailbox), name="edge-consumer-pump"))
        if hasattr(self.channel_layer, "attach"):
            self.channel_layer.attach(self._channel_name, self._mailbox)
        else:
            self._pumps.append(asyncio.create_task(self._pump_layer(self._mailbox), name="edge-consumer-layer"))

    async def _pump_transport(self, mailbox: Mailbox) -> None:
        """Carry what a foreign server has into the mailbox, at the pace of the consumer."""
        while True:
            try:
                event = await self._receive()
            except Exception as error:  # noqa: BLE001  (a foreign server may raise anything; the consumer must end with it)
                event = self._ending(CloseCode.LINK_LOST, f"{type(error).__name__}: {error}")
            if event["type"].endswith(".disconnect"):
                mailbox.close(event)
                return
            while not mailbox.offer(event):  # a client that floods waits, however long: that is its backpressure
                if mailbox.closed:
                    return
                await mailbox.room()
                await asyncio.sleep(0.01 if mailbox.stuck else 0)

    async def _pump_layer(self, mailbox: Mailbox) -> None:
        """Carry what a third party's layer has for us into the mailbox."""
        if self.channel_layer is None or self._channel_name is None:
            return
        while True:
            mailbox.push(await self.channel_layer.receive(self._channel_name), Lane.LAYER)

    async def _end(self, ending: Event) -> None:
        """Leave the groups, say goodbye once, let go of what this connection had; on every way out."""
        for pump in self._pumps:
            pump.cancel()
        try:
            async with asyncio.timeout(GOODBYE):
                await self._leave_groups()
                if ending["type"] in self._calls or hasattr(self, ending["type"].replace(".", "_")):
                    await self._handle(self._call_for(ending["type"]), ending)
        except StopConsumer:
            pass
        except TimeoutError:
            logger.warning("%s: disconnect() took more than %g s and was left behind", type(self).__qualname__, GOODBYE)

    async def _leave_groups(self) -> None:
        if self.channel_layer is None:
            return
        for group in self._joined:
            await self.channel_layer.group_discard(group, self.channel_name)
        if self._channel_open and hasattr(self.channel_layer, "detach"):
            self.channel_layer.detach(self._channel_name)

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
            raise
        except OSError as error:
            raise LinkLost(f"the peer is gone: {error}") from error


class AsyncConsumer(Consumer):
    """A consumer whose handlers are async functions, run one after another on the loop."""

    handlers_are_async = True

    async def send(self, message: Event) -> None:
        """Send one ASGI event to the server."""
        await self._transmit(message)

    async def _handle(self, call: Call, event: Event) -> None:
        await call(self, event)


class SyncConsumer(Consumer):
    """A consumer whose handlers are plain functions, run one after another in a thread of its own.

    A handler may block: nobody else waits for it. ``send`` and its like return when the server has taken the event.
    """

    handlers_are_async = False
    _thread: StickyThread | None = None

    def send(self, message: Event) -> None:
        """Send one ASGI event to the server."""
        self._block_on(self._transmit(message))

    async def _handle(self, call: Call, event: Event) -> None:
        if self._thread is None:
            self._thread = pool.lease()
        run = SyncToAsync(_run_handler, thread_sensitive=False, executor=self._thread)  # type: ignore[arg-type]  # asgiref says
        await run(call, self, event)  # ThreadPoolExecutor, and uses what every Executor has

    async def _end(self, ending: Event) -> None:
        try:
            await super()._end(ending)
        finally:
            if self._thread is not None:
                pool.release(self._thread)

    def _block_on(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it, from this consumer's thread."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not None:
            coroutine.close()
            raise RuntimeError(
                f"{type(self).__qualname__} is a sync consumer: call its methods from its handlers, not from the event loop"
            )
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result()


def _run_handler(call: Call, consumer: Consumer, event: Event) -> None:
    for hook in around_sync_handlers:
        hook()
    try:
        call(consumer, event)
    finally:
        for hook in around_sync_handlers:
            hook()
