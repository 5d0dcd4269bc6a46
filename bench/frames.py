"""The frames of the benches: recorded from the air where that is at hand, else of the simulator; and numbered ones."""

from collections.abc import Callable
from functools import cache
from itertools import cycle, islice

from bench.measure import ROOT
from transports.codecs import ax25, kiss
from transports.simulator.air import Air

CORPUS = ROOT.parent / "shared" / "corpora" / "rf_1500_direwolf.kiss"
CHUNK = 4096  # bytes; what one read of a busy port gives
SIMULATED = 1500  # frames


@cache
def stream() -> tuple[bytes, str]:
    """Return a KISS stream of about 1,500 frames, and what it is."""
    if CORPUS.exists():
        return CORPUS.read_bytes(), "1,500 frames from the air, as Direwolf gave them"
    frames = Air(seed=1, rate=60).flood(SIMULATED, 0.0)
    return b"".join(_kiss(frame) for frame in frames), "1,500 frames of the simulator"


@cache
def payloads() -> tuple[bytes, ...]:
    """Return the AX.25 frames of the stream."""
    return tuple(frame.data for frame in kiss.Decoder().receive_bytes(stream()[0]))


def chunks(repeat: int = 1) -> list[bytes]:
    """Return the stream, several times over, in reads of `CHUNK` bytes."""
    data = stream()[0] * repeat
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def numbered(count: int, mark: Callable[[int], bytes] | None = None) -> list[bytes]:
    """Return KISS frames with the addresses of the stream; their info ends in ``mark`` (a number of 8 digits).

    Only frames that kiss3 reads are taken, and their info is plain ASCII, so that what a peer loses, it loses on the
    way.
    """
    make = mark or (lambda index: b"%08d" % index)
    kept = islice(cycle(_plain()), count)
    return [_kiss(header + info + make(index)) for index, (header, info) in enumerate(kept)]


@cache
def _plain() -> tuple[tuple[bytes, bytes], ...]:
    found = []
    for payload in payloads():
        frame = ax25.decode(payload)
        if frame.control == ax25.UI and frame.pid == ax25.NO_LAYER_3 and frame.info.isascii() and frame.info.strip():
            header = frame.header.encoded + bytes((frame.control, frame.pid))
            found.append((header, bytes(octet for octet in frame.info[:100] if octet >= 0x20) + b" "))
    return tuple(found)


def _kiss(payload: bytes) -> bytes:
    return kiss.encode(kiss.KissFrame(data=payload))
