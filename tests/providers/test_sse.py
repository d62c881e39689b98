"""The event stream parser: any cut, any line end, any garbage."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.providers.llm.sse import EventStream, LineTooLongError

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXT = st.text(alphabet=st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), min_size=1)
EVENTS = st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=6)


@given(events=EVENTS, end=LINE_ENDS, cuts=st.lists(st.integers(0, 400), max_size=20), noise=st.booleans())
def test_events_survive_any_cut(events: list[list[str]], end: bytes, cuts: list[int], noise: bool) -> None:
    stream = b""
    for lines in events:
        stream += (b": ping" + end + b"event: message" + end + b"id:7" + end) if noise else b""
        stream += b"".join(b"data: " + line.encode() + end for line in lines) + end
    parser = EventStream()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut <= len(stream))})
    found = [event for start, stop in pairwise(places) for event in parser.feed(stream[start:stop])]
    assert found + parser.finish() == ["\n".join(lines) for lines in events]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_garbage_never_fails(pieces: list[bytes]) -> None:
    parser = EventStream()
    for piece in pieces:
        parser.feed(piece)
    parser.finish()


def test_line_ends_are_not_needed_to_deliver_at_once() -> None:
    parser = EventStream()
    assert parser.feed(b"data: a\r\n\r") == ["a"]
    assert parser.feed(b"\ndata: b\r\n") == []
    assert parser.feed(b"\r\n") == ["b"]


def test_a_byte_order_mark_and_a_missing_space_are_taken() -> None:
    assert EventStream().feed(b"\xef\xbb\xbfdata:x\n\n") == ["x"]


def test_a_last_event_without_blank_line_is_kept() -> None:
    parser = EventStream()
    assert parser.feed(b"data: a\n\ndata: [DONE]") == ["a"]
    assert parser.finish() == ["[DONE]"]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 200, b"data: 1234567890\n" * 20])
def test_lines_and_events_are_bounded(stream: bytes) -> None:
    parser = EventStream(limit=100)

    def feed_all() -> None:
        for start in range(0, len(stream), 7):
            parser.feed(stream[start : start + 7])

    with pytest.raises(LineTooLongError):
        feed_all()
