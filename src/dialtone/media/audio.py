"""What a stretch of audio is: its encoding and its rate. Everything in Dialtone is mono."""

from dataclasses import dataclass
from typing import Literal

Encoding = Literal["pcm_s16le", "mulaw"]

FRAME_SECONDS = 0.020
"""Length of the frame that the media clock plays, in seconds."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Encoding and sample rate of mono audio.

    `pcm_s16le` is signed 16-bit little-endian, `mulaw` is G.711 mu-law (one byte a sample).
    """

    encoding: Encoding
    sample_rate: int
    """In Hz."""

    @property
    def sample_bytes(self) -> int:
        return 1 if self.encoding == "mulaw" else 2

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.sample_bytes

    @property
    def frame_bytes(self) -> int:
        """Bytes in one 20 ms frame."""
        return self.sample_rate // 50 * self.sample_bytes

    def seconds(self, byte_count: int) -> float:
        """How long `byte_count` bytes of this format last, in seconds."""
        return byte_count / self.bytes_per_second


MULAW_8K = AudioFormat("mulaw", 8000)
PCM_8K = AudioFormat("pcm_s16le", 8000)
PCM_16K = AudioFormat("pcm_s16le", 16000)
PCM_24K = AudioFormat("pcm_s16le", 24000)
