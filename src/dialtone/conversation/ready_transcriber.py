"""A transcriber whose first stream is connected ahead of time."""

import asyncio
from collections.abc import Callable

from dialtone.conversation.voice import Spawn
from dialtone.media.audio import AudioFormat
from dialtone.providers.base import ProviderError, SpeechToText, TranscriptEvent, TranscriptStream


class ReadyTranscriber:
    """A `SpeechToText`. Whoever opens the first stream gets the one that is there, if it still is."""

    def __init__(self, vendor: SpeechToText) -> None:
        self.name = vendor.name
        self.input_format = vendor.input_format
        self._vendor = vendor
        self._early: _EarlyStream | None = None

    def connect(self, audio: AudioFormat, spawn: Spawn) -> None:
        """Begin to connect. What goes wrong shows when the stream is opened."""
        self._early = _EarlyStream(self._vendor, audio)
        self._early.connecting = spawn(self._early.connect())

    async def open(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> TranscriptStream:
        """See `SpeechToText.open`."""
        early = self._early
        if early is not None and early.connecting is not None:
            await asyncio.wait([early.connecting])
            if early is self._early:
                self._early = None
                stream, early.stream = early.stream, None
                if stream is not None and early.audio == audio:
                    early.on_event, early.on_lost = on_event, on_lost
                    return stream
                if stream is not None:
                    await stream.close()
        return await self._vendor.open(audio, on_event, on_lost)

    async def close(self) -> None:
        """Close a stream that nobody has opened. Idempotent."""
        early, self._early = self._early, None
        if early is not None:
            await early.close()


class _EarlyStream:
    def __init__(self, vendor: SpeechToText, audio: AudioFormat) -> None:
        self._vendor = vendor
        self.audio = audio
        self.connecting: asyncio.Task[None] | None = None
        self.stream: TranscriptStream | None = None
        """None also where it was lost before anybody wanted it."""
        self.on_event: Callable[[TranscriptEvent], None] | None = None
        self.on_lost: Callable[[ProviderError], None] | None = None

    async def connect(self) -> None:
        try:
            self.stream = await self._vendor.open(self.audio, self._told, self._lost)
        except ProviderError:
            return

    async def close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.close()

    def _told(self, event: TranscriptEvent) -> None:
        if self.on_event is not None:
            self.on_event(event)

    def _lost(self, error: ProviderError) -> None:
        if self.on_lost is not None:
            self.on_lost(error)
        else:
            self.stream = None
