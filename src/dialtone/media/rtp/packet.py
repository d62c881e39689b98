"""RTP packets on the wire (RFC 3550 section 5.1)."""

import struct
from dataclasses import dataclass

MAX_PACKET_BYTES = 1500
"""Nothing longer is sent or taken: one Ethernet frame."""
HEADER_BYTES = 12

_HEADER = struct.Struct("!BBHII")
_PLAIN = 0x80
"""First byte of nearly every packet: version 2, no padding, no extension, no contributing sources."""
_PADDING, _EXTENSION, _SOURCES = 0x20, 0x10, 0x0F
_MARKER = 0x80


@dataclass(slots=True)
class RtpPacket:
    """One packet, without its padding, header extension and list of contributing sources: telephones need none."""

    payload_type: int
    marker: bool
    sequence: int
    """16 bits as sent; whoever follows the stream extends it beyond them."""
    timestamp: int
    """32 bits as sent, likewise."""
    ssrc: int
    payload: bytes
    duration: int = 0
    """How long the payload lasts, in units of the timestamp; filled in by whoever knows its codec."""


def is_rtcp(datagram: bytes) -> bool:
    """Whether what came to a port shared by both is RTCP (RFC 5761 section 4)."""
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


def parse(datagram: bytes) -> RtpPacket | None:
    """The packet, or None where this is none."""
    size = len(datagram)
    if not HEADER_BYTES <= size <= MAX_PACKET_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first == _PLAIN:
        payload = datagram[HEADER_BYTES:]
    elif first & 0xC0 != _PLAIN:
        return None
    else:
        bounds = _payload_bounds(datagram, first)
        if bounds is None:
            return None
        payload = datagram[bounds[0] : bounds[1]]
    return RtpPacket(second & 0x7F, second >= _MARKER, sequence, timestamp, ssrc, payload)


def _payload_bounds(datagram: bytes, first: int) -> tuple[int, int] | None:
    start, end = HEADER_BYTES + 4 * (first & _SOURCES), len(datagram)
    if first & _EXTENSION:
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
    if first & _PADDING:
        padding = datagram[-1]
        if not padding:
            return None
        end -= padding
    return (start, end) if start <= end else None


def build(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False
) -> bytes:
    """The packet as bytes. `sequence` and `timestamp` must be within their 16 and 32 bits."""
    second = payload_type | _MARKER if marker else payload_type
    return _HEADER.pack(_PLAIN, second, sequence, timestamp, ssrc) + payload
