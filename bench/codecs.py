"""How fast bytes become frames, and info fields become packets: frames and packets per CPU second.

**Measured.** A KISS stream in reads of 4,096 bytes, as a busy port gives them, decoded whole: KISS alone (in reads of
one byte too, as a slow line gives them, and beside the least that a decoder in Python can do), KISS and AX.25 to
values, the same to TNC2 text, and to the events that a consumer is given. The peer is kiss3's decoder with ax253, fed
the same reads. ``right`` is the share of the stream's frames that came out: of KISS byte for byte; of
AX.25 by source, destination, path and info, where white space at the ends of the info (kiss3 strips it) and the marks
for repeated hops are forgiven. AX.25 alone, frame by frame, beside aioax25, whose decoder reads a frame's header in
one go too; ``right`` is the share whose addresses came out as ours did, marks for repeated hops forgiven. For APRS the
info fields of the same frames, beside ``aprslib.parse`` of their TNC2 text; ``parsed`` is the share that was
understood.

**Not said.** The stations of a stream repeat themselves, as stations do, and our header cache lives on that: "first
time" empties it before each pass. Of APRS only the base-91 numbers in comments are read by aprslib on our side.
"""

import time
from collections import Counter
from collections.abc import Callable

import aioax25.frame
import aprslib
import kiss as kiss3

from bench import frames
from bench.measure import Effort, Series, Table, number, times
from transports.ax25 import Ax25Session
from transports.codecs import aprs, ax25, kiss

Work = Callable[[list[bytes]], list[object]]


def run(effort: Effort) -> list[Table]:
    """Measure."""
    return [_frames(effort), _headers(effort), _packets(effort)]


def _frames(effort: Effort) -> Table:
    works: dict[str, tuple[Work, str]] = {
        "KISS → bytes": (_bytes, "kiss3 KISSDecode"),
        "KISS → frames": (_frame_values, "kiss3 KISSDecode"),
        "KISS → bytes, in reads of 1 byte": (_bytes_singly, "kiss3 KISSDecode, in reads of 1 byte"),
        "KISS + AX.25 → values": (_values, "kiss3 AX25KISSDecode"),
        "the same, first time": (_values_first_time, "kiss3 AX25KISSDecode"),
        "KISS + AX.25 → TNC2 text": (_texts, "kiss3 AX25KISSDecode, str"),
        "KISS + AX.25 → events": (_events, "kiss3 AX25KISSDecode"),
        "split and replace, nothing else": (_bare, "kiss3 KISSDecode"),
        "kiss3 KISSDecode": (_peer_bytes, ""),
        "kiss3 KISSDecode, in reads of 1 byte": (_peer_bytes_singly, ""),
        "kiss3 AX25KISSDecode": (_peer_values, ""),
        "kiss3 AX25KISSDecode, str": (_peer_texts, ""),
    }
    series = _measure(effort, works)
    rows = [
        (
            name,
            number(series.median(name, "rate")),
            number(_right(works[name][0]), 3),
            peer,
            number(series.median(peer, "rate")),
            number(_right(works[peer][0]), 3),
            times(series.paired(name, peer, "rate")),
        )
        for name, (_, peer) in works.items()
        if peer
    ]
    columns = ("decode", "frames/CPU-s", "right", "beside", "frames/CPU-s", "right", "ratio")
    return Table(title=f"codecs: {frames.stream()[1]}", columns=columns, rows=tuple(rows))


def _measure(effort: Effort, works: dict[str, tuple[Work, str]]) -> Series:
    repeat = effort.of(4, 2)
    reads = frames.chunks(repeat)
    _single(reads)
    series = Series()
    for _ in range(effort.of(7, 3)):
        for name, (work, _) in works.items():
            began = time.process_time()
            work(reads)
            series.add(name, rate=len(frames.payloads()) * repeat / (time.process_time() - began))
    return series


def _headers(effort: Effort) -> Table:
    ours, theirs = "ax25.decode", "aioax25 AX25Frame.decode"
    given = list(frames.payloads())
    expected = _heads(given)
    series = Series()
    for _ in range(effort.of(7, 3)):
        for name, work in ((ours, _heads), ("the same, first time", _heads_first_time), (theirs, _peer_heads)):
            began = time.process_time()
            found = work(given)
            rate = len(given) / (time.process_time() - began)
            same = [one.replace("*", "") == other.replace("*", "") for one, other in zip(found, expected, strict=True)]
            series.add(name, rate=rate, right=sum(same) / len(given))
    rows = [
        (
            name,
            number(series.median(name, "rate")),
            number(series.median(name, "right"), 3),
            times(series.paired(name, theirs, "rate")),
        )
        for name in (ours, "the same, first time", theirs)
    ]
    return Table(title="codecs: AX.25", columns=("decode", "frames/CPU-s", "right", "ratio"), rows=tuple(rows))


def _heads(given: list[bytes]) -> list[str]:
    headers = [ax25.decode(data).header for data in given]
    return [f"{head.source_text}>{','.join((head.destination_text, *head.path_texts))}" for head in headers]


def _heads_first_time(given: list[bytes]) -> list[str]:
    _forget()
    return _heads(given)


def _forget() -> None:
    """Empty the caches of headers, as a box finds them in its first minutes."""
    ax25._headers.clear()  # noqa: SLF001  (what only a bench does has no public name)
    ax25._decode_address.cache_clear()  # noqa: SLF001  (as above)


def _peer_heads(given: list[bytes]) -> list[str]:
    return [_peer_head(data) for data in given]


def _peer_head(data: bytes) -> str:
    try:
        header = aioax25.frame.AX25Frame.decode(data).header
    except (ValueError, IndexError):
        return ""
    return f"{header.source}>{','.join((str(header.destination), *map(str, header.repeaters)))}".replace(" ", "")


def _bytes(reads: list[bytes]) -> list[object]:
    decoder = kiss.Decoder()
    return [body[1:] for read in reads for body in decoder.receive_bodies(read)]


def _frame_values(reads: list[bytes]) -> list[object]:
    decoder = kiss.Decoder()
    return [frame.data for read in reads for frame in decoder.receive_bytes(read)]


def _bytes_singly(reads: list[bytes]) -> list[object]:
    return _bytes(_single(reads))


def _single(reads: list[bytes]) -> list[bytes]:
    """Return the bytes of a slow line, one by one; made once, before the clock runs."""
    key = len(reads)
    if key not in _SINGLE:
        _SINGLE[key] = [bytes((octet,)) for read in reads for octet in read]
    return _SINGLE[key]


_SINGLE: dict[int, list[bytes]] = {}


def _bare(reads: list[bytes]) -> list[object]:
    """Do what is the least that any decoder in Python does, and no more: no bound, no noise, no bad escape."""
    found, tail = [], b""
    for read in reads:
        *pieces, tail = (tail + read).split(b"\xc0")
        for piece in pieces:
            if piece:
                body = (
                    piece if b"\xdb" not in piece else piece.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                )
                found.append(body[1:])
    return found


def _values(reads: list[bytes]) -> list[object]:
    decoder = kiss.Decoder()
    return [ax25.decode(body[1:]) for read in reads for body in decoder.receive_bodies(read)]


def _values_first_time(reads: list[bytes]) -> list[object]:
    found, once = [], len(frames.chunks())
    for at in range(0, len(reads), once):
        _forget()
        found += _values(reads[at : at + once])
    return found


def _texts(reads: list[bytes]) -> list[object]:
    return [tnc2(frame) for frame in _values(reads)]


def _events(reads: list[bytes]) -> list[object]:
    session = Ax25Session()
    return [event for read in reads for event in session.receive_bytes(read, 0.0)]


def _peer_bytes(reads: list[bytes]) -> list[object]:
    decoder = kiss3.KISSDecode(strip_df_start=False)  # stripping takes white space off the data as well
    return [frame[1:] for read in reads for frame in decoder.update(read)]


def _peer_bytes_singly(reads: list[bytes]) -> list[object]:
    return _peer_bytes(_single(reads))


def _peer_values(reads: list[bytes]) -> list[object]:
    decoder = kiss3.AX25KISSDecode()
    return [frame for read in reads for frame in decoder.update(read)]


def _peer_texts(reads: list[bytes]) -> list[object]:
    return [str(frame) for frame in _peer_values(reads)]


def tnc2(frame: ax25.Frame) -> str:
    """Return the text that monitors show."""
    return f"{frame.source_text}>{','.join((frame.destination_text, *frame.path_texts))}:{frame.info.decode('latin-1')}"


def _right(work: Work) -> float:
    """Return the share of the frames of one pass that came out and mean what went in."""
    whole = [ax25.decode(payload) for payload in frames.payloads()]
    expected = Counter(_meaning(frame) for frame in whole) + Counter(frames.payloads())
    came = Counter(map(_meaning, work(frames.chunks())))
    return (expected & came).total() / len(whole)


def _meaning(found: object) -> object:
    """Return what can be compared: bytes as they are; of a frame its text, as `right` has it."""
    if isinstance(found, bytes):
        return found
    if isinstance(found, dict):
        return _meaning(ax25.decode(found["raw"]))
    text = tnc2(found) if isinstance(found, ax25.Frame) else str(found)
    addresses, _, info = text.partition(":")
    return addresses.replace("*", "") + ":" + info.strip()


def _packets(effort: Effort) -> Table:
    decoded = [ax25.decode(payload) for payload in frames.payloads()]
    lines = [tnc2(frame) for frame in decoded]
    ours, theirs = "aprs.parse", "aprslib.parse"
    series = Series()
    for _ in range(effort.of(7, 3)):
        for name, work, given in ((ours, _parse, decoded), (theirs, _parse_line, lines)):
            began = time.process_time()
            parsed = sum(map(work, given))
            series.add(name, rate=len(given) / (time.process_time() - began), parsed=parsed / len(given))
    rows = [
        (
            name,
            number(series.median(name, "rate")),
            number(series.median(name, "parsed"), 3),
            times(series.paired(name, theirs, "rate")),
        )
        for name in (ours, theirs)
    ]
    return Table(title="codecs: APRS", columns=("parse", "packets/CPU-s", "parsed", "ratio"), rows=tuple(rows))


def _parse(frame: ax25.Frame) -> bool:
    packet = aprs.parse(frame.source_text, frame.destination_text, frame.path_texts, frame.info)
    return packet.format != "unparsed"


def _parse_line(line: str) -> bool:
    try:
        aprslib.parse(line)
    except (aprslib.ParseError, aprslib.UnknownFormat):
        return False
    return True
