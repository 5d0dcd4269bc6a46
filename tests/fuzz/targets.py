"""What must hold for any bytes: one function a codec, which raises where it does not.

A stream decoder gives the same from any chunks, counts the same, and never holds more than its bound. A reader raises
its one declared error or gives a value, and what it gives can be written again. Nothing here looks at a clock; the
fuzzer says which input took too long. Who calls these: `campaign`, guided by coverage, and `test_fuzz`.
"""

import contextlib
import json
import math
import re
import sys
from collections import deque
from pathlib import Path

from edge.connected.link import MAX_WAITING, Link
from edge.connected.values import MODULO, Closed, Frame, Opened, Parameters, Received, State, Transmit
from edge.errors import ConfigError, LocalProtocolError
from edge.topics import TopicFilter, fill, template_problem
from transports import profiles
from transports.aprs import AprsSession
from transports.ax25 import Ax25Session
from transports.codecs import agwpe, aprs, ax25, kiss, lines, mqtt, tnc2, websocket
from transports.codecs.delimited import Splitter
from transports.serial import SerialSession

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
FOUND = VECTORS / "fuzz"  # a folder a target: inputs that once broke it
SMALL = 24  # bytes; a bound that a short input reaches
ROOM = 512  # bytes that Python's own bytearray may have to spare, and the rest of a decoder's state


def held(*decoders):
    """Return the bytes of the buffers in decoders, as the interpreter has reserved them."""
    found, seen = 0, set()
    waiting = list(decoders)
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, bytes | bytearray | str):
            found += sys.getsizeof(value)
        elif isinstance(value, list | tuple | set | deque):
            found += sys.getsizeof(value)
            waiting += value
        elif isinstance(value, dict):
            found += sys.getsizeof(value)
            waiting += value.values()
        elif type(value).__module__.startswith(("transports.", "edge.connected")):
            waiting += getattr(value, "__dict__", {}).values()
            waiting += [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    return found


def chunks(data):
    """Cut data into pieces of sizes that the data itself says, so that a mutation moves the cuts as well."""
    at = 0
    while at < len(data):
        size = 1 + data[at] % 7
        yield data[at : at + size]
        at += size


def in_any_chunks(make, data, counters, bound):
    """Read data whole and in chunks: the same pieces and counts, and no more than ``bound`` bytes held."""
    whole, cut = make(), make()
    pieces = whole.receive_bytes(data)
    assert pieces == [piece for chunk in chunks(data) for piece in cut.receive_bytes(chunk)]
    for name in counters:
        assert getattr(whole, name) == getattr(cut, name), name
    assert held(whole) <= bound
    assert held(cut) <= bound
    return pieces


def is_plain(value):
    """Tell whether ASGI permits this value."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 2**63
    return value is None or isinstance(value, str | bytes)


def fuzz_delimited(data):
    delimiter, data = (data[:1] or b"\n"), data[1:]
    for piece in in_any_chunks(lambda: Splitter(delimiter, SMALL), data, ["oversized"], 2 * SMALL + ROOM):
        assert piece in data
        assert 0 < len(piece) <= SMALL
        assert delimiter not in piece


def fuzz_lines(data):
    for line in in_any_chunks(lambda: lines.Decoder(SMALL), data, ["oversized"], 2 * SMALL + ROOM):
        assert line in data
        assert 0 < len(line) <= SMALL
        assert not {*b"\r\n"} & {*line}


def fuzz_kiss(data):
    """The first byte chooses the dialect."""
    choice, data = (data or b"\0")[0], data[1:]
    sums = list(kiss.Checksum)
    dialect = kiss.KissDialect(
        checksum=sums[choice % len(sums)], escape_c=bool(choice & 0x40), ackmode=bool(choice & 0x80)
    )
    counters = ["noise", "oversized", "malformed", "bad_sums", "checksum"]
    for frame in in_any_chunks(lambda: kiss.Decoder(dialect, SMALL), data, counters, 4 * SMALL + 2 * ROOM):
        assert 0 <= frame.port <= kiss.MAX_NIBBLE
        assert 0 <= frame.command <= kiss.MAX_NIBBLE
        assert len(frame.data) < SMALL
        reader = kiss.Decoder(max_frame=SMALL)
        assert reader.receive_bytes(kiss.encode(frame)) == [frame]
        kiss.read_report(frame.data)


def fuzz_agwpe(data):
    """Frames up to the first header that cannot be one; the same from any chunks, and the error too."""

    def read(pieces):
        decoder, frames = agwpe.Decoder(), []
        try:
            for piece in pieces:
                frames += decoder.receive_bytes(piece)
                assert held(decoder) <= 2 * (agwpe.HEADER_SIZE + agwpe.MAX_DATA) + ROOM
        except agwpe.FrameError as error:
            return frames, str(error)
        return frames, ""

    frames, error = read(chunks(data))
    try:
        assert agwpe.Decoder().receive_bytes(data) == frames
        assert not error
    except agwpe.FrameError as told:
        assert str(told) == error
    for frame in frames:
        assert all(port >= 0 for port in agwpe.read_ports(frame))
        agwpe.read_version(frame)
        agwpe.read_outstanding(frame)
        if all(call.isascii() and len(call) <= agwpe.MAX_CALL for call in (frame.source, frame.destination)):
            assert agwpe.Decoder().receive_bytes(agwpe.encode(frame)) == [frame]


def fuzz_ax25(data):
    try:
        frame = ax25.decode(data)
    except ax25.FrameError:
        return
    assert ax25.encode(frame) == data
    control = ax25.CONTROLS[frame.control]
    assert control.name == "unknown" or control.octet == frame.control
    text = tnc2.format(frame)
    assert text.endswith(b":" + frame.info)
    if len(frame.info) <= ax25.MAX_INFO:
        again = tnc2.parse(text)
        assert (again.source_text, again.destination_text) == (frame.source_text, frame.destination_text)
        assert [hop.name for hop in again.path] == [hop.name for hop in frame.path]
        assert again.info == frame.info


def fuzz_tnc2(data):
    try:
        frame = tnc2.parse(data)
    except ax25.FrameError:
        return
    assert tnc2.parse(tnc2.format(frame)) == frame
    assert ax25.decode(ax25.encode(frame)) == frame


def fuzz_aprs(data):
    """The destination up to the first line end, for Mic-E has half its position there; then the info field."""
    destination, _, info = data.partition(b"\n")
    packet = aprs.parse("QQ1ABC-1", destination.decode("latin-1"), ("WIDE1-1",), info)
    assert packet.raw == info
    assert packet.format in aprs.FORMATS
    assert is_plain(packet.fields)
    assert bool(packet.reason) == (packet.format == "unparsed")
    assert isinstance(aprs.summary(packet), str)
    assert aprs.parse("QQ1ABC-1", destination.decode("latin-1"), ("WIDE1-1",), info) == packet


def fuzz_encode(data):
    """What was parsed is refused in words, or written so that it is understood."""
    destination, _, info = data.partition(b"\n")
    packet = aprs.parse("QQ1ABC-1", destination.decode("latin-1"), (), info)
    try:
        first = aprs.encode({"format": packet.format, **packet.fields})
    except ValueError as error:
        assert str(error)
        return
    again = aprs.parse("QQ1ABC-1", first.destination or destination.decode("latin-1"), (), first.info)
    assert again.raw == first.info
    assert again.format != "unparsed", (packet, first)


def fuzz_sessions(data):
    """What a link gives to a session, whole and in chunks, becomes the same events, of values that ASGI permits."""
    for make in (AprsSession, Ax25Session, lambda: SerialSession("line"), lambda: SerialSession("bytes")):
        whole, cut = make(), make()
        events = list(whole.receive_bytes(data, 1.0))
        others = [event for chunk in chunks(data) for event in cut.receive_bytes(chunk, 1.0)]
        assert is_plain(events)
        if whole.scope().get("framing") != "bytes":
            assert events == others
            assert whole.counters() == cut.counters()


def fuzz_mqtt(data):
    """The first byte chooses the version. The same packets from any chunks, up to the first that can be none."""
    v5, data = bool((data or b"\0")[0] & 1), data[1:]

    def cut(pieces):
        stream, packets = mqtt.Packets(SMALL), []
        try:
            for piece in pieces:
                packets += stream.feed(piece)
                assert held(stream) <= 2 * (SMALL if not packets else mqtt.HEAD) + mqtt.HEAD + ROOM
        except mqtt.MalformedError as error:
            return packets, str(error)
        return packets, ""

    packets, error = cut(chunks(data))
    whole, whole_error = cut([data])
    assert error == whole_error
    assert error or packets == whole
    for packet in packets:
        _read_mqtt(packet, v5=v5)


def _read_mqtt(packet, *, v5):
    readers = {
        mqtt.Type.PUBLISH: lambda: mqtt.read_publish(packet, v5=v5),
        mqtt.Type.CONNACK: lambda: mqtt.read_connack(packet.body, v5=v5),
        mqtt.Type.DISCONNECT: lambda: mqtt.read_disconnect(packet.body),
    }
    try:
        found = readers.get(packet.first & 0xF0, lambda: mqtt.read_answer(packet, v5=v5))()
    except UnicodeDecodeError:
        assert 0 <= mqtt.identifier_of(packet) <= mqtt.MAX_SHORT
        return
    except mqtt.MalformedError as error:
        assert str(error)
        return
    if isinstance(found, mqtt.Publish):
        assert is_plain(found._asdict())
        if not packet.missing:
            [again] = mqtt.Packets(mqtt.MAX_LENGTH).feed(mqtt.publish(found, v5=v5))
            assert mqtt.read_publish(again, v5=v5) == found


def fuzz_websocket(data):
    """The same messages and the same bytes passed on from any chunks; nothing held beyond one frame."""
    whole = websocket.Frames(SMALL).feed(data)
    frames, found = websocket.Frames(SMALL), []
    for chunk in chunks(data):
        found += frames.feed(chunk)
        assert held(frames) <= 16 * SMALL + ROOM, held(frames)
    assert together(found) == together(whole)


def together(messages):
    """Join what was passed on in a row: beyond a frame that is too long it comes in as many pieces as were read."""
    joined = []
    for first, payload in messages:
        if joined and not first and not joined[-1][0]:
            joined[-1] = (0, joined[-1][1] + payload)
        else:
            joined.append((first, payload))
    return joined


def matches(topic, text):
    """MQTT 5.0, section 4.7, level by level: what the compiled expression of a filter must agree with."""
    if topic.startswith("$") and text.startswith(("+", "#")):
        return False
    levels, wanted = topic.split("/"), text.split("/")
    for index, level in enumerate(wanted):
        if level.startswith("#"):
            return True
        if index >= len(levels) or not (level.startswith("+") or level == levels[index]):
            return False
    return len(levels) == len(wanted)


def fuzz_topics(data):
    """A filter on the first line, a topic on the second, a template on the third."""
    text, topic, template, *_ = [*data.decode("utf-8", "surrogateescape").split("\n", 2), "", ""]
    try:
        compiled = TopicFilter.parse(text)
    except ConfigError as error:
        assert str(error)
    else:
        caught = compiled.match(topic)
        assert (caught is not None) == matches(topic, text)
        assert caught is None or set(caught) == set(compiled.names)
        assert TopicFilter.parse(compiled.subscription).subscription == compiled.subscription
    if not template_problem(template, frozenset(("source", "info"))):
        filled = fill(template, {"source": topic, "info": text})
        assert filled.count("/") == template.count("/")
        assert not {*"+#\0"} & {*filled}


def fuzz_link(data):
    """A peer that says anything at any time, and a consumer that does as it likes: two bytes a step."""
    link, now, opened = Link(Parameters(retries=2)), 0.0, False

    def told(actions):
        nonlocal opened
        for action in actions:
            match action:
                case Transmit(frame):
                    assert 0 <= frame.nr < MODULO > frame.ns >= 0
                    assert len(frame.info) <= link.parameters.piece
                case Received():
                    assert opened, "bytes belong to a connection"
                case Opened():
                    assert not opened, "one at a time"
                    opened = True
                case Closed(reason):
                    assert reason
                    opened = False

    for step, value in zip(data[::2], data[1::2], strict=False):
        told(_link_step(link, step, value, now))
        assert 0 <= link.waiting <= MAX_WAITING
        assert held(link) <= 2 * MAX_WAITING + ROOM
        now += (value & 0x0F) / 4
        if (due := link.due()) is not None and due <= now:
            told(link.tick(now))
    told(link.hang_up(now))
    for _ in range(_MOST_TICKS):  # nobody answers any more: it comes to its end by itself
        if (due := link.due()) is None:
            break
        told(link.tick(due))
    assert (link.state, link.due(), opened) == (State.DISCONNECTED, None, False)


_MOST_TICKS = 200
_UNNUMBERED = ("SABM", "SABME", "XID", "DISC", "UA", "DM", "FRMR", "TEST", "unknown")
_NUMBERED = ("I", "RR", "RNR", "REJ")


def _link_step(link, step, value, now):
    command, poll = bool(step & 0x80), bool(step & 0x40)
    numbers = {"nr": value & 7, "ns": value >> 3 & 7}
    match step & 0x0F:
        case 0 if link.state is State.DISCONNECTED:
            return link.call(now)
        case 0 | 1:
            with contextlib.suppress(LocalProtocolError):
                return link.send(bytes([value]) * (1 + value), now)
            return []
        case 2:
            return link.set_busy(now, busy=bool(value & 1))
        case 3 if value > 0xF0:
            return link.hang_up(now, at_once=bool(value & 1))
        case 4:
            return link.refused(Frame(name=_NUMBERED[value & 3], command=command, **numbers), "the gate", now)
        case number if number < 7:  # the rarer half
            name = _UNNUMBERED[value % len(_UNNUMBERED)]
            return link.receive(Frame(name=name, command=command, poll=poll, info=bytes([value]), control=value), now)
        case number:
            name = _NUMBERED[number & 3]
            info = bytes([value]) if name == "I" else b""
            pid = max(value, 0xF0)
            return link.receive(Frame(name=name, command=command, poll=poll, info=info, pid=pid, **numbers), now)


def fuzz_profile(data):
    """A profile that a person has written, with any slip of the pen: a value, or words that say what is wrong."""
    try:
        profile = profiles.parse(data.decode("utf-8", "replace"), name="mine", path="mine/profile.toml")
    except ConfigError as error:
        assert str(error).startswith("mine/profile.toml: ")
        assert len(str(error)) < _MOST_WORDS
        return
    assert profile.label
    assert profile.line.baud >= _SLOWEST
    for recipe in (profile.enter, profile.leave):
        assert recipe is None or all(len(step.send) <= len(data) for step in recipe.steps)


_MOST_WORDS = 20_000
_SLOWEST = 300


def planted(data):
    """A fault behind two comparisons, by which a campaign is tried itself."""
    assert not (data[:1] == b"\xc0" and data[1:2] == b"\xdb"), "planted"


TARGETS = {name.removeprefix("fuzz_"): value for name, value in dict(globals()).items() if name.startswith("fuzz_")}


def seeds(name):
    """Give inputs that a target reads well, for a fuzzer to begin with: the vectors of the tests."""
    return [*_SEEDS[name](), *(file.read_bytes() for file in sorted((FOUND / name).glob("*")))]


def _vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def _kiss():
    wires = [bytes.fromhex(vector["bytes"]) for vector in _vectors("kiss")]
    wires += [kiss.encode(kiss.KissFrame(data=b"hello \xc0\xdb"), checksum=sum_) for sum_ in kiss.Checksum]
    return [bytes((choice,)) + wire for wire in wires for choice in range(len(kiss.Checksum))]


def _frames():
    return [bytes.fromhex(vector["bytes"]) for vector in _vectors("ax25")]


def _on_air():
    """Packets as they were heard, of all kinds that APRS has; bytes that are no text are written <0x1c>."""
    lines = (VECTORS / "on_air.txt").read_bytes().splitlines()
    return [re.sub(rb"<0x([0-9a-f]{2})>", lambda found: bytes([int(found[1], 16)]), line) for line in lines]


def _aprs():
    heard = [re.sub(rb"^.*?>([^,:]*)[^:]*:", rb"\1\n", line) for line in _on_air()]
    return [*heard, *(b"APZEDG\n" + vector["info"].encode() for vector in _vectors("aprs"))]


def _profiles():
    """One of ours whole, and its facts in pieces that a short input holds."""
    smallest = 'label="x"\nhelp="x"\n[line]\nsource="here"\n{}\n[kiss]\nsource="here"\n{}\n[reports]\nsource="here"\n{}'
    step = '[enter]\nsource="here"\nsteps=[{send="K\\r",pace=0.1,expect="cmd:",within=2,otherwise="done"}]'
    pieces = [
        ("baud=300\nbauds=[300]\nsettle=1.5\nframe_gap=0.1", "", "version=true"),
        ("", 'ports=2\nescape_c=true\nchecksums=["smack"]\nackmode=true', "battery=true"),
        ("", "parameters={txdelay={minimum=0,maximum=9,default=3}}", ""),
        ("", "", '[[signs]]\nvendor=1\nproduct=2\nby_id="*x*"\nsure=false\nsource="here"'),
        ("", "", '[[hardware]]\nname="x"\nbytes="06"\nsource="here"'),
        ("", "", step),
        ("", "", step + "\n" + step.replace("enter", "leave", 1)),
    ]
    shipped = (ROOT / "firmware_configs" / "tnc" / "kantronics" / "profile.toml").read_bytes()
    return [shipped, *(smallest.format(*piece).encode() for piece in pieces)]


_SEEDS = {
    # Called, spoken to, answered, disturbed and left; and a call of ours that is refused, then taken.
    "link": lambda: [
        bytes.fromhex("c500 0741 0749 0120 8808 2001 0b09 c503"),
        bytes.fromhex("0000 0505 0000 0504 0141"),
    ],
    "profile": _profiles,
    "delimited": lambda: [b"\nabc\ndef\n\n" + b"x" * 2 * SMALL + b"\nend"],
    "lines": lambda: [b"one\rtwo\r\nthree\n\n" + b"x" * 2 * SMALL + b"\nend"],
    "kiss": _kiss,
    "agwpe": lambda: [bytes.fromhex(vector["bytes"]) for vector in _vectors("agwpe")],
    "ax25": _frames,
    "tnc2": lambda: [*_on_air(), *(vector["text"].encode() for vector in _vectors("tnc2"))],
    "aprs": _aprs,
    "encode": _aprs,
    "sessions": lambda: [b"".join(kiss.encode(kiss.KissFrame(data=frame)) for frame in _frames())],
    "websocket": lambda: [
        bytes.fromhex("818537fa213d7f9f4d5158"),  # RFC 6455, section 5.7
        bytes.fromhex("0183000000004865 6c 8082000000006c6f 8980000000 00 82fe 0080 00000000".replace(" ", ""))
        + bytes(20),
        bytes.fromhex("82ff0000000000010000"),
    ],
    "mqtt": lambda: [
        b"\1\x30\x05\x00\x01ax!",
        b"\1\x3b\x07\x00\x01a\x00\x07\x00x",
        b"\1\x34\x0c\x00\x01a\x12\x34\x05\x02\x00\x00\x00\x3cx\xe0\x01\x8e",
        b"\1\x30\x0d\x00\x01a\x09\x26\x00\x01k\x00\x03val",
        b"\1\x20\x06\x00\x00\x03\x21\x00\x02\x90\x04\x00\x01\x00\x01",
        b"\0\x20\x02\x00\x05\x40\x02\x00\x07\x90\x03\x00\x01\x80\xd0\x00",
        b"\0\x32\xff\x7f\x00\x01a\x00\x01" + b"x" * 100,
    ],
    "topics": lambda: [
        b"sensors/+room/#rest\nsensors/attic/t/1\naprs/{source}/x",
        b"a/#\na\n{info}",
        b"+/b\n$SYS/b\n{{}}{source}",
    ],
}
