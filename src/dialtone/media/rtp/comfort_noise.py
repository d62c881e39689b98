"""Comfort noise (RFC 3389): the sound of a silence, in a packet of a few bytes."""

import numpy as np

from dialtone.media.samples import FULL_SCALE, Samples

MAX_ORDER = 12
"""Coefficients of the spectrum that are heeded; RFC 3389 section 3.1 leaves their number open."""
_LOOP_SECONDS = 1
_RESPONSE_TAPS = 96
_OVERLOAD = 32767 / FULL_SCALE


class ComfortNoise:
    """Noise in the level and colour that a payload asks for. Without one: silence."""

    def __init__(self, rate: int, seed: int) -> None:
        self._rate = rate
        self._random = np.random.default_rng(seed)
        self._payload: bytes | None = None
        self._loop: Samples = np.zeros(rate * _LOOP_SECONDS, np.int16)
        self._at = 0

    @property
    def is_silent(self) -> bool:
        """Nothing was described so far."""
        return self._payload is None

    def update(self, payload: bytes) -> None:
        """Take the description of the noise that came in a packet; an empty one says nothing."""
        payload = payload[: 1 + MAX_ORDER]
        if not payload or payload == self._payload:
            return
        self._payload = payload
        noise = self._random.normal(0.0, 1.0, self._loop.size)
        if len(payload) > 1:
            response = _impulse_response([_reflection(byte) for byte in payload[1:]])
            # Around the end, so that the loop has no seam.
            noise = np.convolve(np.concatenate((noise[-_RESPONSE_TAPS + 1 :], noise)), response, "valid")
        level = _OVERLOAD * FULL_SCALE * 10 ** (-(payload[0] & 0x7F) / 20)
        noise *= level / max(float(np.sqrt(np.mean(noise * noise))), 1e-9)
        self._loop = np.clip(np.rint(noise), -32768, 32767).astype(np.int16)

    def next_samples(self, count: int) -> Samples:
        """What comes next of it."""
        start, self._at = self._at, (self._at + count) % self._loop.size
        piece = self._loop[start : start + count]
        return piece if piece.size == count else np.concatenate((piece, self._loop[: count - piece.size]))


def payload_of(level_dbfs: float) -> bytes:
    """White noise of this level, for a packet."""
    return bytes([min(127, max(0, round(-level_dbfs)))])


def _reflection(byte: int) -> float:
    """RFC 3389 section 3.2."""
    return max(-0.99, min(0.99, 258 * (byte - 127) / 32768))


def _impulse_response(reflections: list[float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """What the all-pole filter of these reflection coefficients makes of an impulse."""
    predictor = [1.0]
    for reflection in reflections:
        padded = [*predictor, 0.0]
        predictor = [a + reflection * b for a, b in zip(padded, reversed(padded), strict=True)]
    response = np.zeros(_RESPONSE_TAPS)
    response[0] = 1.0
    taps = np.array(predictor[1:])
    for at in range(1, _RESPONSE_TAPS):
        reach = min(at, taps.size)
        response[at] = -float(taps[:reach] @ response[at - reach : at][::-1])
    return response
