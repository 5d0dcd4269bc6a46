import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs import ax25, kiss, tnc2
from transports.codecs.ax25 import Address, Frame, FrameError

TESTS = Path(__file__).parents[2]
VECTORS = json.loads((TESTS / "vectors" / "tnc2.json").read_text())
CORPORA = TESTS.parent / "../shared/corpora"

CALLSIGNS = st.from_regex(r"[A-Z0-9]{1,6}(-([1-9]|1[0-5]))?", fullmatch=True)


def parse_or_reason(line: bytes) -> Frame | str:
    try:
        return tnc2.parse(line)
    except FrameError as error:
        return str(error)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["source"])
def test_monitor_text_is_read_and_written_by_the_convention(vector):
    frame = tnc2.parse(vector["text"].encode())
    assert list(frame.path_texts) == vector["path"]
    assert tnc2.format(frame).decode() == vector["written"]


@given(CALLSIGNS, CALLSIGNS, st.lists(CALLSIGNS, max_size=8), st.integers(0, 8), st.binary(max_size=256))
def test_a_frame_comes_back_from_its_text(source, destination, hops, repeated, info):
    path = [f"{hop}*" if index < repeated else hop for index, hop in enumerate(hops)]
    frame = Frame.ui(source=source, destination=destination, path=path, info=info)
    assert tnc2.parse(tnc2.format(frame)) == frame


@given(st.binary(max_size=60) | st.text("QA1>,:*-q", max_size=60).map(str.encode))
def test_any_bytes_are_a_frame_or_a_frame_error(line):
    read = parse_or_reason(line)
    if isinstance(read, str):
        assert "expected" in read
    else:
        assert tnc2.parse(tnc2.format(read)) == read


def test_a_q_construct_is_refused_in_clear_words():
    with pytest.raises(FrameError, match="'qAR', a q-construct"):
        tnc2.parse(b"QQ1ABC>APZEDG,WIDE1-1,qAR,QQ1GAT:>hi")


@pytest.mark.parametrize(
    "line", [b"", b"no colon", b"no arrow:hi", b">A:hi", b"A>:hi", b"A>B,:hi", b"A*>B:hi", b"A>B*:hi"]
)
def test_what_is_no_monitor_text_is_refused(line):
    with pytest.raises(FrameError, match="expected"):
        tnc2.parse(line)


def test_hops_out_of_order_are_written_with_the_last_star():
    hops = [Address(callsign="A"), Address(callsign="B", top=True), Address(callsign="C")]
    assert tnc2.format(Frame.ui(source="S", destination="D", path=hops)) == b"S>D,A,B*,C:"


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpus of recorded traffic is not beside the checkout")
def test_the_text_of_recorded_traffic_agrees_with_its_frames():
    texts = (CORPORA / "rf_1500.tnc2").read_bytes().split(b"\n")
    stream = (CORPORA / "rf_1500_direwolf.kiss").read_bytes()
    frames = [ax25.decode(frame.data) for frame in kiss.Decoder().receive_bytes(stream)]
    assert len(frames) == 1500
    # Direwolf wrote the frames from the texts, so their heads are to agree in all but the C bits, which text has not.
    read = [tnc2.parse(text) for text in texts[:1500]]
    assert [frame.path_texts for frame in read] == [frame.path_texts for frame in frames]
    assert [frame.source_text for frame in read] == [frame.source_text for frame in frames]
    assert [frame.destination_text for frame in read] == [frame.destination_text for frame in frames]
