import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import agwpe
from transports.codecs.agwpe import HEADER_SIZE, MAX_DATA, AgwpeFrame, Decoder, FrameError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "agwpe.json").read_text())

CALLS = st.text("ABCQ1-", max_size=9)
FRAMES = st.builds(
    AgwpeFrame,
    kind=st.sampled_from("RGXkKMVyCDd"),
    port=st.integers(0, 255),
    pid=st.integers(0, 255),
    source=CALLS,
    destination=CALLS,
    data=st.binary(max_size=80),
)
# Direwolf 1.6 with one sound card: what it has not it lists all the same.
DIREWOLF_PORTS = b"1;Port1 first soundcard mono;Port2 INVALID CHANNEL;Port3 INVALID CHANNEL;\x00"


def frames(vector):
    names = ("kind", "port", "pid", "source", "destination")
    return [
        AgwpeFrame(**dict(zip(names, values, strict=True)), data=bytes.fromhex(data))
        for *values, data in vector["frames"]
    ]


def vectors(test):
    return pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["meaning"])(test)


@vectors
def test_a_vector_is_read_whole_and_byte_by_byte_and_with_a_tail(vector):
    data = bytes.fromhex(vector["bytes"])
    assert Decoder().receive_bytes(data) == frames(vector)
    slow = Decoder()
    assert [frame for byte in data for frame in slow.receive_bytes(bytes((byte,)))] == frames(vector)
    tailed = Decoder()
    assert tailed.receive_bytes(data + data[:20]) == frames(vector)
    assert tailed.receive_bytes(data[20:]) == frames(vector)


@vectors
def test_a_vector_is_written_as_it_was_read(vector):
    assert b"".join(map(agwpe.encode, frames(vector))).hex() == vector["bytes"]


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_any_chunking_gives_the_same_frames(sent, cuts):
    data = b"".join(map(agwpe.encode, sent))
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder = Decoder()
    read = [frame for start, end in itertools.pairwise(edges) for frame in decoder.receive_bytes(data[start:end])]
    assert read == sent


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_noise_ends_in_frames_or_in_an_error_and_nothing_grows(chunks):
    decoder = Decoder()
    try:
        for chunk in chunks:
            decoder.receive_bytes(chunk)
            assert len(decoder._held) < HEADER_SIZE + MAX_DATA
    except FrameError:
        pass


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n\r\n", "a letter at byte 4"),
        (bytes(HEADER_SIZE), "a letter at byte 4"),
        (b"\x00" * 4 + b"K" + b"\x00" * 23 + b"\x01\x10\x00\x00" + b"\x00" * 4, "at most 4096 bytes of data"),
        (b"\x00" * 4 + b"K" + b"\x00" * 23 + b"\xff\xff\xff\xff" + b"\x00" * 4, "at most 4096 bytes of data"),
    ],
)
def test_what_is_no_header_is_told_with_its_bytes(data, words):
    with pytest.raises(FrameError, match=words) as caught:
        Decoder().receive_bytes(data)
    assert data[:HEADER_SIZE].hex(" ") in str(caught.value)


def test_the_largest_frame_is_taken():
    frame = AgwpeFrame(kind="K", data=b"\x00" + b"x" * (MAX_DATA - 1))
    assert Decoder().receive_bytes(agwpe.encode(frame)) == [frame]


def test_a_callsign_ends_at_its_nul_whatever_was_in_memory_behind():
    data = bytearray(agwpe.encode(AgwpeFrame(kind="K", source="QQ1MIA")))
    data[15:18] = b"\xfeXY"
    assert Decoder().receive_bytes(bytes(data))[0].source == "QQ1MIA"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "KK"}, "one letter"),
        ({"kind": "é"}, "one letter"),
        ({"kind": "K", "port": 256}, "AGWPE port"),
        ({"kind": "K", "pid": -1}, "AGWPE PID"),
        ({"kind": "K", "data": bytes(MAX_DATA + 1)}, "at most 4096 bytes"),
        ({"kind": "K", "source": "QQ1ABCDE-1"}, "at most 9 ASCII"),
        ({"kind": "K", "destination": "QÄ"}, "at most 9 ASCII"),
    ],
)
def test_what_the_header_cannot_carry_is_told(values, words):
    with pytest.raises(FrameError, match=words):
        agwpe.encode(AgwpeFrame(**values))


def test_a_raw_frame_begins_with_its_port_as_kiss_has_it():
    frame = agwpe.raw(2, b"frame")
    assert (frame.kind, frame.port, frame.data, agwpe.read_raw(frame)) == ("K", 2, b"\x20frame", b"frame")
    with pytest.raises(FrameError, match="0 to 15"):
        agwpe.raw(16, b"frame")


def test_a_login_is_two_fields_of_255_bytes():
    data = agwpe.login("ada", "pässword").data
    assert len(data) == 510
    assert data[:255].rstrip(b"\x00") == b"ada"
    assert data[255:].rstrip(b"\x00") == "pässword".encode()
    with pytest.raises(FrameError, match="254 bytes"):
        agwpe.login("x" * 255, "")


def test_an_unproto_frame_has_its_digipeaters_before_the_text():
    parts = {"source": "QQ1EDG", "destination": "APZTST", "info": b">hello"}
    plain = agwpe.unproto(**parts)
    assert (plain.kind, plain.pid, plain.data) == ("M", 0xF0, b">hello")
    via = agwpe.unproto(**parts, via=("WIDE1-1", "WIDE2-1"))
    assert (via.kind, via.data) == ("V", b"\x02WIDE1-1\x00\x00\x00WIDE2-1\x00\x00\x00>hello")
    with pytest.raises(FrameError, match="at most 7"):
        agwpe.unproto(**parts, via=("WIDE1-1",) * 8)


def test_answers_are_read_and_what_is_none_is_told_apart():
    assert agwpe.read_version(frames(VECTORS[0])[0]) == (2005, 127)
    assert agwpe.read_version(AgwpeFrame(kind="R", data=b"2.0")) is None
    assert agwpe.read_outstanding(frames(VECTORS[2])[0]) == 1
    assert agwpe.read_outstanding(AgwpeFrame(kind="y")) is None


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        (DIREWOLF_PORTS, {0: "Port1 first soundcard mono"}),
        (b"2;Port1 with LoopBack;Port3 on COM1;", {0: "Port1 with LoopBack", 2: "Port3 on COM1"}),
        (b"1;the only one", {0: "the only one"}),
        (b"0;", {}),
        (b"", {}),
        (b"\xff\xfe;\xff", {0: "ÿ"}),
    ],
)
def test_the_ports_are_those_that_are_there(said, ports):
    assert agwpe.read_ports(AgwpeFrame(kind="G", data=said)) == ports
