"""Which handler of a consumer's class an event reaches: found when the class is made, or with the first of its type.

Knows nothing of connections: `edge.consumers.base` runs what is found here, `edge.handlers` compiles it. A message of
the channel layer reaches only handlers that a person wrote for it, never a method of the framework's, for anybody who
knows a channel's name may send one.
"""

import inspect
import logging
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction

from edge import spec
from edge.asgi import Event
from edge.consumers.overlap import is_concurrent
from edge.handlers import Call, compile_handler, find_handler

logger = logging.getLogger("edge.consumers")

VERBS = ("connect", "receive", "disconnect")
FRAMEWORK = ("edge.consumers.", "edge.http.")  # modules whose methods no layer message may call
RESTORED = "layer.restored"  # an attached layer tells all of us that it was away
MAX_REFUSED = 100  # types of layer messages, per class, whose refusal is logged; an unknown sender must not fill a disk


class Handlers:
    """The handlers of a class, by the type of event: the base of `edge.consumers.base.Consumer`."""

    protocols: ClassVar[frozenset[str]] = frozenset()  # scope types whose connect, receive and disconnect it handles
    positional: ClassVar[dict[str, tuple[str, ...]]] = {"disconnect": ("code",)}  # what *args stands for
    handlers_are_async: ClassVar[bool]
    concurrency: ClassVar[int] = 1  # handlers at once, of an async consumer (`edge.consumers.overlap`)

    _calls: ClassVar[dict[str, Call]] = {}
    _layer_calls: ClassVar[dict[str, Call]] = {}
    _refused: ClassVar[set[str]] = set()
    _receives: ClassVar[dict[str, Call]] = {}  # those of them for what the peer says
    _overlapping: ClassVar[set[Call]] = set()  # the handlers that `concurrent` marked
    _dispatches: ClassVar[bool] = False  # a subclass has its own dispatch()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._calls, cls._layer_calls, cls._refused, cls._overlapping = {}, {}, set(), set()
        cls._dispatches = not cls._is_ours("dispatch")
        if cls.concurrency != 1 and (cls.concurrency < 1 or not cls.handlers_are_async):
            raise TypeError(f"{cls.__qualname__}.concurrency is for async handlers, and 1 at least")
        for verb in VERBS if cls.protocols else ():
            types = sorted(f"{protocol}.{verb}" for protocol in cls.protocols)
            if (call := cls._compile(verb, types)) is not None:
                cls._calls |= dict.fromkeys(types, call)
        for type_ in spec.event_types():
            name = type_.replace(".", "_")
            if not (type_.endswith(VERBS) or type_ in spec.UNASKED) or cls._is_ours(name):
                continue
            if (call := cls._compile(name, [type_])) is not None:
                cls._calls[type_] = call
        cls._receives = {type_: call for type_, call in cls._calls.items() if type_.endswith(".receive")}

    @classmethod
    def _compile(cls, name: str, event_types: list[str]) -> Call | None:
        """Compile the handler of this name; None where there is none, TypeError where it could never run."""
        function = find_handler(cls, name)
        if function is None:
            return None
        if cls._is_async(name) is not cls.handlers_are_async:
            is_, need, other = (
                ("a plain", "async", "without") if cls.handlers_are_async else ("an async", "plain", "with")
            )
            raise TypeError(
                f"{cls.__qualname__}.{name}() is {is_} function; handlers of this class are {need} functions "
                f"(for the other kind there is a class of the same name {other} Async)"
            )
        call = compile_handler(function, event_types, cls.positional.get(name, ()))
        if is_concurrent(function):
            if not cls.handlers_are_async or name.endswith(("connect", "disconnect")):
                raise TypeError(
                    f"{cls.__qualname__}.{name}() is marked concurrent, which async handlers may be, and of those "
                    "neither connect() nor disconnect()"
                )
            cls._overlapping.add(call)
        return call

    @classmethod
    def _is_ours(cls, name: str) -> bool:
        """Whether the method of this name is the framework's, not a person's."""
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        return owner is not None and f"{owner.__module__}.".startswith(FRAMEWORK)

    @classmethod
    def _is_async(cls, name: str) -> bool:
        layer = inspect.getattr_static(cls, name)
        if not cls.handlers_are_async:
            return iscoroutinefunction(layer)
        while layer is not None and not iscoroutinefunction(layer):
            layer = getattr(layer, "__wrapped__", None)  # a plain decorator that hands on the coroutine is fine
        return layer is not None

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
        call = cls._compile(name, [type_])
        if call is None:
            raise ValueError(f"No handler for message type {type_}")
        return call

    @classmethod
    def _job_call(cls, job: Event) -> Call:
        """Return the handler of a worker's job; ValueError where it has none that jobs may reach."""
        type_ = job.get("type", "")
        if problem := cls._layer_problem(type_):
            raise ValueError(f"No handler for message type {type_}: {problem}")
        return cls._layer_call(job) or cls._find_call(type_)

    @classmethod
    def _layer_call(cls, message: Event) -> Call | None:
        type_ = message.get("type", "")
        call = cls._layer_calls.get(type_) if isinstance(type_, str) else None
        if call is not None:
            return call
        if problem := cls._layer_problem(type_):
            if type_ != RESTORED:  # who has no handler for it does not want to know
                cls._refuse(str(type_), problem)
            return None
        call = cls._layer_calls[type_] = cls._find_call(type_)
        return call

    @classmethod
    def _layer_problem(cls, type_: object) -> str:
        """Say why a layer message may not reach a method of this name, or nothing: only a person's own handlers may."""
        if not isinstance(type_, str) or not type_ or type_.startswith(("_", ".")):
            return f"the type {type_!r} is none"
        name = type_.replace(".", "_")
        framework = [base for base in cls.__mro__ if f"{base.__module__}.".startswith(FRAMEWORK)]
        if type_ in spec.event_types() or name in VERBS or any(hasattr(base, name) for base in framework):
            return f"the type {type_!r} is not for the layer"
        return "" if find_handler(cls, name) else f"there is no handler for {type_!r}"

    @classmethod
    def _refuse(cls, type_: str, problem: str) -> None:
        if type_ not in cls._refused and len(cls._refused) < MAX_REFUSED:
            cls._refused.add(type_)
            logger.warning("%s: a layer message was refused, as all of its type will be: %s", cls.__qualname__, problem)
