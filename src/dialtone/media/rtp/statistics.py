"""How a call's audio fared on the network, for its record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RtpStatistics:
    """One session so far. Where several streams followed one another, counts are of all, the jitter of the last."""

    codec: str
    encrypted: bool
    packets_received: int
    """Valid, of the far end's source, without duplicates."""
    packets_lost: int
    """Never arrived."""
    packets_late: int
    """Arrived when their time was over; the caller was not heard in them."""
    packets_duplicated: int
    packets_reordered: int
    packets_stray: int
    """Of other sources, not heard."""
    packets_malformed: int
    """No RTP, of no negotiated type, or not authentic."""
    packets_sent: int
    concealed_seconds: float
    """Audio made up for lost and late packets."""
    jitter_ms: float
    """Interarrival jitter (RFC 3550 section 6.4.1)."""
    max_jitter_ms: float
    playout_delay_ms: float
    """What the jitter buffer adds."""
    round_trip_ms: float | None
    """None where the far end sends no RTCP, like the next two."""
    remote_packets_lost: int | None
    """Of what we sent, as the far end tells."""
    remote_jitter_ms: float | None

    @property
    def loss_percent(self) -> float:
        """Packets that could not be heard, of all that were sent to us."""
        expected = self.packets_received + max(0, self.packets_lost)
        return 100 * (max(0, self.packets_lost) + self.packets_late) / expected if expected else 0.0
