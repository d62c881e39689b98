"""The clips as a caller would judge them: no seam, four different places, at a level that leaves room for a voice."""

import asyncio
import threading
from functools import cache
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from dialtone.media import ambience
from dialtone.media.ambience import MAX_LOOPS, AmbienceLibrary, Clip, make_loop
from dialtone.media.samples import Samples, peak_dbfs, rms_dbfs

CLIPS: tuple[Clip, ...] = get_args(Clip)

kept = cache(make_loop)


def envelope(loop: Samples, pieces_per_second: int) -> NDArray[np.float64]:
    """Root-mean-square level of each piece of a 24 s loop."""
    pieces = loop.astype(np.float64).reshape(24 * pieces_per_second, -1)
    level: NDArray[np.float64] = np.sqrt((pieces**2).mean(axis=1))
    return level


def share(loop: Samples, sample_rate: int, low: float, high: float) -> float:
    """Of the loop's energy, what lies between `low` and `high` Hz."""
    power = np.abs(np.fft.rfft(loop.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(loop), 1 / sample_rate)
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum())


def jolt_at_end(loop: Samples) -> float:
    """How much a step where the end meets the start stands out. A step reaches into the topmost 1 % of the band, where
    the clips themselves have nothing but rounding; above 1, there is more of it here than in 90 % of the loop.
    """
    spectrum = np.fft.rfft(loop.astype(np.float64))
    spectrum[: int(0.99 * spectrum.size)] = 0
    rest = np.abs(np.fft.irfft(spectrum, len(loop)))
    return float(max(rest[-5:].max(), rest[:5].max()) / np.percentile(rest, 90))


@pytest.mark.parametrize("sample_rate", [8000, 24000])
@pytest.mark.parametrize("clip", CLIPS)
def test_the_end_of_a_loop_joins_its_start(clip: Clip, sample_rate: int) -> None:
    loop = kept(clip, sample_rate)
    assert jolt_at_end(loop) < 1
    assert jolt_at_end(loop[:-500]) > 3, "a loop that is cut short would not be noticed"


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000])
def test_a_loop_lasts_24_seconds_at_every_rate(sample_rate: int) -> None:
    assert len(kept("forest", sample_rate)) == 24 * sample_rate


@pytest.mark.parametrize("clip", CLIPS)
def test_a_loop_stays_under_the_level_of_speech_and_never_clips(clip: Clip) -> None:
    loop = kept(clip, 8000)
    assert -27 < rms_dbfs(loop) < -23
    assert peak_dbfs(loop) < -3
    assert 20 * np.log10(envelope(loop, 2).max() / 32768) < -18


def test_the_same_loop_comes_out_each_time() -> None:
    assert np.array_equal(make_loop("forest", 8000), kept("forest", 8000))


def test_a_place_sounds_the_same_at_every_rate() -> None:
    low, high = envelope(kept("city", 8000), 10), envelope(kept("city", 24000), 10)
    assert np.corrcoef(low, high)[0, 1] > 0.99


def test_each_place_has_its_own_character() -> None:
    loops = {clip: kept(clip, 8000) for clip in CLIPS}
    # Cars come and go, the air of an office is steady.
    swells = {clip: float(np.std(20 * np.log10(envelope(loop, 2)))) for clip, loop in loops.items()}
    assert swells["city"] > 2
    assert swells["office"] < 1
    # Birds and leaves are the brightest.
    bright = {clip: share(loop, 8000, 2000, 4000) for clip, loop in loops.items()}
    assert max(bright, key=bright.__getitem__) == "forest"
    # Voices live where the vowels' formants are, engines and air below.
    voiced = {clip: share(loop, 8000, 300, 1200) for clip, loop in loops.items()}
    assert max(voiced, key=voiced.__getitem__) == "crowded_room"
    # Keys are short and sharp.
    clicks = {clip: float(np.abs(np.diff(loop.astype(int), 2)).max() / loop.std()) for clip, loop in loops.items()}
    assert max(clicks, key=clicks.__getitem__) == "office"


def test_a_loop_is_made_once_in_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made_on: list[int] = []

    def make(clip: Clip, sample_rate: int) -> Samples:
        made_on.append(threading.get_ident())
        return np.zeros(sample_rate, np.int16)

    async def ask() -> list[Samples]:
        library = AmbienceLibrary()
        return await asyncio.gather(*(library.loop("office", 8000) for _ in range(5)))

    monkeypatch.setattr(ambience, "make_loop", make)
    loops = asyncio.run(ask())
    assert len(made_on) == 1
    assert made_on[0] != threading.get_ident()
    assert all(loop is loops[0] for loop in loops)


def test_a_failure_is_told_and_the_next_one_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [MemoryError()]

    def make(clip: Clip, sample_rate: int) -> Samples:
        if failures:
            raise failures.pop()
        return np.zeros(sample_rate, np.int16)

    async def ask() -> Samples:
        library = AmbienceLibrary()
        with pytest.raises(MemoryError):
            await library.loop("office", 8000)
        return await library.loop("office", 8000)

    monkeypatch.setattr(ambience, "make_loop", make)
    assert len(asyncio.run(ask())) == 8000


def test_the_library_keeps_what_was_used_last_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make(clip: Clip, sample_rate: int) -> Samples:
        made.append(sample_rate)
        return np.zeros(1, np.int16)

    async def ask() -> None:
        library = AmbienceLibrary()
        for sample_rate in [*range(MAX_LOOPS), 0, MAX_LOOPS, 0, 1]:
            await library.loop("office", sample_rate)

    monkeypatch.setattr(ambience, "make_loop", make)
    asyncio.run(ask())
    assert made == [*range(MAX_LOOPS), MAX_LOOPS, 1]
