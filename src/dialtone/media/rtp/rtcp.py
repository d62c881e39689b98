"""RTCP on the wire: reports of what was sent and received (RFC 3550 section 6)."""

import struct
from dataclasses import dataclass, field

from dialtone.media.rtp.packet import MAX_PACKET_BYTES

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
_CNAME = 1
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IIIII")
_BLOCK = struct.Struct("!IIIIII")
_VERSION = 0x80


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one source is received."""

    ssrc: int
    fraction_lost: int
    """Since the last report, in 256ths."""
    lost: int
    """Since the start; below zero where packets came twice."""
    highest_sequence: int
    jitter: int
    """In units of that source's timestamp."""
    last_report: int
    """The middle 32 bits of the NTP time in that source's last report; 0 if there was none."""
    delay: int
    """Since that report came, in 65536ths of a second."""


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What a source says of its own sending."""

    ntp: int
    """64 bits: seconds, and fractions of one."""
    timestamp: int
    packets: int
    octets: int


@dataclass(slots=True)
class Report:
    """The parts of a compound packet that a call needs."""

    ssrc: int | None = None
    """Of whoever reports."""
    sender: SenderInfo | None = None
    blocks: list[ReportBlock] = field(default_factory=list)
    goodbyes: list[int] = field(default_factory=list)
    """SSRCs that end."""


def parse(datagram: bytes) -> Report | None:
    """The compound packet, or None where it is malformed (RFC 3550 appendix A.2)."""
    size = len(datagram)
    if not 8 <= size <= MAX_PACKET_BYTES or size % 4 or datagram[1] not in (SENDER_REPORT, RECEIVER_REPORT):
        return None
    report = Report()
    at = 0
    while at < size:
        if size - at < _HEADER.size:
            return None
        first, kind, words = _HEADER.unpack_from(datagram, at)
        end = at + 4 * (words + 1)
        if first & 0xC0 != _VERSION or end > size:
            return None
        padded = first & 0x20
        if padded and (end != size or not 0 < datagram[-1] <= end - at - 4):
            return None
        body = datagram[at + 4 : end - datagram[-1] if padded else end]
        if not _read(report, kind, first & 0x1F, body):
            return None
        at = end
    return report


def _read(report: Report, kind: int, count: int, body: bytes) -> bool:
    """Take one packet of a compound one into the report. False where it is too short for what it announces."""
    if kind in (SENDER_REPORT, RECEIVER_REPORT):
        start = 4 + (_SENDER.size if kind == SENDER_REPORT else 0)
        if len(body) < start + count * _BLOCK.size:
            return False
        report.ssrc = int.from_bytes(body[:4])
        if kind == SENDER_REPORT:
            high, low, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
            report.sender = SenderInfo(high << 32 | low, timestamp, packets, octets)
        report.blocks += [_read_block(body, start + index * _BLOCK.size) for index in range(count)]
    elif kind == GOODBYE:
        if len(body) < 4 * count:
            return False
        report.goodbyes += struct.unpack_from(f"!{count}I", body)
    return True


def _read_block(body: bytes, at: int) -> ReportBlock:
    ssrc, losses, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, at)
    lost = losses & 0xFFFFFF
    return ReportBlock(ssrc, losses >> 24, lost - (lost >> 23 << 24), highest, jitter, last_report, delay)


def build(
    ssrc: int, cname: str, sender: SenderInfo | None, block: ReportBlock | None, *, goodbye: bool = False
) -> bytes:
    """A compound packet: the report, the source's canonical name, and a goodbye at the end of the session."""
    body = ssrc.to_bytes(4)
    if sender is not None:
        body += _SENDER.pack(
            sender.ntp >> 32, sender.ntp & 0xFFFFFFFF, sender.timestamp, sender.packets & 0xFFFFFFFF,
            sender.octets & 0xFFFFFFFF,
        )  # fmt: skip
    if block is not None:
        lost = max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF
        body += _BLOCK.pack(
            block.ssrc, block.fraction_lost << 24 | lost, block.highest_sequence & 0xFFFFFFFF,
            min(block.jitter, 0xFFFFFFFF), block.last_report, min(block.delay, 0xFFFFFFFF),
        )  # fmt: skip
    kind = RECEIVER_REPORT if sender is None else SENDER_REPORT
    name = cname.encode()
    item = bytes((_CNAME, len(name))) + name
    item += bytes(4 - len(item) % 4)  # ends with one to four zeros
    compound = _packet(kind, 0 if block is None else 1, body)
    compound += _packet(SOURCE_DESCRIPTION, 1, ssrc.to_bytes(4) + item)
    return compound + _packet(GOODBYE, 1, ssrc.to_bytes(4)) if goodbye else compound


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION | count, kind, len(body) // 4) + body
