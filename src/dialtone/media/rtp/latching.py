"""Symmetric RTP: where the far end's packets really come from, which behind a NAT is not where its SDP says.

The first packets to come win; once they have, a stray packet changes nothing. Who may win, and how easily, depends on
what speaks for it: the address of the SDP, the same host, a key, or nothing but its patience.
"""

from dataclasses import dataclass

from dialtone.media.rtp.packet import RtpPacket

Address = tuple[str, int]

ANNOUNCED_PACKETS = 2
"""In sequence from the SDP's address, where another source was heard: when a call moves to another address, what its
former one still sends may come first.
"""
NEAR_PACKETS = 2
"""Packets in sequence from a host that was named, by SDP or signalling, at another port."""
STRANGER_PACKETS = 10
"""From any other host."""
MOVED_PACKETS = 2
"""From another address that goes on with the very stream: its SSRC, and sequence numbers where they should be."""
MOVED_REACH = 50
"""So far from the newest sequence number these may be."""
SILENCE_SECONDS = 2.0
"""After so long without a packet another source may take over, under the rules of the first one."""
MAX_CANDIDATES = 8


@dataclass(slots=True)
class _Candidate:
    ssrc: int
    next_sequence: int
    packets: int


class SourceLatch:
    """Decides which source is heard, and where our packets go."""

    def __init__(self, announced: Address, signalling_host: str | None = None, *, authenticated: bool = False) -> None:
        """`announced` is the SDP's address; `signalling_host` the one that SIP came from; `authenticated` tells that
        only packets that passed SRTP's check get here, each of which may move the source.
        """
        self._authenticated = authenticated
        self.strays = 0
        """Packets of others that were not heard."""
        self.expect(announced, signalling_host)

    def expect(self, announced: Address, signalling_host: str | None = None) -> None:
        """A new address was announced: forget where packets came from so far."""
        self._announced = announced
        self._near = {announced[0], signalling_host}
        self._source: Address | None = None
        self.destination = announced
        """Where our packets go."""
        self._newest: RtpPacket | None = None
        self._heard_at = 0.0
        self._candidates: dict[Address, _Candidate] = {}

    def accepts(self, packet: RtpPacket, source: Address, arrival: float) -> bool:
        """Whether a valid packet of a negotiated type is to be heard. Call before its numbers are extended."""
        if source != self._source and not self._take_over(packet, source, arrival):
            self.strays += 1
            return False
        self._heard_at = arrival
        self._newest = packet
        return True

    def _take_over(self, packet: RtpPacket, source: Address, arrival: float) -> bool:
        free = self._source is None or arrival - self._heard_at > SILENCE_SECONDS
        if self._authenticated or (free and source == self._announced):
            needed = 1
        elif source == self._announced:
            needed = ANNOUNCED_PACKETS
        elif self._newest is not None and self._continues(self._newest, packet):
            needed = MOVED_PACKETS
        elif not free:
            return False
        else:
            needed = NEAR_PACKETS if source[0] in self._near else STRANGER_PACKETS
        if self._count(packet, source) < needed:
            return False
        self._source = self.destination = source
        self._candidates.clear()
        return True

    @staticmethod
    def _continues(newest: RtpPacket, packet: RtpPacket) -> bool:
        distance = (packet.sequence - newest.sequence) & 0xFFFF
        return packet.ssrc == newest.ssrc and min(distance, 0x10000 - distance) <= MOVED_REACH

    def _count(self, packet: RtpPacket, source: Address) -> int:
        """How many packets in sequence this source has sent."""
        candidate = self._candidates.get(source)
        following = (packet.sequence + 1) & 0xFFFF
        if candidate is not None and candidate.ssrc == packet.ssrc and candidate.next_sequence == packet.sequence:
            candidate.packets += 1
            candidate.next_sequence = following
            return candidate.packets
        if candidate is None and len(self._candidates) >= MAX_CANDIDATES:
            del self._candidates[next(iter(self._candidates))]
        self._candidates[source] = _Candidate(packet.ssrc, following, 1)
        return 1
