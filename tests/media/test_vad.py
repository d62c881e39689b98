"""Speech in these tests is `speech_8k.ulaw`: one sentence spoken by espeak-ng, G.711 mu-law."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_16K
from dialtone.media.g711 import decode_mulaw, encode_mulaw
from dialtone.media.vad import MAX_BATCH, RATE, WINDOW, WINDOW_SECONDS, VoiceDetector
from dialtone.media.vad_gate import HANG_WINDOWS, EnergyGate, loudest_parts_dbfs

SPEECH = decode_mulaw((Path(__file__).parent / "speech_8k.ulaw").read_bytes()).astype(float)
LEAD, TAIL = 1.2, 1.2


def scene(speech_dbfs, noise_dbfs, seed=0):
    """Silence, the sentence, silence, over white noise. Gives the samples and the seconds of speech's start and end."""
    loud = np.flatnonzero(np.abs(SPEECH) > 0.03 * np.abs(SPEECH).max())
    speech = SPEECH * 32768 * 10 ** (speech_dbfs / 20) / np.sqrt(np.mean(SPEECH[loud] ** 2))
    samples = np.concatenate((np.zeros(int(LEAD * RATE)), speech, np.zeros(int(TAIL * RATE))))
    samples += np.random.default_rng(seed).normal(0, 32768 * 10 ** (noise_dbfs / 20), samples.size)
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16), LEAD + loud[0] / RATE, LEAD + loud[-1] / RATE


class Listener:
    def __init__(self):
        self.windows = []
        self._wanted = 0
        self._reached = asyncio.Event()

    def __call__(self, voiced, seconds):
        self.windows.append((voiced, seconds))
        if len(self.windows) >= self._wanted:
            self._reached.set()

    async def reached(self, windows):
        """Waits until that many windows were reported."""
        self._wanted = windows
        if len(self.windows) < windows:
            self._reached.clear()
            await self._reached.wait()

    @property
    def voiced(self):
        return [seconds for voiced, seconds in self.windows if voiced]


async def hear(detector, samples, chunk=WINDOW):
    """Pushes live: what is complete is judged before more comes."""
    listener = Listener()
    channel = detector.open(PCM_8K, listener)
    for start in range(0, samples.size, chunk):
        channel.push(samples[start : start + chunk].tobytes())
        await listener.reached(min(start + chunk, samples.size) // WINDOW)
    channel.close()
    return listener


@pytest.fixture(scope="module")
def detector():
    return VoiceDetector()


@pytest.fixture(scope="module")
def ungated():
    return VoiceDetector(gate=False)


@pytest.mark.parametrize("speech_dbfs", [-9, -20, -30])
@pytest.mark.parametrize("noise_dbfs", [-90, -45])
async def test_speech_is_found_where_it_is_and_the_gate_costs_at_most_one_window(
    detector, ungated, speech_dbfs, noise_dbfs
):
    samples, start, end = scene(speech_dbfs, noise_dbfs)
    before = detector.windows_heard
    gated, plain = await hear(detector, samples), await hear(ungated, samples)
    assert [seconds for _, seconds in gated.windows] == [seconds for _, seconds in plain.windows]
    for heard in (gated, plain):
        assert start < heard.voiced[0] < start + 0.2
        assert end - 0.1 < heard.voiced[-1] < end + 0.45
    assert gated.voiced[0] <= plain.voiced[0] + WINDOW_SECONDS
    assert gated.voiced[-1] >= plain.voiced[-1] - WINDOW_SECONDS
    assert detector.windows_heard - before < 0.9 * len(gated.windows)


async def test_noise_alone_is_no_voice_and_soon_costs_nothing(detector):
    noise = np.random.default_rng(2).normal(0, 300, 20 * RATE).astype(np.int16)
    before = detector.windows_heard
    assert (await hear(detector, noise)).voiced == []
    assert detector.windows_heard - before < 2 * HANG_WINDOWS


async def test_channels_in_one_batch_hear_only_themselves(detector, ungated):
    """More channels than a batch holds, all pushed at once in a burst: each result is that of a lone channel."""
    speech, _, _ = scene(-20, -60)
    noise = np.random.default_rng(3).normal(0, 100, speech.size).astype(np.int16)
    lone = await hear(ungated, speech)
    listeners = [Listener() for _ in range(MAX_BATCH + 10)]
    channels = [ungated.open(PCM_8K, listener) for listener in listeners]
    for start in range(0, speech.size, 64 * WINDOW):
        end = min(start + 64 * WINDOW, speech.size)
        for index, channel in enumerate(channels):
            channel.push((noise if index % 2 else speech)[start:end].tobytes())
        for listener in listeners:
            await listener.reached(end // WINDOW)
    for index, (channel, listener) in enumerate(zip(channels, listeners, strict=True)):
        assert listener.voiced == ([] if index % 2 else lone.voiced)
        channel.close()
    assert ungated.open_channels == 0


async def test_a_burst_gives_the_same_as_live_audio_in_order(ungated):
    samples, _, _ = scene(-20, -60)
    samples = samples[: 120 * WINDOW]
    live = await hear(ungated, samples)
    listener = Listener()
    channel = ungated.open(PCM_8K, listener)
    channel.push(samples.tobytes())
    await listener.reached(120)
    channel.close()
    assert listener.windows == live.windows


async def test_a_flood_is_bounded_and_every_window_still_reported(ungated):
    listener = Listener()
    channel = ungated.open(PCM_8K, listener)
    before = ungated.windows_heard
    channel.push(np.zeros(1000 * WINDOW, np.int16).tobytes())
    await listener.reached(1000)
    channel.close()
    assert ungated.windows_heard - before == 128
    assert [seconds for _, seconds in listener.windows] == sorted(seconds for _, seconds in listener.windows)


@pytest.mark.parametrize("chunk", [1, 160, 255, 257, 5000])
async def test_the_size_of_chunks_does_not_matter(ungated, chunk):
    samples, start, _ = scene(-20, -60)
    samples = samples[int(start * RATE) - 3000 :][: 40 * WINDOW]
    assert (await hear(ungated, samples, chunk)).windows == (await hear(ungated, samples)).windows


async def test_mu_law_is_heard_as_its_samples_are(ungated):
    samples, start, _ = scene(-20, -60)
    encoded = encode_mulaw(samples[int(start * RATE) - 3000 :][: 60 * WINDOW])
    told = {}
    for audio, pushed in ((MULAW_8K, encoded), (PCM_8K, decode_mulaw(encoded).tobytes())):
        listener = Listener()
        channel = ungated.open(audio, listener)
        channel.push(pushed)
        await listener.reached(60)
        channel.close()
        told[audio.encoding] = listener.windows
    assert told["mulaw"] == told["pcm_s16le"]


def test_only_8_khz_is_taken(detector):
    with pytest.raises(ValueError, match="16000"):
        detector.open(PCM_16K, print)


async def test_a_closed_channel_is_silent_and_its_place_is_clean_for_the_next(ungated):
    speech, start, _ = scene(-20, -90)
    told = []
    channel = ungated.open(PCM_8K, lambda *window: told.append(window))
    channel.push(speech[int(start * RATE) : int(start * RATE) + 100 * WINDOW].tobytes())
    channel.close()
    channel.close()
    channel.push(speech.tobytes())
    listener = await hear(ungated, np.zeros(WINDOW * 20, np.int16))
    assert told == []
    assert listener.voiced == []


async def test_closing_from_the_callback_and_failing_listeners_harm_nobody(ungated):
    silence = np.zeros(WINDOW * 10, np.int16)
    told = []

    def close_at_second(_voiced, seconds):
        told.append(seconds)
        if len(told) == 2:
            closing.close()

    def fail(_voiced, _seconds):
        raise RuntimeError("broken listener")

    closing = ungated.open(PCM_8K, close_at_second)
    failing = ungated.open(PCM_8K, fail)
    for channel in (closing, failing):
        channel.push(silence.tobytes())
    await hear(ungated, silence)
    assert told == [WINDOW_SECONDS, 2 * WINDOW_SECONDS]
    failing.close()


def test_the_level_of_a_window_is_that_of_its_loudest_quarter():
    window = np.zeros(256, np.int16)
    window[192:] = -3277
    assert loudest_parts_dbfs(window[None])[0] == pytest.approx(-20, abs=0.01)
    assert loudest_parts_dbfs(np.full((1, 256), -32768, np.int16))[0] == pytest.approx(0, abs=0.01)
    assert loudest_parts_dbfs(np.zeros((1, 256), np.int16))[0] < -100


def test_the_gate_opens_at_once_and_closes_after_its_hang():
    gate = EnergyGate()
    assert gate.admits(-60, False)
    gate.learn(-60)
    for _ in range(HANG_WINDOWS):
        assert gate.admits(-60, False)
    assert not gate.admits(-58, False)
    assert gate.admits(-50, False)
    assert all(gate.admits(-60, True) for _ in range(100))
    assert [gate.admits(-60, False) for _ in range(HANG_WINDOWS + 1)] == [True] * HANG_WINDOWS + [False]


def test_the_gate_follows_a_floor_that_rises_and_falls():
    gate = EnergyGate()
    gate.learn(-60)
    for _ in range(200):
        gate.learn(-45)
    for _ in range(HANG_WINDOWS):
        gate.admits(-45, False)
    assert not gate.admits(-41, False)
    for _ in range(20):
        gate.learn(-65)
    assert gate.admits(-57, False)
