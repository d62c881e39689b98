"""The caller's audio in; voice activity and transcript out. A transcriber that dies is replaced, its words not lost."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from dialtone.media.audio import PCM_8K, AudioFormat
from dialtone.media.convert import Converter
from dialtone.providers.base import Final, Interim, ProviderError, SpeechToText, TranscriptEvent, TranscriptStream

REPLAY_SECONDS = 30.0
"""Audio since the last final transcript that is kept for a new stream, at most."""
FORGET_WINDOWS = 32
"""While the caller is silent, what no new stream needs any more is forgotten once in so many windows (1 s)."""
TOLD_UNVOICED_WINDOWS = 40
"""Windows without a voice that are told in a row (1.3 s); whoever listens has drawn every conclusion by then."""
REPLAY_OVERLAP = 0.1
"""Seconds before the end of the last final transcript that a new stream hears again."""
REPLAY_SILENCE = 2.0
"""Seconds kept for a new stream while the caller is silent and no word is open."""
REPLAY_PIECES = 50
REPLAY_PAUSE = 0.02
"""A new stream is given this many frames at a time, with this pause in seconds between: fifty times as fast as life."""
RECONNECT_DELAYS = (0.0, 0.3, 0.8, 2.0, 4.0)
"""Seconds before each try to replace a lost stream. They start over once a stream has told something."""


class VoiceChannel(Protocol):
    """See `dialtone.media.vad`."""

    def push(self, audio: bytes) -> None: ...

    def close(self) -> None: ...


class VoiceDetector(Protocol):
    """See `dialtone.media.vad`."""

    def open(self, audio: AudioFormat, on_window: Callable[[bool, float], None]) -> VoiceChannel: ...


class ListeningOwner(Protocol):
    def heard_voice(self, at: float, voiced: bool) -> None:
        """A window of the voice detector ended at `at`, event loop time."""

    def heard_words(self, event: TranscriptEvent, heard_until: float) -> None:
        """The transcriber's word; a final's last word ended at `heard_until`, event loop time."""

    def gone_deaf(self, error: ProviderError) -> None:
        """The transcriber is lost for good."""

    def hearing(self, able: bool) -> None:
        """Words can reach us (again), or cannot for the moment."""

    def trouble(self, text: str, error: ProviderError) -> None:
        """Something worth a note, which was mended."""


class Listening:
    """One call's ears."""

    def __init__(
        self,
        line_audio: AudioFormat,
        transcriber: SpeechToText,
        detector: VoiceDetector,
        owner: ListeningOwner,
        spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._line_audio = line_audio
        self._transcriber = transcriber
        self._owner = owner
        self._spawn = spawn
        self._audio = transcriber.input_format(line_audio)
        self._converter = None if self._audio == line_audio else Converter(line_audio, self._audio)
        # The detector takes 8 kHz in any encoding, so that a telephone's mu-law goes there untouched.
        detected = line_audio if line_audio.sample_rate == PCM_8K.sample_rate else PCM_8K
        self._to_detector = None if detected == line_audio else Converter(line_audio, detected)
        self._channel = detector.open(detected, self._on_window)
        self._stream: TranscriptStream | None = None
        self._connection: _Connection | None = None
        self._closed = False
        self._unvoiced = 0  # windows in a row
        self._interim_open = False
        self._tries = 0
        self._bytes = 0  # of the line's audio, heard so far
        self._newest_at = 0.0  # when the newest audio came
        self._bytes_per_second = line_audio.bytes_per_second
        self._replay: deque[tuple[int, bytes]] = deque()  # (bytes of the line before it, converted audio)
        self._replay_bytes = 0
        self._replay_limit = int(REPLAY_SECONDS * self._audio.bytes_per_second)
        self._stream_start = 0.0  # seconds of audio before the stream's first byte
        self._final_end = 0.0  # seconds of audio that final transcripts cover

    async def open(self) -> None:
        """Connect to the transcriber. Raises `ProviderError`."""
        await self._connect()

    async def close(self) -> None:
        self._closed = True
        self._channel.close()
        stream, self._stream = self._stream, None
        if self._connection is not None:
            self._connection.stream = None
        if stream is not None:
            await stream.close()

    @property
    def seconds(self) -> float:
        """Audio heard so far."""
        return self._bytes / self._bytes_per_second

    def hear(self, audio: bytes) -> None:
        """The caller's audio in the line's format, whole samples."""
        self._newest_at = self._loop.time()
        self._channel.push(audio if self._to_detector is None else self._to_detector.process(audio))
        converted = audio if self._converter is None else self._converter.process(audio)
        self._replay.append((self._bytes, converted))
        self._bytes += len(audio)
        self._replay_bytes += len(converted)
        if self._replay_bytes > self._replay_limit:
            self._replay_bytes -= len(self._replay.popleft()[1])
        if self._stream is not None:
            self._stream.send(converted)

    def _time_of(self, seconds: float) -> float:
        """Event loop time at which the audio position `seconds` was spoken."""
        return self._newest_at - (self.seconds - seconds)

    def _on_window(self, voiced: bool, audio_seconds: float) -> None:
        if voiced:
            self._unvoiced = 0
        else:
            self._unvoiced += 1
            if self._unvoiced > TOLD_UNVOICED_WINDOWS:
                if not self._interim_open and not self._unvoiced % FORGET_WINDOWS:
                    self._forget_before(audio_seconds - REPLAY_SILENCE)
                return
        self._owner.heard_voice(self._time_of(audio_seconds), voiced)

    def _on_event(self, event: TranscriptEvent) -> None:
        if self._closed:
            return
        self._tries = 0
        self._interim_open = isinstance(event, Interim) and bool(event.text)
        heard_until = self._loop.time()
        if isinstance(event, Final):
            self._final_end = self._stream_start + event.end
            heard_until = min(heard_until, self._time_of(self._final_end))
            self._forget_before(self._final_end - REPLAY_OVERLAP)
        self._owner.heard_words(event, heard_until)

    def _forget_before(self, seconds: float) -> None:
        """No new stream will need to hear what was said before."""
        kept_from = seconds * self._bytes_per_second
        while len(self._replay) > 1 and self._replay[1][0] <= kept_from:
            self._replay_bytes -= len(self._replay.popleft()[1])

    def _on_lost(self, stream: "_Connection", error: ProviderError) -> None:
        stream.lost = True
        if self._stream is stream.stream:
            self._stream = None
        if not self._closed:
            self._owner.trouble("speech-to-text was lost and is being replaced", error)
            self._owner.hearing(False)
            self._spawn(self._reconnect(error))

    async def _reconnect(self, error: ProviderError) -> None:
        """Try until a stream is open; the tries count on until a stream has told something."""
        while error.retryable and self._tries < len(RECONNECT_DELAYS):
            delay = RECONNECT_DELAYS[self._tries]
            self._tries += 1
            await asyncio.sleep(delay)
            try:
                return await self._connect()
            except ProviderError as failure:
                error = failure
        self._owner.gone_deaf(error)

    async def _connect(self) -> None:
        connection = self._connection = _Connection()
        stream = await self._transcriber.open(
            self._audio, self._on_event, lambda error: self._on_lost(connection, error)
        )
        connection.stream = stream
        if self._closed:
            await stream.close()
            return
        next_byte = self._replay[0][0] if self._replay else self._bytes
        self._stream_start = next_byte / self._bytes_per_second
        while not connection.lost:
            # In pieces: a vendor need not swallow half a minute at once, and new audio comes meanwhile.
            pieces = [(start, audio) for start, audio in self._replay if start >= next_byte][:REPLAY_PIECES]
            if not pieces:
                self._stream = stream
                self._owner.hearing(True)
                return
            for start, audio in pieces:
                stream.send(audio)
                next_byte = start + 1
            await asyncio.sleep(REPLAY_PAUSE if len(pieces) == REPLAY_PIECES else 0)


class _Connection:
    """A stream, and whether it was lost, which may be before anybody knows the stream."""

    def __init__(self) -> None:
        self.stream: TranscriptStream | None = None
        self.lost = False
