import pytest

from transports.simulator.kiss import MAX_FRAME, RETURN, KissFrame, KissReader, encode_kiss


@pytest.mark.parametrize(
    ("wire", "kind", "data"),
    [
        (b"\xc0\x00hello\xc0", 0x00, b"hello"),
        (b"\xc0\x50\xdb\xdc\xdb\xdd\xc0", 0x50, b"\xc0\xdb"),  # the KISS paper's own example, on port 5
        (b"\xc0\x01\x28\xc0", 0x01, b"\x28"),  # TXDELAY of 400 ms
        (b"\xc0\xff\xc0", RETURN, b""),
        (b"\xc0\xdb\xdc\x61\xc0", 0xC0, b"a"),  # port 12: the type byte is stuffed as well
    ],
)
def test_a_frame_is_read_whole_and_byte_by_byte(wire, kind, data):
    assert KissReader().feed(wire) == [KissFrame(kind=kind, data=data)]
    reader = KissReader()
    assert [frame for byte in wire for frame in reader.feed(bytes([byte]))] == [KissFrame(kind=kind, data=data)]


def test_what_stands_before_the_first_fend_and_empty_frames_are_nothing():
    assert KissReader().feed(b"KISS ON\r\xc0\xc0\xc0\x00a\xc0\xc0") == [KissFrame(kind=0, data=b"a")]


def test_one_fend_may_end_a_frame_and_begin_the_next():
    assert [frame.data for frame in KissReader().feed(b"\xc0\x00a\xc0\x00b\xc0")] == [b"a", b"b"]


def test_a_frame_without_end_is_dropped_counted_and_forgotten():
    reader = KissReader()
    assert reader.feed(b"\xc0" + b"x" * 10 * MAX_FRAME) == []
    assert reader.oversized == 1
    assert reader.feed(b"\xc0\x00ok\xc0") == [KissFrame(kind=0, data=b"ok")]


def test_encoding_stuffs_the_type_byte_and_the_data():
    assert encode_kiss(b"\xc0a\xdb", port=12) == b"\xc0\xdb\xdc\xdb\xdca\xdb\xdd\xc0"
    assert encode_kiss(b"\x28", port=1, command=1) == b"\xc0\x11\x28\xc0"


def test_a_frame_knows_its_port_and_command():
    frame = KissFrame(kind=0x51, data=b"")
    assert (frame.port, frame.command) == (5, 1)
