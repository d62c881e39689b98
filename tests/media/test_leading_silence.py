import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.audio import MULAW_8K, PCM_8K, AudioFormat
from dialtone.media.convert import encode
from dialtone.media.leading_silence import LeadingSilence

QUIET = np.full(1600, 20, np.int16)
LOUD = (np.sin(np.arange(800)) * 8000).astype(np.int16)


@pytest.mark.parametrize("audio", [PCM_8K, MULAW_8K])
def test_all_but_the_last_moment_of_silence_is_cut(audio: AudioFormat) -> None:
    cut = LeadingSilence(audio).process(encode(np.concatenate([QUIET, LOUD]), audio))
    assert len(cut) // audio.sample_bytes == pytest.approx(len(LOUD) + 160, abs=3)
    assert cut.endswith(encode(LOUD[10:], audio))


def test_silence_inside_the_speech_stays() -> None:
    speech = encode(np.concatenate([LOUD, QUIET, LOUD]), PCM_8K)
    assert LeadingSilence(PCM_8K).process(speech)[-len(speech) + 8 :] == speech[8:]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_the_cut_is_the_same_however_the_stream_is_split(sizes: list[int]) -> None:
    speech = encode(np.concatenate([QUIET, LOUD]), PCM_8K)
    whole = LeadingSilence(PCM_8K).process(speech)
    cutter, split, start = LeadingSilence(PCM_8K), b"", 0
    for size in [*sizes, len(speech)]:
        split += cutter.process(speech[start : start + 2 * size])
        start += 2 * size
    assert split == whole
