from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_16K, PCM_24K
from dialtone.media.convert import Converter
from dialtone.media.g711 import decode_mulaw, encode_mulaw

FORMATS = (MULAW_8K, PCM_8K, PCM_16K, PCM_24K)


@pytest.mark.parametrize("audio", FORMATS)
def test_equal_formats_pass_the_same_object(audio):
    data = b"any\x00thing"
    assert Converter(audio, audio).process(data) is data
    assert Converter(audio, audio).flush() == b""


def test_the_same_rate_only_changes_the_encoding():
    codes = bytes(range(256))
    pcm = decode_mulaw(codes).tobytes()
    assert Converter(MULAW_8K, PCM_8K).process(codes) == pcm
    assert Converter(PCM_8K, MULAW_8K).process(pcm) == encode_mulaw(decode_mulaw(codes))


@given(
    source=st.sampled_from(FORMATS),
    target=st.sampled_from(FORMATS),
    data=st.binary(max_size=2000),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_chunks_may_be_cut_anywhere(source, target, data, cuts):
    data = data[: len(data) // source.sample_bytes * source.sample_bytes]
    whole, cut = Converter(source, target), Converter(source, target)
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    pieces = b"".join(cut.process(data[a:b]) for a, b in pairwise(edges))
    assert pieces + cut.flush() == whole.process(data) + whole.flush()


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_a_second_stays_a_second(source, target):
    converter = Converter(source, target)
    out = b"".join(converter.process(bytes(source.frame_bytes)) for _ in range(50)) + converter.flush()
    assert target.seconds(len(out)) == 1.0


def test_a_tone_survives_the_way_to_a_model_and_back():
    tone = np.rint(8000 * np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000)).astype(np.int16)
    up, down = Converter(MULAW_8K, PCM_24K), Converter(PCM_24K, MULAW_8K)
    wide = up.process(encode_mulaw(tone)) + up.flush()
    back = decode_mulaw(down.process(wide) + down.flush()).astype(float)
    assert back.size == tone.size
    error = (back - tone)[400:-400]
    assert 20 * np.log10(np.linalg.norm(tone[400:-400]) / np.linalg.norm(error)) > 30
