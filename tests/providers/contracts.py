"""What every vendor must do, whatever it is: one suite for each Protocol of `dialtone.providers.base`.

A test module subclasses a suite and gives its fixtures:

    class TestMine(SpeechToTextContract):
        @pytest.fixture
        def vendor(self): return MySpeechToText(...)
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_16K, PCM_24K, AudioFormat
from dialtone.providers.base import (
    Final,
    LanguageModel,
    Message,
    ProviderError,
    ReplyDone,
    ReplyEvent,
    SpeechChunk,
    SpeechToText,
    TextDelta,
    TextToSpeech,
    TranscriptEvent,
)

LINES = (MULAW_8K, PCM_8K, PCM_16K, PCM_24K)
TURN = (Message("system", "You are brief."), Message("user", "Hello there."))


class Heard:
    """Collects what a stream tells, and lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[TranscriptEvent] = []
        self.lost: list[ProviderError] = []
        self._changed = asyncio.Event()

    def on_event(self, event: TranscriptEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def on_lost(self, error: ProviderError) -> None:
        self.lost.append(error)
        self._changed.set()

    async def wait(self, count: int = 1, seconds: float = 5.0) -> list[TranscriptEvent]:
        """Wait until `count` events have come. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while len(self.events) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.events

    async def wait_lost(self, seconds: float = 5.0) -> ProviderError:
        async with asyncio.timeout(seconds):
            while not self.lost:
                self._changed.clear()
                await self._changed.wait()
        return self.lost[0]


async def collect(chunks: AsyncIterator[SpeechChunk]) -> list[SpeechChunk]:
    return [chunk async for chunk in chunks]


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """Import this fixture to have every test of a module checked for tasks it leaves behind."""
    yield
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if left:
        await asyncio.wait(left, timeout=1.0)
    assert [task for task in left if not task.done()] == []


class SpeechToTextContract:
    """Needs the fixture `vendor`, and `speech` where the vendor hears speech: its format and some audio with words."""

    @pytest.fixture
    def speech(self) -> tuple[AudioFormat, bytes]:
        return MULAW_8K, b"\xff" * 16000

    def test_it_names_a_format_for_every_line(self, vendor: SpeechToText) -> None:
        for line in LINES:
            chosen = vendor.input_format(line)
            assert vendor.input_format(chosen) == chosen

    async def test_speech_gives_a_final(self, vendor: SpeechToText, speech: tuple[AudioFormat, bytes]) -> None:
        audio, spoken = speech
        heard = Heard()
        stream = await vendor.open(audio, heard.on_event, heard.on_lost)
        for start in range(0, len(spoken), audio.frame_bytes):
            stream.send(spoken[start : start + audio.frame_bytes])
        async with asyncio.timeout(10):
            while not any(isinstance(event, Final) and event.text for event in heard.events):
                await heard.wait(len(heard.events) + 1)
        for event in heard.events:
            if isinstance(event, Final):
                assert 0 <= event.start <= event.end <= audio.seconds(len(spoken)) + 0.1
        await stream.close()

    async def test_closing_twice_and_sending_afterwards_is_harmless(
        self, vendor: SpeechToText, speech: tuple[AudioFormat, bytes]
    ) -> None:
        audio, spoken = speech
        heard = Heard()
        stream = await vendor.open(audio, heard.on_event, heard.on_lost)
        stream.send(spoken)
        await stream.close()
        count = len(heard.events)
        stream.send(spoken)
        await stream.close()
        assert len(heard.events) == count
        assert heard.lost == []


class LanguageModelContract:
    """Needs the fixture `vendor`: a model that answers `TURN` with some text."""

    async def test_a_reply_is_text_and_then_its_end(self, vendor: LanguageModel) -> None:
        await vendor.connect()
        events: list[ReplyEvent] = [event async for event in vendor.reply(TURN, ())]
        assert isinstance(events[-1], ReplyDone)
        assert sum(isinstance(event, ReplyDone) for event in events) == 1
        assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip()

    async def test_a_reply_can_be_dropped_in_the_middle(self, vendor: LanguageModel) -> None:
        reply = vendor.reply(TURN, ())
        await anext(reply)
        close = getattr(reply, "aclose")  # noqa: B009
        await close()
        with pytest.raises(StopAsyncIteration):
            await anext(reply)


class TextToSpeechContract:
    """Needs the fixture `vendor`."""

    async def test_each_line_gets_audio_of_whole_samples(self, vendor: TextToSpeech) -> None:
        for line in LINES:
            audio = vendor.output_format(line)
            session = await vendor.open(audio)
            utterance = session.speak()
            utterance.push("Hello there.")
            utterance.finish()
            chunks = await collect(utterance.__aiter__())
            assert 0.2 < audio.seconds(sum(len(chunk.audio) for chunk in chunks)) < 5
            assert all(len(chunk.audio) % audio.sample_bytes == 0 for chunk in chunks)
            await session.close()

    async def test_characters_add_up_to_the_text(self, vendor: TextToSpeech) -> None:
        session = await vendor.open(vendor.output_format(MULAW_8K))
        utterance = session.speak()
        texts = ["Hello there.", " How are you? ", "I am fine, thanks."]
        for text in texts:
            utterance.push(text)
        utterance.finish()
        chunks = await collect(utterance.__aiter__())
        assert sum(chunk.characters for chunk in chunks) == pytest.approx(sum(map(len, texts)))
        assert all(chunk.characters >= 0 for chunk in chunks)
        await session.close()

    async def test_an_utterance_without_text_ends_at_once(self, vendor: TextToSpeech) -> None:
        session = await vendor.open(vendor.output_format(MULAW_8K))
        utterance = session.speak()
        utterance.finish()
        assert await collect(utterance.__aiter__()) == []
        await session.close()

    async def test_cancel_ends_the_utterance_and_leaves_the_next_alone(self, vendor: TextToSpeech) -> None:
        session = await vendor.open(vendor.output_format(MULAW_8K))
        first, second = session.speak(), session.speak()
        first.push("This is a long sentence that nobody will hear to its end.")
        second.push("But this one is heard.")
        second.finish()
        first.cancel()
        first.cancel()
        assert await collect(first.__aiter__()) == []
        assert sum(chunk.characters for chunk in await collect(second.__aiter__())) == pytest.approx(22)
        await session.close()

    async def test_closing_the_session_ends_what_is_spoken(self, vendor: TextToSpeech) -> None:
        session = await vendor.open(vendor.output_format(MULAW_8K))
        utterance = session.speak()
        utterance.push("This is spoken while the call ends.")
        await session.close()
        await session.close()
        await asyncio.wait_for(collect(utterance.__aiter__()), 1)
        after = session.speak()
        after.push("Too late.")
        after.finish()
        assert await collect(after.__aiter__()) == []
