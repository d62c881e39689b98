"""From one audio format to another, in a stream, doing only the steps that the pair needs."""

import numpy as np

from dialtone.media.audio import AudioFormat
from dialtone.media.g711 import decode_mulaw, encode_mulaw
from dialtone.media.resample import Resampler
from dialtone.media.samples import Samples

_SILENT_BYTE = {"mulaw": b"\xff", "pcm_s16le": b"\x00"}


def decode(data: bytes, audio: AudioFormat) -> Samples:
    """16-bit samples of whole encoded samples."""
    return decode_mulaw(data) if audio.encoding == "mulaw" else np.frombuffer(data, "<i2")


def encode(samples: Samples, audio: AudioFormat) -> bytes:
    """Encoded bytes of 16-bit samples."""
    return encode_mulaw(samples) if audio.encoding == "mulaw" else samples.astype("<i2", copy=False).tobytes()


def silence(audio: AudioFormat, byte_count: int) -> bytes:
    """`byte_count` bytes of digital silence in the encoding of `audio`."""
    return _SILENT_BYTE[audio.encoding] * byte_count


class Converter:
    """Converts one stream from `source` to `target`. Equal formats pass through untouched, as the same object.

    Chunks may be cut anywhere, even within a sample. With different rates the output lags by the resampler's latency
    (about 4 ms at 8 kHz).
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._source = source
        self._target = target
        self._identity = source == target
        self._half_sample = b""
        self._resampler = (
            None if source.sample_rate == target.sample_rate else Resampler(source.sample_rate, target.sample_rate)
        )

    def process(self, data: bytes) -> bytes:
        """What `data` becomes; the end of a cut sample or of the filter's reach comes with the next chunk."""
        if self._identity:
            return data
        if self._source.sample_bytes == 2:
            if self._half_sample:
                data = self._half_sample + data
            self._half_sample = data[-1:] if len(data) % 2 else b""
            if self._half_sample:
                data = data[:-1]
        samples = decode(data, self._source)
        if self._resampler:
            samples = self._resampler.process(samples)
        return encode(samples, self._target)

    def flush(self) -> bytes:
        """The rest of the stream; half a sample is dropped. Afterwards the converter is as new."""
        self._half_sample = b""
        return encode(self._resampler.flush(), self._target) if self._resampler else b""
