"""What must hold for any bytes: one function a codec, which raises where it does not.

A stream decoder gives the same from any chunks, counts the same, and never holds more than its bound. A reader raises
its one declared error or gives a value, and what it gives can be written again. Nothing here looks at a clock; the
fuzzer says which input took too long. Who calls these: `campaign`, guided by coverage, and `test_fuzz`.
"""

import json
import math
import re
import sys
from pathlib import Path

from edge.errors import ConfigError
from edge.topics import TopicFilter, fill, template_problem
from transports.aprs import AprsSession
from transports.ax25 import Ax25Session
from transports.codecs import agwpe, aprs, ax25, kiss, lines, tnc2
from transports.codecs.delimited import Splitter
from transports.serial import SerialSession

VECTORS = Path(__file__).parents[1] / "vectors"
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
        elif isinstance(value, list | tuple | set):
            found += sys.getsizeof(value)
            waiting += value
        elif isinstance(value, dict):
            found += sys.getsizeof(value)
            waiting += value.values()
        elif type(value).__module__.startswith("transports."):
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
    control = ax25.read_control(frame.control)
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


_SEEDS = {
    "delimited": lambda: [b"\nabc\ndef\n\n" + b"x" * 2 * SMALL + b"\nend"],
    "lines": lambda: [b"one\rtwo\r\nthree\n\n" + b"x" * 2 * SMALL + b"\nend"],
    "kiss": _kiss,
    "agwpe": lambda: [bytes.fromhex(vector["bytes"]) for vector in _vectors("agwpe")],
    "ax25": _frames,
    "tnc2": lambda: [*_on_air(), *(vector["text"].encode() for vector in _vectors("tnc2"))],
    "aprs": _aprs,
    "encode": _aprs,
    "sessions": lambda: [b"".join(kiss.encode(kiss.KissFrame(data=frame)) for frame in _frames())],
    "topics": lambda: [
        b"sensors/+room/#rest\nsensors/attic/t/1\naprs/{source}/x",
        b"a/#\na\n{info}",
        b"+/b\n$SYS/b\n{{}}{source}",
    ],
}
