import numpy as np
import pytest

from dialtone.media.audio import MULAW_8K, PCM_16K
from dialtone.media.g711 import decode_alaw, decode_mulaw
from dialtone.media.resample import Resampler
from dialtone.media.rtp import codecs, opus
from tests.media.rtp.audio import SPEECH

FRAME = SPEECH[8000:8160]


def likeness(one, other):
    """Of two stretches of audio, however they are shifted against one another by up to 30 ms."""
    one, other = one.astype(float), other.astype(float)
    middle = one[500:-500]
    found = np.correlate(other, middle)
    energy = np.convolve(other**2, np.ones(middle.size), "valid")
    return (found / np.sqrt(np.maximum(energy, 1) * (middle @ middle))).max()


def test_mulaw_is_never_touched():
    codec = codecs.create("pcmu")
    assert codec.audio == MULAW_8K
    assert codec.decode(FRAME) is FRAME
    assert codec.encode(FRAME) is FRAME
    assert codec.duration(FRAME) == 160


def test_alaw_is_mulaw_on_the_line():
    codec = codecs.create("PCMA")
    payload = codec.encode(SPEECH)
    said = decode_mulaw(SPEECH).astype(float)
    for heard in (decode_alaw(payload), decode_mulaw(codec.decode(payload))):
        noise = heard.astype(float) - said
        assert 10 * np.log10((said @ said) / (noise @ noise)) > 35
    assert codecs.silent_payload(codec) == b"\xd5" * 160


def coded(name):
    codec = codecs.create(name)
    samples = Resampler(8000, 16000).process(decode_mulaw(SPEECH[:16000]))
    samples = samples[: samples.size // 320 * 320]
    decoded = b""
    for at in range(0, samples.size, 320):
        payload = codec.encode(samples[at : at + 320].tobytes())
        assert codec.duration(payload) == codec.clock_rate // 50
        decoded += codec.decode(payload)
    return samples, np.frombuffer(decoded, "<i2")


def test_g722_is_wideband_speech_in_eight_thousand_units():
    codec = codecs.create("G722")
    assert (codec.audio, codec.clock_rate) == (PCM_16K, 8000)
    samples, decoded = coded("G722")
    assert decoded.size == samples.size
    assert likeness(samples, decoded) > 0.98


def test_opus_tells_its_duration():
    # RFC 6716 section 3.1: SILK 20 ms; SILK 60 ms twice; CELT 2.5 ms; hybrid 10 ms; three of 40 ms; 64 of 60 ms.
    durations = [opus.duration(each) for each in (b"\x08", b"\x19", b"\x80", b"\x60", b"\x13\x03", b"\x1b\x3f", b"")]
    assert durations == [960, 5760, 120, 480, 5760, 0, 0]


def test_opus_speaks_sixteen_kilohertz():
    samples, decoded = coded("opus")
    assert abs(decoded.size - samples.size) < 700
    assert likeness(samples, decoded) > 0.9


def test_an_unknown_codec_is_refused_in_words():
    with pytest.raises(ValueError, match=r"'G729'.*PCMU"):
        codecs.create("G729")
    assert codecs.available()[:2] == ["PCMU", "PCMA"]
