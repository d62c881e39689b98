import asyncio
import os
import signal

import pytest

from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_24K, AudioFormat
from dialtone.providers import local
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors
from dialtone.providers.local.espeak import MODULE
from dialtone.providers.local.pool import WorkerPool
from dialtone.providers.local.pools import shared_pool
from tests.providers.local.conftest import speak

CONFIG = {"provider": "local", "model": "espeak-ng", "voice_id": "en-us"}
SENTENCES = ["Hello, this is Luigi's restaurant. ", "How can I help you today?"]
SECONDS = 20


def pool() -> WorkerPool:
    """The running pool of espeak-ng workers."""

    def none_yet() -> WorkerPool:
        raise AssertionError("no espeak-ng worker was started")

    return shared_pool((MODULE,), none_yet)


@pytest.mark.parametrize("audio", [MULAW_8K, PCM_8K, PCM_24K])
async def test_speaks_in_the_format_of_the_line(vendors: Vendors, audio: AudioFormat) -> None:
    vendor = local.text_to_speech(CONFIG, vendors)
    assert vendor.output_format(audio) == audio
    chunks = await speak(vendor, SENTENCES, audio)
    seconds = audio.seconds(sum(len(chunk.audio) for chunk in chunks))
    assert 2.0 < seconds < 6.0
    assert len(chunks) > 10


async def test_characters_follow_the_words_and_add_up_at_sentence_ends(vendors: Vendors) -> None:
    chunks = await speak(local.text_to_speech(CONFIG, vendors), SENTENCES, PCM_8K)
    reached, marks = 0.0, []
    for chunk in chunks:
        assert chunk.characters >= 0
        reached += chunk.characters
        marks.append(reached)
    assert reached == len("".join(SENTENCES))
    assert len(SENTENCES[0]) in marks
    assert "Hello".index("o") + 1 in marks


async def test_first_audio_is_sent_before_the_second_sentence_is_pushed(vendors: Vendors) -> None:
    session = await local.text_to_speech(CONFIG, vendors).open(PCM_8K)
    utterance = session.speak()
    utterance.push(SENTENCES[0])
    chunks = aiter(utterance)
    async with asyncio.timeout(SECONDS):
        assert (await anext(chunks)).audio
    utterance.push(SENTENCES[1])
    utterance.finish()
    assert sum([chunk.characters async for chunk in chunks]) > len(SENTENCES[1])
    await session.close()


async def test_speed_and_language_change_the_voice(vendors: Vendors) -> None:
    async def seconds(**change: object) -> float:
        chunks = await speak(local.text_to_speech({**CONFIG, **change}, vendors), ["Good morning everybody."], PCM_8K)
        return PCM_8K.seconds(sum(len(chunk.audio) for chunk in chunks))

    normal = await seconds()
    assert await seconds(speed=1.6) < 0.8 * normal
    assert await seconds(speed=0.6) > 1.2 * normal
    assert await seconds(voice_id="nl") != normal
    by_language = local.text_to_speech({"model": "espeak-ng", "language": "de"}, vendors)
    assert by_language.cache_key == local.text_to_speech({**CONFIG, "voice_id": "de"}, vendors).cache_key


async def test_twenty_utterances_at_once_are_each_whole(vendors: Vendors) -> None:
    vendor = local.text_to_speech(CONFIG, vendors)
    texts = [f"This is caller number {number}." for number in range(20)]
    results = await asyncio.gather(*(speak(vendor, [text], PCM_8K) for text in texts))
    for text, chunks in zip(texts, results, strict=True):
        assert sum(chunk.characters for chunk in chunks) == len(text)
        assert sum(len(chunk.audio) for chunk in chunks) > PCM_8K.bytes_per_second
    assert len(pool().process_ids) <= 4


async def test_cancel_ends_the_utterance_and_leaves_the_worker_to_others(vendors: Vendors) -> None:
    vendor = local.text_to_speech(CONFIG, vendors)
    session = await vendor.open(PCM_8K)
    utterance = session.speak()
    utterance.push("A very long sentence that goes on and on, " * 40)
    chunks = aiter(utterance)
    await anext(chunks)
    utterance.cancel()
    utterance.cancel()
    async with asyncio.timeout(SECONDS):
        assert [chunk async for chunk in chunks] == []
    assert await speak(vendor, SENTENCES, PCM_8K)
    await session.close()


async def test_closing_the_session_ends_an_utterance_that_waits_for_text(vendors: Vendors) -> None:
    session = await local.text_to_speech(CONFIG, vendors).open(PCM_8K)
    chunks = aiter(session.speak())
    waiting = asyncio.ensure_future(anext(chunks, None))
    await asyncio.sleep(0)
    await session.close()
    await session.close()
    async with asyncio.timeout(SECONDS):
        assert await waiting is None


async def test_a_killed_worker_fails_its_utterance_and_is_replaced(vendors: Vendors) -> None:
    vendor = local.text_to_speech(CONFIG, vendors)
    session = await vendor.open(PCM_8K)
    (before,) = pool().process_ids
    os.kill(before, signal.SIGSTOP)
    utterance = session.speak()
    utterance.push(SENTENCES[0])
    utterance.finish()
    first = asyncio.ensure_future(anext(aiter(utterance)))
    await asyncio.sleep(0)
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(SECONDS):
        with pytest.raises(ProviderError, match="worker process ended"):
            await first
    utterance = session.speak()
    utterance.push(SENTENCES[0])
    utterance.finish()
    assert sum([chunk.characters async for chunk in utterance]) == len(SENTENCES[0])
    assert before not in pool().process_ids
    await session.close()


async def test_an_unknown_voice_is_named(vendors: Vendors) -> None:
    vendor = local.text_to_speech({**CONFIG, "voice_id": "rachel"}, vendors)
    with pytest.raises(ProviderError, match="'rachel'") as raised:
        await vendor.open(PCM_8K)
    assert not raised.value.retryable


def test_the_cache_key_holds_what_changes_the_sound(vendors: Vendors) -> None:
    keys = {
        local.text_to_speech({**CONFIG, **change}, vendors).cache_key
        for change in ({}, {"voice_id": "nl"}, {"speed": 1.2}, {"voice_id": "en-us+f3"})
    }
    assert len(keys) == 4


def test_a_speed_out_of_range_is_refused(vendors: Vendors) -> None:
    with pytest.raises(ProviderError, match=r"speed must be from 0\.5 to 2\.0"):
        local.text_to_speech({**CONFIG, "speed": 3}, vendors)
