from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.media.resample import Resampler

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
PAIRS = list(permutations(RATES, 2))


def sine(frequency, rate, seconds=0.5, amplitude=16000):
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def convert(samples, in_rate, out_rate):
    resampler = Resampler(in_rate, out_rate)
    return np.concatenate((resampler.process(samples), resampler.flush()))


def level(samples):
    """Mean power in decibels; what rounding to 16 bits leaves of silence counts as -20."""
    return 10 * np.log10(np.mean(np.square(samples, dtype=float)) + 0.01)


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.84])
def test_a_tone_in_the_pass_band_comes_out_the_same_and_at_the_same_time(in_rate, out_rate, share):
    frequency = share * min(in_rate, out_rate) / 2
    got = convert(sine(frequency, in_rate), in_rate, out_rate).astype(float)
    wanted = sine(frequency, out_rate).astype(float)
    middle = slice(out_rate // 20, -out_rate // 20)
    assert level(wanted[middle]) - level((got - wanted)[middle]) > 55


@pytest.mark.parametrize(("in_rate", "out_rate"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_what_the_lower_rate_cannot_hold_is_gone(in_rate, out_rate):
    for share in (1.0, 1.05, 1.4, 1.9):
        frequency = share * out_rate / 2
        if frequency < in_rate / 2:
            tone = sine(frequency, in_rate)
            middle = slice(out_rate // 20, -out_rate // 20)
            assert level(tone) - level(convert(tone, in_rate, out_rate)[middle]) > 60


@pytest.mark.parametrize(("in_rate", "out_rate"), [pair for pair in PAIRS if pair[0] < pair[1]])
def test_going_up_makes_no_images(in_rate, out_rate):
    got = convert(sine(0.6 * in_rate / 2, in_rate), in_rate, out_rate)[out_rate // 20 : -out_rate // 20].astype(float)
    spectrum = np.abs(np.fft.rfft(got * np.kaiser(got.size, 14)))
    frequencies = np.fft.rfftfreq(got.size, 1 / out_rate)
    assert 20 * np.log10(spectrum.max() / spectrum[frequencies > in_rate / 2].max()) > 60


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_length_and_constant_level_are_kept(in_rate, out_rate):
    for count in (0, 1, 159, 160, 12345):
        got = convert(np.full(count, 1000, np.int16), in_rate, out_rate)
        assert got.size == -(-count * out_rate // in_rate)
        edge = out_rate // 50
        assert np.abs(got[edge:-edge].astype(int) - 1000).max(initial=0) <= 1


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_one_sample_at_a_time_is_the_same_as_all_at_once(in_rate, out_rate):
    samples = np.random.default_rng(1).integers(-32768, 32767, 700, dtype=np.int16)
    resampler = Resampler(in_rate, out_rate)
    pieces = [resampler.process(samples[i : i + 1]) for i in range(samples.size)]
    assert np.array_equal(np.concatenate([*pieces, resampler.flush()]), convert(samples, in_rate, out_rate))


@given(
    pair=st.sampled_from(PAIRS),
    chunks=st.lists(st.integers(0, 1500), max_size=12),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=80, deadline=None)
def test_any_split_gives_the_same_samples(pair, chunks, seed):
    samples = np.random.default_rng(seed).integers(-32768, 32767, sum(chunks), dtype=np.int16)
    resampler = Resampler(*pair)
    pieces = [resampler.process(piece) for piece in np.split(samples, np.cumsum(chunks)[:-1])] if chunks else []
    assert np.array_equal(np.concatenate([*pieces, resampler.flush()]), convert(samples, *pair))


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_the_output_lags_by_no_more_than_the_stated_latency(in_rate, out_rate):
    resampler = Resampler(in_rate, out_rate)
    got = resampler.process(np.zeros(in_rate, np.int16)).size
    assert abs((out_rate - got) / out_rate - resampler.latency) <= 1 / in_rate + 1 / out_rate
    assert resampler.latency < 0.005


def test_a_flushed_resampler_starts_anew():
    resampler = Resampler(8000, 16000)
    samples = sine(440, 8000, 0.1)
    first = np.concatenate((resampler.process(samples), resampler.flush()))
    assert np.array_equal(np.concatenate((resampler.process(samples), resampler.flush())), first)


def test_full_scale_does_not_wrap_around():
    square = np.where(np.arange(4000) // 40 % 2, 32767, -32768).astype(np.int16)
    got = convert(square, 8000, 16000).astype(int)
    assert np.abs(np.diff(got)).max() < 60000
    assert got.max() == 32767
    assert got.min() == -32768


@pytest.mark.parametrize(("in_rate", "out_rate"), list(product((0, -8000), (8000,))))
def test_a_rate_that_is_none_is_refused(in_rate, out_rate):
    with pytest.raises(ValueError, match="must be positive"):
        Resampler(in_rate, out_rate)
