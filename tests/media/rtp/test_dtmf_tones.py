import numpy as np
import pytest

from dialtone.media.g711 import decode_mulaw, encode_mulaw
from dialtone.media.rtp.dtmf import EVENTS
from dialtone.media.rtp.dtmf_tones import ToneDetector, tone
from tests.media.rtp.audio import SPEECH


def hear(samples, rate=8000, shift=0):
    detector, size = ToneDetector(rate), rate // 50
    return "".join(
        detector.hear(samples[at : at + size]) or "" for at in range(shift, samples.size - size + 1, size)
    )  # fmt: skip


def sequence(keys, rate=8000, gain=1.0, noise=0.0):
    parts = []
    for key in keys:
        parts += [tone(key, 0, rate * 8 // 100, rate), np.zeros(rate * 8 // 100, np.int16)]
    samples = np.concatenate(parts) * gain + np.random.default_rng(1).normal(0, noise, sum(map(len, parts)))
    return np.clip(samples, -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("shift", [0, 37, 90])
def test_every_key_is_heard_once(rate, shift):
    assert hear(sequence(EVENTS, rate), rate, shift) == EVENTS


def test_keys_come_through_g711_noise_and_a_weak_line():
    quiet = sequence(EVENTS, gain=0.1, noise=40)
    assert hear(decode_mulaw(encode_mulaw(quiet))) == EVENTS


def test_speech_and_noise_press_no_keys():
    assert hear(decode_mulaw(SPEECH)) == ""
    noise = np.random.default_rng(2).normal(0, 4000, 8000 * 60).astype(np.int16)
    assert hear(noise) == ""


def test_one_tone_alone_or_a_dial_tone_is_no_key():
    time = np.arange(8000) / 8000
    for tones in ((697,), (1209,), (350, 440), (697, 770), (440, 480)):
        samples = sum(8000 * np.sin(2 * np.pi * each * time) for each in tones).astype(np.int16)
        assert hear(samples) == ""


def test_a_short_click_is_no_key():
    samples = np.zeros(1600, np.int16)
    samples[200:360] = tone("5", 0, 160, 8000)
    assert hear(samples) == ""
