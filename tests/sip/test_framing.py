"""Messages on a stream: however the bytes are cut, the same messages come out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.sip.errors import ParseError
from dialtone.sip.framing import StreamFramer
from dialtone.sip.message import MAX_BODY, MAX_HEAD

ONE = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: one\r\nl: 5\r\n\r\nhello"
TWO = b"BYE sip:a@b SIP/2.0\r\nCall-ID: two\r\nContent-Length: 0\r\n\r\n"


@given(st.lists(st.integers(1, 200), max_size=40))
def test_any_cut_gives_the_same_messages(sizes: list[int]) -> None:
    framer, data, found, pings = StreamFramer(), b"\r\n\r\n" + ONE + b"\r\n" + TWO + b"\r\n\r\n" + ONE, [], 0
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        found += framer.feed(piece)
        pings += framer.take_pings()
    assert [(message.call_id, message.body) for message in found] == [
        ("one", b"hello"),
        ("two", b""),
        ("one", b"hello"),
    ]
    assert pings == 2
    assert not framer.in_message


@pytest.mark.parametrize(
    "data",
    [
        b"A" * (MAX_HEAD + 10),
        b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: one\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_a_stream_that_is_no_sip_is_given_up(data: bytes) -> None:
    framer = StreamFramer()
    with pytest.raises(ParseError):
        [list(framer.feed(data[start : start + 1000])) for start in range(0, len(data), 1000)]


def test_a_message_that_is_not_whole_is_seen() -> None:
    framer = StreamFramer()
    assert list(framer.feed(ONE[:-1])) == []
    assert framer.in_message
    assert len(list(framer.feed(ONE[-1:]))) == 1
    assert list(framer.feed(b"\r\n")) == []
    assert not framer.in_message
