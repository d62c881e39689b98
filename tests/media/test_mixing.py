import numpy as np
import pytest

from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_24K, AudioFormat
from dialtone.media.convert import decode, encode
from dialtone.media.mixing import FADE_FRAMES, LoopMixer
from dialtone.media.samples import Samples, rms_dbfs


def noise(size: int, peak: int = 8000) -> Samples:
    return np.random.default_rng(1).integers(-peak, peak, size).astype(np.int16)


def faded_in(loop: Samples, volume: float, audio: AudioFormat) -> LoopMixer:
    """A mixer whose fade is over and that stands at the start of the loop again."""
    mixer = LoopMixer(loop, volume, audio, start=-FADE_FRAMES * audio.sample_rate // 50)
    for _ in range(FADE_FRAMES):
        mixer.next_frame(None)
    return mixer


@pytest.mark.parametrize("audio", [MULAW_8K, PCM_8K, PCM_24K])
def test_every_frame_lasts_20_ms_with_and_without_speech(audio: AudioFormat) -> None:
    mixer = LoopMixer(noise(5000), 0.3, audio)
    assert len(mixer.next_frame(None)) == audio.frame_bytes
    assert len(mixer.next_frame(bytes(audio.frame_bytes))) == audio.frame_bytes


def test_the_loop_goes_round_without_losing_a_sample() -> None:
    loop = noise(401)
    mixer = faded_in(loop, 1.0, PCM_8K)
    sent = np.concatenate([decode(mixer.next_frame(None), PCM_8K) for _ in range(20)])
    assert sent.tolist() == np.resize(loop, sent.size).tolist()


def test_speech_and_loop_are_added() -> None:
    loop, speech = noise(160), np.arange(-8000, 8000, 100, dtype=np.int16)
    mixed = decode(faded_in(loop, 0.5, PCM_8K).next_frame(encode(speech, PCM_8K)), PCM_8K)
    assert mixed.tolist() == (speech + (loop >> 1)).tolist()


def test_a_sum_beyond_the_range_stays_at_the_limit() -> None:
    for extreme in (32767, -32768):
        both = np.full(160, extreme, np.int16)
        mixed = decode(faded_in(both, 1.0, PCM_8K).next_frame(encode(both, PCM_8K)), PCM_8K)
        assert set(mixed.tolist()) == {extreme}


def test_mulaw_is_mixed_as_sound_not_as_bytes() -> None:
    loop, speech = np.full(160, 1000, np.int16), np.full(160, 2000, np.int16)
    mixed = decode(faded_in(loop, 1.0, MULAW_8K).next_frame(encode(speech, MULAW_8K)), MULAW_8K)
    assert mixed.mean() == pytest.approx(3000, rel=0.05)


def test_the_volume_scales_the_loop_and_only_the_loop() -> None:
    loop = noise(160)
    levels = [rms_dbfs(decode(faded_in(loop, volume, PCM_8K).next_frame(None), PCM_8K)) for volume in (0.05, 0.3, 1)]
    assert levels[1] - levels[0] == pytest.approx(20 * np.log10(6), abs=0.1)
    assert levels[2] - levels[1] == pytest.approx(20 * np.log10(1 / 0.3), abs=0.1)
    speech = noise(160)
    quiet = decode(faded_in(np.zeros(160, np.int16), 0.05, PCM_8K).next_frame(encode(speech, PCM_8K)), PCM_8K)
    assert quiet.tolist() == speech.tolist()


def test_the_loop_comes_in_over_a_second() -> None:
    mixer = LoopMixer(np.full(160, 10000, np.int16), 1.0, PCM_8K)
    levels = [int(decode(mixer.next_frame(None), PCM_8K)[0]) for _ in range(60)]
    assert levels[0] <= 200
    assert levels == sorted(levels)
    assert levels[49:] == [10000] * 11
