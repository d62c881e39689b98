"""What arrives of one RTP source: order, loss, duplicates and jitter (RFC 3550 appendix A.1, A.3 and A.8)."""

from dialtone.media.rtp.packet import RtpPacket

MAX_DROPOUT = 3000
"""A jump ahead by more is believed only when the next packet confirms it: a minute of speech."""
MAX_MISORDER = 100
"""So much older than the newest a packet may be."""
_REMEMBERED = (1 << (MAX_MISORDER + 1)) - 1
_HALF_TIMESTAMP, _TIMESTAMPS = 1 << 31, 1 << 32


class Reception:
    """Follows the packets of one SSRC. Extends their sequence numbers and timestamps beyond where these wrap."""

    def __init__(self, first: RtpPacket, clock_rate: int) -> None:
        self.ssrc = first.ssrc
        self.received = 0
        """Without duplicates."""
        self.duplicates = 0
        self.reordered = 0
        self.jitter_units = 0.0
        """Interarrival jitter in units of the timestamp."""
        self.max_jitter_units = 0.0
        self.clock_rate = clock_rate
        self.in_order = False
        """The last packet was the next one in sequence."""
        self._begin(first.sequence)
        self._lost_before = 0
        self._timestamp = first.timestamp
        self._transit: float | None = None
        self._expected_then = self._received_then = 0

    def _begin(self, sequence: int) -> None:
        self._base = sequence
        self._newest = sequence - 1
        self._missing = 0
        """A bit for each of the newest packets that has not come, the newest's the lowest."""
        self._confirming: int | None = None
        self._received_since = 0

    @property
    def newest_sequence(self) -> int:
        """Extended beyond 16 bits."""
        return self._newest

    @property
    def expected(self) -> int:
        """How many packets would have arrived by now if none had been lost."""
        return self.received + self.lost

    @property
    def lost(self) -> int:
        return self._lost_before + self._newest - self._base + 1 - self._received_since

    @property
    def jitter_seconds(self) -> float:
        return self.jitter_units / self.clock_rate

    @property
    def max_jitter_seconds(self) -> float:
        return self.max_jitter_units / self.clock_rate

    def receive(self, packet: RtpPacket, arrival: float, *, timed: bool = True) -> bool:
        """Count a packet of this source that arrived at `arrival` (seconds) and extend its numbers in place.

        False for a duplicate, one that is too old, and a jump that awaits confirmation: such a packet is not used.
        `timed` False keeps it out of the jitter: its timestamp is not that of its sending (RFC 4733 section 2.6).
        """
        step = (packet.sequence - self._newest) & 0xFFFF
        self.in_order = step == 1
        if step == 1:
            self._newest = packet.sequence = self._newest + 1
            if self._missing:
                self._missing = self._missing << 1 & _REMEMBERED
        elif (extended := self._out_of_order(packet.sequence, step)) is not None:
            packet.sequence = extended
        else:
            return False
        self._confirming = None
        self.received += 1
        self._received_since += 1
        ahead = (packet.timestamp - self._timestamp) & 0xFFFFFFFF
        if ahead >= _HALF_TIMESTAMP:
            ahead -= _TIMESTAMPS
        packet.timestamp = self._timestamp = self._timestamp + ahead
        if timed:
            former, transit = self._transit, arrival * self.clock_rate - packet.timestamp
            if former is not None:
                jitter = self.jitter_units
                self.jitter_units = jitter = jitter + (abs(transit - former) - jitter) / 16
                if jitter > self.max_jitter_units:
                    self.max_jitter_units = jitter
            self._transit = transit
        return True

    def _out_of_order(self, sequence: int, step: int) -> int | None:
        """The extended number of a packet that is not the next one; None if it may not be used."""
        if 0 < step < MAX_DROPOUT:
            self._newest += step
            # Those that were left out are missing. Of a long hole no more is remembered than could still come.
            self._missing = (self._missing << step | (1 << step) - 2) & _REMEMBERED
            return self._newest
        age = (0x10000 - step) & 0xFFFF
        if age > MAX_MISORDER:
            return self._jumped(sequence)
        if self._newest - age < self._base:
            return None  # from before the first packet: it was never expected
        if not self._missing >> age & 1:
            self.duplicates += 1
            return None
        self._missing &= ~(1 << age)
        self.reordered += 1
        return self._newest - age

    def _jumped(self, sequence: int) -> int | None:
        """Far away from where the stream was: a stray, or a sender that started over (two in a row)."""
        if sequence != self._confirming:
            self._confirming = (sequence + 1) & 0xFFFF
            return None
        self._lost_before = self.lost
        # The next cycle, so that extended numbers never go back.
        self._begin((self._newest // 0x10000 + 1) * 0x10000 + sequence)
        self._newest = self._base
        self._transit = None
        return self._newest

    def fraction_lost(self) -> int:
        """Share of packets lost since this was last asked, in 256ths (RFC 3550 appendix A.3)."""
        expected, received = self.expected - self._expected_then, self.received - self._received_then
        self._expected_then, self._received_then = self.expected, self.received
        lost = expected - received
        return min(255, lost * 256 // expected) if expected > 0 and lost > 0 else 0
