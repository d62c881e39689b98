"""Text-to-speech sessions over a pool of local speaking workers, whatever synthesiser they run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from weakref import WeakSet

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import Converter
from dialtone.providers.base import ProviderError, SpeechChunk
from dialtone.providers.local.pool import WorkerPool

MAX_TEXT_CHARACTERS = 20_000
"""Of one pushed text; a worker's frame has to hold it."""


class _Synthesis:
    """One text being spoken by a worker: what came back, in order."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes | dict[str, Any] | ProviderError] = asyncio.Queue()
        self.on_message = self.on_audio = self.on_dead = self.arrived.put_nowait


async def request(pool: WorkerPool, provider: str, **fields: Any) -> AsyncGenerator[tuple[bytes, float, int], None]:
    """Send one request; yield (audio, characters reached, sample rate) until it is done. Raises `ProviderError`."""
    synthesis = _Synthesis()
    channel = await pool.channel(synthesis.on_message, synthesis.on_audio, synthesis.on_dead)
    try:
        channel.send(**fields)
        reached, rate = 0.0, 0
        while True:
            arrived = await synthesis.arrived.get()
            if isinstance(arrived, ProviderError):
                raise arrived
            if isinstance(arrived, bytes):
                yield arrived, reached, rate
            elif arrived["type"] == "at":
                reached, rate = arrived["characters"], arrived["sample_rate"]
            elif arrived["type"] == "error":
                raise ProviderError(provider, arrived["message"], retryable=not arrived["permanent"])
            else:
                return
    finally:
        channel.close()


class LocalUtterance:
    """Implements `Utterance`: each pushed text is one request, made when the one before has been taken."""

    def __init__(self, pool: WorkerPool, provider: str, audio: AudioFormat, settings: dict[str, Any]) -> None:
        self._pool = pool
        self._provider = provider
        self._audio = audio
        self._settings = settings
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._cancelled = asyncio.Event()

    def push(self, text: str) -> None:
        self._texts.put_nowait(text[:MAX_TEXT_CHARACTERS])
        if len(text) > MAX_TEXT_CHARACTERS:
            self.push(text[MAX_TEXT_CHARACTERS:])

    def finish(self) -> None:
        self._texts.put_nowait(None)

    def cancel(self) -> None:
        self._cancelled.set()

    def __aiter__(self) -> AsyncGenerator[SpeechChunk, None]:
        return self._until_cancelled()

    async def _until_cancelled(self) -> AsyncGenerator[SpeechChunk, None]:
        """The chunks, with every wait cut short by `cancel`."""
        chunks = self._chunks()
        cancelled = asyncio.create_task(self._cancelled.wait())
        upcoming: asyncio.Task[SpeechChunk | None] | None = None
        try:
            while not self._cancelled.is_set():
                upcoming = asyncio.create_task(anext(chunks, None))
                await asyncio.wait((upcoming, cancelled), return_when=asyncio.FIRST_COMPLETED)
                if self._cancelled.is_set():
                    return
                chunk = upcoming.result()
                if chunk is None:
                    return
                yield chunk
        finally:
            for task in (cancelled, upcoming):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for task in (cancelled, upcoming) if task), return_exceptions=True)
            await chunks.aclose()

    async def _chunks(self) -> AsyncGenerator[SpeechChunk, None]:
        while (text := await self._texts.get()) is not None:
            async with aclosing(self._speak(text)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _speak(self, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """One pushed text. What has no sound, such as a lone comma, counts with the last chunk."""
        converter: Converter | None = None
        counted = 0.0
        async with aclosing(request(self._pool, self._provider, type="speak", text=text, **self._settings)) as pieces:
            async for audio, reached, rate in pieces:
                if converter is None:
                    converter = Converter(AudioFormat("pcm_s16le", rate), self._audio)
                converted = converter.process(audio)
                if converted:
                    reached = max(counted, min(reached, len(text)))
                    yield SpeechChunk(converted, reached - counted)
                    counted = reached
        yield SpeechChunk(converter.flush() if converter else b"", len(text) - counted)


class LocalSpeechSession:
    """Implements `SpeechSession`."""

    def __init__(self, pool: WorkerPool, provider: str, audio: AudioFormat, settings: dict[str, Any]) -> None:
        self._pool = pool
        self._provider = provider
        self._audio = audio
        self._settings = settings
        self._utterances: WeakSet[LocalUtterance] = WeakSet()
        self._closed = False

    def speak(self) -> LocalUtterance:
        utterance = LocalUtterance(self._pool, self._provider, self._audio, self._settings)
        if self._closed:
            utterance.cancel()
        self._utterances.add(utterance)
        return utterance

    async def close(self) -> None:
        self._closed = True
        for utterance in list(self._utterances):
            utterance.cancel()
