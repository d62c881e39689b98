"""Two lines joined whose audio differs."""

import numpy as np
import pytest

from dialtone.conversation.bridge import WAITING_SECONDS, Bridge
from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_24K, AudioFormat
from dialtone.media.convert import decode, encode
from tests.conversation.desk import Desk
from tests.conversation.virtual_time import run

CALLER_HZ, DESK_HZ = 440, 1000


def tone(hz: int, audio: AudioFormat, seconds: float) -> bytes:
    times = np.arange(round(seconds * audio.sample_rate)) / audio.sample_rate
    return encode((8000 * np.sin(2 * np.pi * hz * times)).astype(np.int16), audio)


def loudest_hz(audio: bytes, audio_format: AudioFormat) -> float:
    samples = decode(audio, audio_format).astype(float)
    return float(np.abs(np.fft.rfft(samples)).argmax() * audio_format.sample_rate / len(samples))


@pytest.mark.parametrize("formats", [(MULAW_8K, PCM_24K), (PCM_24K, MULAW_8K), (PCM_8K, MULAW_8K)])
def test_each_hears_the_other_in_the_format_of_the_own_line(formats: tuple[AudioFormat, AudioFormat]) -> None:
    async def scenario() -> None:
        caller, other = Desk(audio=formats[0]), Desk(audio=formats[1])
        bridge = Bridge(caller, other, lambda note: None)
        bridge.join()
        from_caller, from_desk = tone(CALLER_HZ, caller.audio, 1.0), tone(DESK_HZ, other.audio, 1.0)
        heard = b""
        for frame in range(50):
            # A browser's audio comes in pieces of any length.
            half = caller.audio.frame_bytes // 2
            for start in (frame * 2 * half, (frame * 2 + 1) * half):
                bridge.hear(from_caller[start : start + half])
            size = other.audio.frame_bytes
            bridge.on_audio(from_desk[frame * size : (frame + 1) * size])
            heard += bridge.tick(0) or b""
        assert len(heard) >= 48 * caller.audio.frame_bytes
        assert loudest_hz(heard, caller.audio) == pytest.approx(DESK_HZ, abs=2)
        assert loudest_hz(b"".join(other.sent), other.audio) == pytest.approx(CALLER_HZ, abs=2)

    run(scenario())


def test_a_side_that_is_ahead_of_time_does_not_delay_the_talk() -> None:
    async def scenario() -> None:
        bridge = Bridge(Desk(), other := Desk(), lambda note: None)
        bridge.hear(bytes(8000))
        for _ in range(50):
            bridge.tick(0)
        assert len(other.sent) == round(WAITING_SECONDS * 50)

    run(scenario())
