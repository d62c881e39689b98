import numpy as np
import pytest

from dialtone.media.g711 import decode_mulaw
from dialtone.media.rtp.comfort_noise import ComfortNoise, payload_of
from dialtone.media.rtp.concealment import Concealment
from dialtone.media.rtp.time_stretch import shorten
from dialtone.media.samples import rms_dbfs
from tests.media.rtp.audio import SPEECH


def voice(seconds, pitch, rate=8000):
    time = np.arange(int(seconds * rate)) / rate
    return sum(3000 / k * np.sin(2 * np.pi * k * pitch * time) for k in range(1, 8)).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("pitch", [80, 117, 150, 190])
def test_a_steady_voice_goes_on_as_it_was(pitch, rate):
    whole = voice(0.2, pitch, rate)
    lost = rate // 10
    concealed = Concealment(whole[lost - rate * 6 // 100 : lost], rate).next_samples(rate // 100).astype(float)
    wanted = whole[lost : lost + rate // 100].astype(float)
    assert np.sum((concealed - wanted) ** 2) < 0.05 * np.sum(wanted**2)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_long_hole_fades_without_a_step(rate):
    past = voice(0.06, 120, rate)
    concealment = Concealment(past, rate)
    frames = [concealment.next_samples(rate // 50) for _ in range(5)]
    levels = [rms_dbfs(frame) for frame in frames]
    assert levels[0] > rms_dbfs(past) - 3
    assert levels[0] > levels[1] > levels[2]
    assert levels[3:] == [float("-inf")] * 2
    joined = np.concatenate((past, *frames)).astype(float)
    assert np.abs(np.diff(joined)).max() <= np.abs(np.diff(past.astype(float))).max() * 1.5


def test_the_way_back_is_smooth_and_ends_in_what_was_received():
    whole = voice(0.3, 130)
    concealment = Concealment(whole[320:800], 8000)
    hole = concealment.next_samples(160)
    merged = concealment.merge(whole[960:1120])
    assert (merged[80:] == whole[1040:1120]).all()
    joined = np.concatenate((whole[320:800], hole, merged)).astype(float)
    assert np.abs(np.diff(joined)).max() <= np.abs(np.diff(whole.astype(float))).max() * 1.3


@pytest.mark.parametrize("history", [np.zeros(0, np.int16), np.zeros(480, np.int16), np.full(100, 32767, np.int16)])
def test_any_past_can_be_continued(history):
    concealment = Concealment(history, 8000)
    assert concealment.next_samples(160).size == 160
    assert concealment.merge(np.full(80, -32768, np.int16)).size == 80


def test_concealed_speech_is_nearer_to_what_was_lost_than_silence_or_the_last_frame():
    samples = decode_mulaw(SPEECH).astype(float)
    concealed = silent = repeated = 0.0
    for at in range(800, samples.size - 80, 80):
        frame = samples[at : at + 80]
        past = samples[at - 480 : at].astype(np.int16)
        concealed += np.sum((Concealment(past, 8000).next_samples(80) - frame) ** 2)
        silent += np.sum(frame**2)
        repeated += np.sum((samples[at - 160 : at - 80] - frame) ** 2)
    assert concealed < 0.6 * silent
    assert concealed < 0.4 * repeated


@pytest.mark.parametrize("rate", [8000, 16000])
def test_shortened_speech_has_no_step_and_keeps_its_pitch(rate):
    samples = voice(0.04, 125, rate)
    shorter = shorten(samples, rate, rate // 50)
    period = rate // 125
    assert samples.size - shorter.size >= rate * 5 // 1000
    assert (samples.size - shorter.size) % period <= 2 or (samples.size - shorter.size) % period >= period - 2
    assert np.abs(np.diff(shorter.astype(float))).max() <= np.abs(np.diff(samples.astype(float))).max() * 1.1
    assert (shorter[-rate // 100 :] == samples[-rate // 100 :]).all()


def test_what_is_too_short_stays_as_it_is():
    samples = voice(0.004, 125)
    assert shorten(samples, 8000, 160) is samples


@pytest.mark.parametrize("level", [-30, -50, -66])
def test_noise_has_the_level_that_was_described(level):
    noise = ComfortNoise(8000, seed=3)
    assert not noise.next_samples(160).any()
    noise.update(payload_of(level))
    assert rms_dbfs(np.concatenate([noise.next_samples(160) for _ in range(60)])) == pytest.approx(level, abs=1.0)


def test_noise_has_the_colour_that_was_described():
    low = ComfortNoise(8000, seed=3)
    # One reflection coefficient of -0.8 (RFC 3389 section 3.2) makes the noise a low one.
    low.update(bytes([40, 127 - round(0.8 * 32768 / 258)]))
    samples = np.concatenate([low.next_samples(160) for _ in range(50)]).astype(float)
    power = np.abs(np.fft.rfft(samples)) ** 2
    assert power[: power.size // 4].sum() > 5 * power[power.size // 2 :].sum()
    assert rms_dbfs(samples.astype(np.int16)) == pytest.approx(-40, abs=1.0)


def test_any_description_can_be_taken():
    random = np.random.default_rng(4)
    noise = ComfortNoise(8000, seed=1)
    for size in (0, 1, 2, 13, 200):
        for _ in range(20):
            noise.update(random.integers(0, 256, size, dtype=np.uint8).tobytes())
            assert noise.next_samples(160).size == 160
