import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.rtp.packet import MAX_PACKET_BYTES, build, is_rtcp, parse


@given(
    st.integers(0, 127), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
    st.binary(max_size=1400), st.booleans(),
)  # fmt: skip
def test_what_is_built_is_parsed(payload_type, sequence, timestamp, ssrc, payload, marker):
    packet = parse(build(payload_type, sequence, timestamp, ssrc, payload, marker=marker))
    assert packet is not None
    assert (packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc) == (
        payload_type, sequence, timestamp, ssrc
    )  # fmt: skip
    assert (packet.payload, packet.marker) == (payload, marker)


def test_sources_extension_and_padding_are_left_out():
    plain = build(8, 5, 6, 7, b"")
    contributing = b"\0\0\0\1\0\0\0\2"
    extension = b"\xbe\xde\0\1" + b"abcd"
    datagram = bytes([plain[0] | 0x20 | 0x10 | 2]) + plain[1:] + contributing + extension + b"speech" + b"\0\0\3"
    packet = parse(datagram)
    assert packet is not None
    assert (packet.payload, packet.payload_type, packet.ssrc) == (b"speech", 8, 7)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        build(0, 1, 1, 1, b"x")[:11],
        b"\x40" + build(0, 1, 1, 1, b"x")[1:],  # version 1
        b"\x81" + build(0, 1, 1, 1, b"x")[1:],  # a contributing source that is not there
        b"\x90" + build(0, 1, 1, 1, b"xyz")[1:],  # half an extension's header
        b"\x90" + build(0, 1, 1, 1, b"\0\0\xff\xff")[1:],  # an extension longer than the packet
        b"\xa0" + build(0, 1, 1, 1, b"x\0")[1:],  # no padding although announced
        b"\xa0" + build(0, 1, 1, 1, b"x\3")[1:],  # more padding than payload
        build(0, 1, 1, 1, bytes(MAX_PACKET_BYTES)),
    ],
)
def test_what_is_no_packet_is_refused(datagram):
    assert parse(datagram) is None


def test_rtcp_is_told_from_rtp_with_a_marker():
    assert is_rtcp(b"\x80\xc8\0\0")
    assert is_rtcp(b"\x80\xcb\0\0")
    assert not is_rtcp(build(0, 1, 1, 1, b"", marker=True))
    assert not is_rtcp(build(101, 1, 1, 1, b"", marker=True))
    assert not is_rtcp(b"\x80")
