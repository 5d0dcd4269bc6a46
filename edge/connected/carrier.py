"""The connections of packet terminals as dialogues, out of an ``ax25`` feed: `edge.carrying.Carrier`.

One for each route. It answers for one callsign: frames to it that no link expects are told so (DM), and so is a caller
when all links are taken. Frames to anybody else are nobody's business here, and so are those that a digipeater has yet
to repeat. Several routes of a device, each with its own SSID, do not meet. Of those that share a callsign the first
whose match takes a frame, and which answers calls, answers for all; each has its own links.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from edge.asgi import Event, Scope
from edge.carrying import Begun, Carrier, Gone, Outcome, Said
from edge.connected.lines import Lines, on_the_air
from edge.connected.link import Link
from edge.connected.values import Action, Closed, Frame, Opened, Parameters, Received, State, Transmit
from edge.errors import ConfigError, LocalProtocolError
from edge.gate import callsign_problem
from edge.matching import matcher
from edge.options import option

BUSY_AT = 64  # things that a dialogue has not read: then its peer has to wait (RNR)
READY_AT = 16  # and then it may go on
MOST_LINES = 1100  # lines that the largest frame may bring although the peer has to wait; more than it can hold
CROWDED_AT = 2048  # bytes that wait for a peer: then the dialogue's next send waits
FIRST_CALL = 2.0  # seconds after the link came up

_CALL = re.compile(
    r"\s*(?P<peer>[A-Z0-9-]+)(?:\s+via\s+(?P<via>[A-Z0-9-]+(?:\s*[, ]\s*[A-Z0-9-]+)*))?\s*", re.IGNORECASE
)
_ADDRESS = re.compile(r"[A-Z0-9]{1,6}(-([1-9]|1[0-5]))?")
_MAX_VIA = 8
LIMITS = "Timers and limits of connections"  # the heading of options that few change


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedCarrierOptions:
    """What a route may set where AX.25 connections carry conversations."""

    callsign: str = option(
        "", label="Answers as", help="Your callsign with the SSID of this route. Empty: the device's own.", maximum=9
    )
    answer: bool = option(True, label="Answers calls", help="Off for a route that only calls out.")
    call: str = option(
        "", label="Calls", help="A station to call when the device is up: QQ1ABC-7, or QQ1ABC-7 via QQ1DIG.", maximum=90
    )
    redial_minutes: int = option(
        0,
        label="Calls again after",
        help="When that connection ended or failed. 0: it does not.",
        unit="min",
        minimum=0,
        maximum=1440,
    )
    framing: str = option(
        "line",
        label="Hands on",
        help="Whole lines of text, or bytes as each frame brings them.",
        choices=(("line", "Lines of text"), ("bytes", "Bytes as they come")),
    )
    max_links: int = option(
        10,
        label="Most connections",
        help="At once; further callers hear that we are busy.",
        minimum=1,
        maximum=64,
        group=LIMITS,
    )
    window: int = option(
        3,
        label="Window",
        help="Frames on their way unacknowledged (MAXFRAME). Above 3 only where no digipeater reorders.",
        unit="frames",
        minimum=1,
        maximum=7,
        group=LIMITS,
    )
    piece: int = option(
        128,
        label="Frame size",
        help="Bytes in a frame that we send (PACLEN).",
        unit="bytes",
        minimum=16,
        maximum=256,
        group=LIMITS,
    )
    retries: int = option(
        10,
        label="Tries",
        help="Before a peer that does not answer is given up (N2).",
        minimum=1,
        maximum=30,
        group=LIMITS,
    )
    keepalive: int = option(
        300,
        label="Asks after silence",
        help="Whether the peer is still there (T3).",
        unit="s",
        minimum=30,
        maximum=3600,
        group=LIMITS,
    )
    idle_minutes: int = option(30, label="Ends after silence", unit="min", minimum=1, maximum=1440)


class _Talk:
    """A link with what belongs to it."""

    def __init__(self, parameters: Parameters, peer: str, port: int, via: list[str]) -> None:
        self.peer = peer
        self.port = port
        self.via = via  # the way to the peer
        self.link = Link(parameters, hops=len(via))
        self.lines = Lines()
        self.over = False  # our side has ended the dialogue; what comes now is for nobody
        self.reply_channel = ""  # of a call, until it is known what came of it


class ConnectedCarrier(Carrier):
    """Dialogues over AX.25 connections."""

    Options = ConnectedCarrierOptions
    over = "ax25"
    max_unread = BUSY_AT + MOST_LINES

    def __init__(
        self,
        scope: Scope,
        options: ConnectedCarrierOptions,
        match: str,
        *,
        route: str = "",  # noqa: ARG002  (the carriers' form)
    ) -> None:
        self.options = options
        self._takes = matcher("ax25", match)
        self.idle_seconds = options.idle_minutes * 60.0
        self.callsign: str = (options.callsign or scope.get("callsign", "")).upper()
        self.parameters = Parameters(
            window=options.window,
            piece=options.piece,
            retries=options.retries,
            air_baud=scope.get("air_baud", 1200),
            keepalive=float(options.keepalive),
        )
        self.max_dialogues = options.max_links
        self._talks: dict[str, _Talk] = {}
        self._wanted = parse_call(options.call) if options.call else None
        self._next_call: float | None = None  # not known before the first look at the clock
        self._calls_wait = self._wanted is not None
        # Those of this callsign on this device, while they live; `end` takes us out.
        self._sharing: list[ConnectedCarrier] = scope["state"].setdefault(f"ax25 {self.callsign}", [])
        self._sharing.append(self)

    @staticmethod
    def check(options: ConnectedCarrierOptions, match: str) -> None:  # noqa: ARG004  (the carriers' form)
        """Raise ConfigError where the callsign is none, or the station to be called."""
        if options.callsign and (problem := callsign_problem(options.callsign.upper())):
            raise ConfigError(f"callsign: {problem}")
        if options.call:
            parse_call(options.call)

    def receive(self, event: Event, now: float) -> list[Outcome]:
        """Take a frame that was heard, or a request to call."""
        if event["type"].endswith(".call"):
            return list(self._asked_to_call(event, now))
        if not self.callsign or event["destination"] != self.callsign or event["source"] == self.callsign:
            return []
        if event["frame"] in ("UI", "unknown") or not all(hop.endswith("*") for hop in event["via"]):
            return []
        return list(self._receive(event, now))

    def send(self, peer: str, text: str | None, data: bytes | None, now: float) -> list[Outcome]:
        """Send a text as lines, or bytes as they are."""
        talk = self._talks.get(peer)
        if talk is None:
            raise LocalProtocolError(f"there is no connection with {peer}")
        carried = on_the_air(text) if text is not None else bytes(data or b"")
        return list(self._perform(talk, talk.link.send(carried, now), now))

    def tick(self, now: float) -> list[Outcome]:
        """Do what is due on each link, and call whom the route calls."""
        outcomes: list[Outcome] = []
        for talk in list(self._talks.values()):
            due = talk.link.due()
            if due is not None and due <= now:
                outcomes += self._perform(talk, talk.link.tick(now), now)
        if self._calls_wait and self._wanted is not None:
            outcomes += self._call_wanted(*self._wanted, now)
        return outcomes

    def due(self) -> float | None:
        """Return when the first link wants to be looked at."""
        times = [time for talk in self._talks.values() if (time := talk.link.due()) is not None]
        return min(times, default=None)

    def close(self, peer: str, now: float) -> list[Outcome]:
        """Say goodbye once everything that was sent is acknowledged."""
        talk = self._talks.get(peer)
        if talk is None:
            return []
        talk.over = True
        return list(self._perform(talk, talk.link.hang_up(now), now))

    def end(self, now: float) -> list[Outcome]:
        """Say goodbye to all, without waiting."""
        self._calls_wait = False
        if self in self._sharing:
            self._sharing.remove(self)
        talks = list(self._talks.values())
        return [
            outcome
            for talk in talks
            for outcome in self._perform(talk, talk.link.hang_up(now, at_once=True), now)
            if isinstance(outcome, dict)
        ]

    def unread(self, peer: str, count: int, now: float) -> list[Outcome]:
        """Let a peer wait whose dialogue does not read."""
        talk = self._talks.get(peer)
        if talk is None or READY_AT < count < BUSY_AT:
            return []
        return list(self._perform(talk, talk.link.set_busy(now, busy=count >= BUSY_AT), now))

    def crowded(self, peer: str) -> bool:
        """Whether a dialogue should wait with its next send."""
        talk = self._talks.get(peer)
        return talk is not None and talk.link.waiting > CROWDED_AT

    def has_link(self, peer: str) -> bool:
        """Whether a peer is connected, called, or being taken leave of."""
        return peer in self._talks

    def takes(self, event: Event) -> bool:
        """Whether the route's match takes a frame."""
        return self._takes is None or self._takes(event)

    def refused(self, event: Event, words: str, now: float) -> list[Outcome]:
        """Let the link know what its peer will not hear."""
        talk = self._talks.get(str(event.get("destination")))
        return [] if talk is None else list(self._perform(talk, talk.link.refused(_frame(event), words, now), now))

    def _receive(self, event: Event, now: float) -> Iterator[Outcome]:
        peer, port = event["source"], event["port"]
        via = [hop.rstrip("*") for hop in reversed(event["via"])]
        frame = _frame(event)
        talk = self._talks.get(peer)
        if talk is None and not self._is_ours_to_answer(event):
            return
        if talk is not None and talk.port != port:
            talk = None
            frame = _refusable(frame)
        elif talk is None and (len(self._talks) >= self.options.max_links or not self.options.answer):
            frame = _refusable(frame)
        if talk is None:
            talk = _Talk(self.parameters, peer, port, via)
        elif frame.name == "SABM":
            talk.via = via
        yield from self._perform(talk, talk.link.receive(frame, now), now)

    def _is_ours_to_answer(self, event: Event) -> bool:
        """Whether no other route of this callsign has the link, or is to answer where there is none."""
        if any(other.has_link(event["source"]) for other in self._sharing):
            return False
        takers = [other for other in self._sharing if other.takes(event)]
        return next((other for other in takers if other.options.answer), takers[0] if takers else None) is self

    def _perform(self, talk: _Talk, actions: Iterable[Action], now: float) -> Iterator[Outcome]:
        """Turn what a link wants into what is to be done; keep the link as long as it lives."""
        if talk.link.state is not State.DISCONNECTED:
            self._talks.setdefault(talk.peer, talk)
        for action in actions:
            if isinstance(action, Transmit):
                yield self._event(talk, action.frame)
            elif isinstance(action, Received):
                yield from () if talk.over else self._heard(talk, action.data)
            elif isinstance(action, Opened):
                talk.lines, talk.over = Lines(), False
                yield Begun(talk.peer, action.called)
                yield from self._answer_call(talk, "")
            else:
                yield from self._closed(talk, action, now)
        if talk.link.state is State.DISCONNECTED and self._talks.get(talk.peer) is talk:
            del self._talks[talk.peer]

    def _heard(self, talk: _Talk, data: bytes) -> Iterator[Said]:
        if self.options.framing == "bytes":
            yield Said(talk.peer, None, data)
            return
        for line in talk.lines.receive(data):
            yield _said(talk.peer, line)

    def _closed(self, talk: _Talk, closed: Closed, now: float) -> Iterator[Outcome]:
        if (rest := talk.lines.rest()) and not talk.over:
            yield _said(talk.peer, rest)
        yield from self._answer_call(talk, closed.reason)
        yield Gone(talk.peer, closed.reason, closed.code)
        if self._wanted is not None and talk.peer == self._wanted[0] and self.options.redial_minutes:
            self._next_call, self._calls_wait = now + self.options.redial_minutes * 60.0, True

    def _call_wanted(self, peer: str, via: list[str], now: float) -> Iterator[Outcome]:
        if self._next_call is None:
            self._next_call = now + FIRST_CALL
        if now < self._next_call or peer in self._talks:
            return
        self._calls_wait = False
        yield from self._call(peer, via, 0, "", now)

    def _asked_to_call(self, event: Event, now: float) -> Iterator[Outcome]:
        if str(event.get("callsign") or self.callsign).upper() != self.callsign:
            return
        reply = str(event.get("reply_channel") or "")
        peer, via = str(event.get("peer", "")).upper(), event.get("via") or []
        try:
            hops = [str(hop).upper() for hop in via] if isinstance(via, list | tuple) else [""]
            _check_addresses(peer, hops)
        except ConfigError as error:
            yield self._called(peer, str(error), reply)
            return
        yield from self._call(peer, hops, int(event.get("port") or 0), reply, now)

    def _call(self, peer: str, via: list[str], port: int, reply: str, now: float) -> Iterator[Outcome]:
        problem = ""
        if not self.callsign:
            problem = "no callsign is set"
        elif peer in self._talks:
            problem = f"there is a connection with {peer} already"
        elif len(self._talks) >= self.options.max_links:
            problem = f"all {self.options.max_links} connections of this route are taken"
        elif peer == self.callsign:
            problem = f"{peer} is this station itself"
        if problem:
            yield self._called(peer, problem, reply)
            return
        talk = _Talk(self.parameters, peer, port, via)
        talk.reply_channel = reply or "-"
        yield from self._perform(talk, talk.link.call(now), now)

    def _answer_call(self, talk: _Talk, reason: str) -> Iterator[Outcome]:
        """Say once what came of a call."""
        reply, talk.reply_channel = talk.reply_channel, ""
        if reply:
            yield self._called(talk.peer, reason, reply.removeprefix("-"))

    def _called(self, peer: str, reason: str, reply: str) -> Event:
        return {
            "type": "ax25.called",
            "peer": peer,
            "callsign": self.callsign,
            "connected": not reason,
            "reason": reason,
            "reply_channel": reply,
        }

    def _event(self, talk: _Talk, frame: Frame) -> Event:
        event: Event = {
            "type": "ax25.send",
            "port": talk.port,
            "source": self.callsign,
            "destination": talk.peer,
            "via": list(talk.via),
            "frame": frame.name,
            "command": frame.command,
            "poll": frame.poll,
            "info": frame.info,
        }
        if frame.name in ("I", "RR", "RNR", "REJ"):
            event["nr"] = frame.nr
        if frame.name == "I":
            event["ns"] = frame.ns
        return event


def parse_call(text: str) -> tuple[str, list[str]]:
    """Read ``QQ1ABC-7`` or ``QQ1ABC-7 via QQ1DIG,QQ2DIG``; raise ConfigError."""
    found = _CALL.fullmatch(text)
    if found is None:
        raise ConfigError(f"call: expected a station such as QQ1ABC-7, or QQ1ABC-7 via QQ1DIG; got {text!r}")
    peer, via = found["peer"].upper(), re.findall(r"[A-Z0-9-]+", (found["via"] or "").upper())
    _check_addresses(peer, via)
    return peer, via


def _check_addresses(peer: str, via: list[str]) -> None:
    for address in (peer, *via):
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"call: expected a station such as QQ1ABC-7; got {address!r}")
    if len(via) > _MAX_VIA:
        raise ConfigError(f"call: expected at most {_MAX_VIA} digipeaters; got {len(via)}")


def _frame(event: Mapping[str, Any]) -> Frame:
    """Take a frame out of an event. An I frame is a command, whatever an old or a careless station says."""
    name = cast("str", event["frame"])
    said = event.get("command")
    return Frame(
        name=name,
        command=name not in ("UA", "DM", "FRMR") if said is None or name == "I" else said,
        poll=bool(event.get("poll")),
        nr=event.get("nr") or 0,
        ns=event.get("ns") or 0,
        info=event.get("info") or b"",
        pid=event.get("pid") or 0,
        control=event.get("control") or 0,
    )


def _refusable(frame: Frame) -> Frame:
    """Return what a station that takes no call makes of a frame: a SABM is as good as any other command (DM)."""
    return Frame(name="DISC", command=True, poll=frame.poll) if frame.name == "SABM" else frame


def _said(peer: str, line: bytes) -> Said:
    try:
        return Said(peer, line.decode())
    except UnicodeDecodeError:
        return Said(peer, None, line)
