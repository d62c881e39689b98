"""Opus (RFC 6716, RFC 7587), by the optional package `av`, which carries libopus."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from dialtone.media.audio import PCM_16K
from dialtone.media.resample import Resampler

CLOCK_RATE = 48000
"""RFC 7587 section 4.1, whatever the bandwidth."""
MAX_DURATION = CLOCK_RATE * 120 // 1000
_BIT_RATE = 24000
_FRAME_SAMPLES = PCM_16K.sample_rate // 50
_HYBRID_MODES = (480, 960)
_SILK_MODES = (480, 960, 1920, 2880)
_CELT_MODES = (120, 240, 480, 960)
_FRAME_COUNT_CODE = 3
"""Of a packet's first octet: how many frames it has. 0: one; 3: as many as the second octet says."""
_VARIABLE = 0x80
"""Of the second octet: the frames have sizes of their own."""


@cache
def is_available() -> bool:
    """Whether the package is installed."""
    return find_spec("av") is not None


def duration(payload: bytes) -> int:
    """How long a packet lasts at 48 kHz (RFC 6716 section 3.1); 0 where it is malformed."""
    if not payload:
        return 0
    mode, frames = payload[0] >> 3, payload[0] & 3
    if mode < 12:
        length = _SILK_MODES[mode & 3]
    elif mode < 16:
        length = _HYBRID_MODES[mode & 1]
    else:
        length = _CELT_MODES[mode & 3]
    count = (1, 2, 2, payload[1] & 0x3F if len(payload) > 1 else 0)[frames]
    total = length * count
    return total if total <= MAX_DURATION else 0


class Opus:
    """One stream in both directions: mono at 16 kHz, with the least effort in coding."""

    audio = PCM_16K
    clock_rate = CLOCK_RATE

    def __init__(self) -> None:
        self._av: Any = import_module("av")
        self._decoder = self._av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate = CLOCK_RATE
        self._decoder.layout = "mono"
        self._resampler = Resampler(CLOCK_RATE, PCM_16K.sample_rate)
        self._frame_ms = 20
        self._encoder = self._open_encoder()
        self._encoded = 0

    def _open_encoder(self) -> Any:
        encoder = self._av.CodecContext.create("libopus", "w")
        encoder.sample_rate = PCM_16K.sample_rate
        encoder.layout = "mono"
        encoder.format = "s16"
        encoder.bit_rate = _BIT_RATE
        encoder.options = {"application": "voip", "frame_duration": str(self._frame_ms), "compression_level": "0"}
        encoder.open()
        return encoder

    def duration(self, payload: bytes) -> int:
        return duration(payload)

    def decode(self, payload: bytes) -> bytes:
        try:
            frames = self._decoder.decode(self._av.Packet(payload))
        except self._av.FFmpegError as error:
            raise ValueError("not an Opus packet") from error
        samples = [self._resampler.process(frame.to_ndarray().reshape(-1)) for frame in frames]
        return np.concatenate(samples).astype("<i2", copy=False).tobytes() if samples else b""

    def encode(self, frame: bytes) -> bytes:
        return b"".join(self.pieces(frame, 20))

    def pieces(self, frame: bytes, milliseconds: int) -> list[bytes]:
        """See `Codec.pieces`: one Opus frame each."""
        if milliseconds != self._frame_ms:
            self._frame_ms = milliseconds
            self._encoder = self._open_encoder()
        audio = self._av.AudioFrame.from_ndarray(
            np.frombuffer(frame, "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        audio.sample_rate = PCM_16K.sample_rate
        audio.pts = self._encoded
        self._encoded += _FRAME_SAMPLES
        return [bytes(packet) for packet in self._encoder.encode(audio)]

    def joins(self, piece: bytes, following: bytes) -> bool:
        """See `Codec.joins`: frames of one packet have mode, bandwidth and length in common."""
        return piece[0] == following[0] and piece[0] & _FRAME_COUNT_CODE == 0

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """See `Codec.join`: a packet of any number of frames, each with its size (RFC 6716 section 3.2.5)."""
        head = bytes((pieces[0][0] | _FRAME_COUNT_CODE, _VARIABLE | len(pieces)))
        sizes = b"".join(_size(len(piece) - 1) for piece in pieces[:-1])
        return head + sizes + b"".join(piece[1:] for piece in pieces)


def _size(octets: int) -> bytes:
    """Of a frame within a packet (RFC 6716 section 3.2.1)."""
    if octets < 252:
        return bytes((octets,))
    first = 252 + octets % 4
    return bytes((first, (octets - first) // 4))
