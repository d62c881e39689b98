"""Speech-to-text streams over a pool of local recognising workers, whatever recogniser they run."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from dialtone.media.audio import PCM_16K, AudioFormat
from dialtone.providers.base import Final, Interim, ProviderError, TranscriptEvent
from dialtone.providers.local.pool import WorkerPool
from dialtone.providers.local.worker import MAX_UNSENT_BYTES, Channel

logger = logging.getLogger(__name__)

OPEN_SECONDS = 30.0
"""A worker that is busy loading another model answers late."""


class LocalTranscriptStream:
    """Implements `TranscriptStream`."""

    def __init__(
        self, provider: str, on_event: Callable[[TranscriptEvent], None], on_lost: Callable[[ProviderError], None]
    ) -> None:
        self._provider = provider
        self._on_event = on_event
        self._on_lost = on_lost
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._channel: Channel | None = None
        self._over = False

    async def start(self, pool: WorkerPool, request: dict[str, Any]) -> None:
        """Get a worker and have it open the stream. Raises `ProviderError`."""
        self._channel = await pool.channel(self._on_message, lambda audio: None, self._fail)
        self._channel.send(type="open", **request)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._opened
        except TimeoutError:
            await self.close()
            raise ProviderError(self._provider, f"its worker did not answer within {OPEN_SECONDS:.0f} s") from None
        except BaseException:
            await self.close()
            raise

    def _on_message(self, message: dict[str, Any]) -> None:
        if self._over:
            return
        match message["type"]:
            case "interim":
                self._on_event(Interim(message["text"]))
            case "final":
                self._on_event(Final(message["text"], message["start"], message["end"]))
            case "opened":
                for note in message["notes"]:
                    logger.info("%s: %s", self._provider, note)
                if not self._opened.done():
                    self._opened.set_result(None)
            case "error":
                self._fail(ProviderError(self._provider, message["message"], retryable=not message["permanent"]))

    def _fail(self, error: ProviderError) -> None:
        if self._over:
            return
        if not self._opened.done():
            self._opened.set_exception(error)
            return
        self._over = True
        if self._channel is not None:
            self._channel.close()
        self._on_lost(error)

    def send(self, audio: bytes) -> None:
        if self._over or self._channel is None:
            return
        if self._channel.unsent_bytes > MAX_UNSENT_BYTES:
            self._fail(ProviderError(self._provider, "this machine is too slow to recognise so many calls at once"))
            return
        self._channel.send_audio(audio)

    async def close(self) -> None:
        self._over = True
        if self._channel is not None:
            self._channel.close()


class LocalSpeechToText:
    """Implements `SpeechToText`: the streams of one assistant, each opened with the same `request`."""

    def __init__(self, name: str, get_pool: Callable[[], WorkerPool], request: dict[str, Any]) -> None:
        self.name = name
        self._get_pool = get_pool
        self._request = request

    def input_format(self, line: AudioFormat) -> AudioFormat:
        return PCM_16K

    async def open(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> LocalTranscriptStream:
        if audio != PCM_16K:
            raise ProviderError(self.name, f"takes 16 kHz PCM only (got {audio})", retryable=False)
        stream = LocalTranscriptStream(self.name, on_event, on_lost)
        await stream.start(self._get_pool(), self._request)
        return stream
