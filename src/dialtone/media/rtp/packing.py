"""Packets of another length than our frames: what the far end would rather have (`ptime`, RFC 8866 section 6.4)."""

from collections.abc import Sequence

from dialtone.media.audio import FRAME_SECONDS
from dialtone.media.rtp.codecs import Codec
from dialtone.media.rtp.sender import Sender

FRAME_MS = 20


class Packing:
    """Frames in, packets out. What does not fill a packet waits for more audio, or goes out by itself in `flush`."""

    def __init__(self, sender: Sender, codec: Codec, payload_type: int, packet_ms: int) -> None:
        self._sender = sender
        self._codec = codec
        self._payload_type = payload_type
        self._piece_ms = FRAME_MS if packet_ms % FRAME_MS == 0 else FRAME_MS // 2
        self._piece_units = codec.clock_rate * self._piece_ms // 1000
        self._most = packet_ms // self._piece_ms
        self._waiting: list[bytes] = []

    def pieces(self, frame: bytes) -> list[bytes]:
        """What a frame of 20 ms becomes, encoded."""
        return self._codec.pieces(frame, self._piece_ms)

    def add(self, pieces: Sequence[bytes], now: float) -> None:
        """Send a frame of 20 ms that began at `now`, or let it wait."""
        left = len(pieces)
        for piece in pieces:
            if self._waiting and not self._codec.joins(self._waiting[-1], piece):
                self._send(now + FRAME_SECONDS - left * self._piece_ms / 1000)
            self._waiting.append(piece)
            left -= 1
            if len(self._waiting) == self._most:
                self._send(now + FRAME_SECONDS - left * self._piece_ms / 1000)

    def flush(self, now: float) -> None:
        """Something else follows from `now` on: what waits goes out as a shorter packet."""
        if self._waiting:
            self._send(now)

    def drop(self) -> float:
        """Forget what waits; returns how many frames of 20 ms that was."""
        dropped, self._waiting = len(self._waiting), []
        return dropped * self._piece_ms / FRAME_MS

    def _send(self, until: float) -> None:
        waiting, self._waiting = self._waiting, []
        payload = waiting[0] if len(waiting) == 1 else self._codec.join(waiting)
        self._sender.send_audio(self._payload_type, payload, len(waiting) * self._piece_units, until)
