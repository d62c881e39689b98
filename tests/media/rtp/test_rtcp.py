import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.rtp.rtcp import ReportBlock, SenderInfo, build, parse

u32 = st.integers(0, 2**32 - 1)
blocks = st.builds(ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32)
senders = st.builds(SenderInfo, st.integers(0, 2**64 - 1), u32, u32, u32)


@given(u32, st.text(st.characters(codec="ascii"), max_size=40), st.none() | senders, st.none() | blocks, st.booleans())
def test_what_is_built_is_parsed(ssrc, cname, sender, block, goodbye):
    report = parse(build(ssrc, cname, sender, block, goodbye=goodbye))
    assert report is not None
    assert (report.ssrc, report.sender, report.blocks) == (ssrc, sender, [] if block is None else [block])
    assert report.goodbyes == ([ssrc] if goodbye else [])


@given(st.binary(max_size=1500))
def test_anything_is_parsed_or_refused(datagram):
    parse(datagram)
    parse(b"\x81\xc8" + datagram)


@pytest.mark.parametrize(
    "datagram",
    [
        b"\x81\xca\0\1abcd",  # a description alone
        b"\x80\xc9\0\1abc",  # not whole words
        b"\x80\xc9\0\2abcd",  # longer than the datagram
        b"\x81\xc9\0\1abcd",  # a block that is not there
        b"\x80\xc8\0\1abcd",  # no sender's numbers
        b"\x40\xc9\0\1abcd",  # version 1
        b"\x80\xc9\0\1abcd" + b"\x82\xcb\0\1abcd",  # a goodbye of two with one
        b"\xa0\xc9\0\1abc\0" + b"\x80\xca\0\0",  # padding before the end
        b"\xa0\xc9\0\1abc\x09",  # more padding than packet
    ],
)
def test_what_is_malformed_is_refused(datagram):
    assert parse(datagram) is None


def test_counts_beyond_their_field_are_held_at_its_limit():
    block = ReportBlock(1, 0, 10**9, 0, 0, 0, 0)
    report = parse(build(1, "x", None, block))
    assert report is not None
    assert report.blocks[0].lost == 0x7FFFFF
