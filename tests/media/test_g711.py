import warnings

import numpy as np
import pytest

from dialtone.media import g711

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    audioop = pytest.importorskip("audioop")

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def test_mulaw_agrees_with_the_reference_for_every_value():
    assert g711.decode_mulaw(EVERY_CODE).tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    assert g711.encode_mulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE.tobytes(), 2)


def test_alaw_agrees_with_the_reference_for_every_value():
    assert g711.decode_alaw(EVERY_CODE).tobytes() == audioop.alaw2lin(EVERY_CODE, 2)
    assert g711.encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE.tobytes(), 2)


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0x80, 32124), (0x00, -32124), (0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0xF0, 120), (0x8F, 16764)],
)
def test_mulaw_values_of_the_standard(code, sample):
    """G.711 tables 2a and 2b, decoder output values times four (14 to 16 bits)."""
    assert g711.decode_mulaw(bytes([code])).tolist() == [sample]


@pytest.mark.parametrize(("code", "sample"), [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0x80, 5504)])
def test_alaw_values_of_the_standard(code, sample):
    """G.711 tables 1a and 1b, decoder output values times eight (13 to 16 bits)."""
    assert g711.decode_alaw(bytes([code])).tolist() == [sample]


@pytest.mark.parametrize(
    ("encode", "decode", "step"),
    [(g711.encode_mulaw, g711.decode_mulaw, 8), (g711.encode_alaw, g711.decode_alaw, 16)],
    ids=["mulaw", "alaw"],
)
def test_a_round_trip_errs_by_at_most_half_a_step(encode, decode, step):
    """A step is `step` near zero and grows with the magnitude to 1/16 of the segment's start."""
    inside = EVERY_SAMPLE[np.abs(EVERY_SAMPLE.astype(int)) <= 32124]
    error = np.abs(decode(encode(inside)).astype(int) - inside)
    assert (error <= step + np.abs(inside.astype(int)) / 32).all()


def test_transcoding_is_stable_after_the_first_round():
    once = g711.decode_mulaw(g711.encode_mulaw(EVERY_SAMPLE))
    assert np.array_equal(g711.decode_mulaw(g711.encode_mulaw(once)), once)


def test_nothing_in_nothing_out():
    assert g711.decode_mulaw(b"").size == 0
    assert g711.encode_mulaw(np.zeros(0, np.int16)) == b""
