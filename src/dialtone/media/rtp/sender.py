"""What we send: a sequence of packets whose timestamps keep pace with the media clock."""

import secrets
from collections.abc import Callable

from dialtone.media.audio import FRAME_SECONDS
from dialtone.media.rtp.packet import build


class Sender:
    """One outgoing RTP stream."""

    def __init__(self, clock_rate: int, transmit: Callable[[bytes], None]) -> None:
        self._transmit = transmit
        self._packets_before = 0
        self.packets = 0
        self._start(clock_rate)

    def _start(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self._frame = clock_rate // 50
        # RFC 3550 section 5.1: all three start at random.
        self.ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._timestamp_at = 0.0
        self._talking = False
        self.packets = 0
        self.octets = 0
        """Of payloads."""

    def restart(self, clock_rate: int) -> None:
        """Go on as another source: within one the clock rate stays the same (RFC 7160)."""
        self._packets_before += self.packets
        self._start(clock_rate)

    @property
    def total_packets(self) -> int:
        """Of all sources so far."""
        return self._packets_before + self.packets

    def send_frame(self, payload_type: int, payload: bytes, now: float) -> None:
        """Send 20 ms of audio."""
        self._send(payload_type, payload, self._timestamp, marker=not self._talking)
        self._talking = True
        self._timestamp = (self._timestamp + self._frame) & 0xFFFFFFFF
        self._timestamp_at = now + FRAME_SECONDS

    def send_audio(self, payload_type: int, payload: bytes, units: int, until: float) -> None:
        """Send audio that lasts so many units of the timestamp; what follows begins at `until` (seconds)."""
        self._send(payload_type, payload, self._timestamp, marker=not self._talking)
        self._talking = True
        self._timestamp = (self._timestamp + units) & 0xFFFFFFFF
        self._timestamp_at = until

    def skip_frames(self, frames: float, now: float) -> None:
        """Let 20 ms each pass in which nothing is sent; what comes next begins a talkspurt."""
        self._talking = False
        self._timestamp = (self._timestamp + int(frames * self._frame)) & 0xFFFFFFFF
        self._timestamp_at = now + FRAME_SECONDS

    def send_description(self, payload_type: int, payload: bytes, now: float) -> None:
        """Send what describes a silence, in place of 20 ms of audio."""
        self._send(payload_type, payload, self._timestamp)
        self.skip_frames(1, now)

    def send_event(self, payload_type: int, payload: bytes, began: int, *, marker: bool) -> None:
        """Send a packet of an event that began `began` units of the timestamp ago. Time does not pass by it."""
        self._send(payload_type, payload, (self._timestamp - began) & 0xFFFFFFFF, marker=marker)

    def timestamp_at(self, now: float) -> int:
        """The timestamp of this very moment."""
        passed = int((now - self._timestamp_at) * self.clock_rate) if self._timestamp_at else 0
        return (self._timestamp + passed) & 0xFFFFFFFF

    def _send(self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        self._transmit(build(payload_type, self._sequence, timestamp, self.ssrc, payload, marker=marker))
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
