"""What a conversation asks of a vendor: four Protocols, and the plain data that crosses them.

An object of the first kind (`SpeechToText`, ...) is one assistant's configured vendor; it is cheap, holds no
connection, and opens one stream or session for each call. Every failure is a `ProviderError` in words.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from dialtone.media.audio import AudioFormat


class ProviderError(Exception):
    """A vendor refused or failed. `str()` is a sentence fit for a call's record; it holds no secret. Where the record
    must hold nothing of the call's content either, and in logs, `unquoted` is: vendors may repeat what they were sent.

    `retryable` is False where trying again cannot help (a refused key, an unknown model).
    """

    def __init__(self, provider: str, message: str, *, said: str = "", retryable: bool = True) -> None:
        """`said`: the vendor's own words, made fit by `refusal.quote`."""
        self.unquoted = f"{provider}: {message}"
        super().__init__(f"{self.unquoted}: {said}" if said else self.unquoted)
        self.provider = provider
        self.retryable = retryable

    def words(self, *, quoting: bool) -> str:
        """The sentence, with the vendor's own words where that is right."""
        return str(self) if quoting else self.unquoted


# Speech to text


@dataclass(frozen=True, slots=True)
class Interim:
    """The vendor's guess at the utterance so far since its last `Final`; each replaces the one before."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """A piece of transcript that will not change. `text` may be empty (speech turned out to be noise)."""

    text: str
    start: float
    """Seconds of audio since the stream was opened at which the piece begins."""
    end: float
    """Seconds of audio since the stream was opened at which the piece ends."""
    utterance_end: bool = False
    """The vendor itself believes that the speaker has finished."""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """The vendor heard no further words for a while after the last ones."""


TranscriptEvent = Interim | Final | UtteranceEnd


class TranscriptStream(Protocol):
    """One call's open stream to a speech-to-text vendor."""

    def send(self, audio: bytes) -> None:
        """Queue audio in the agreed format. Never blocks, never raises; a lost stream swallows it."""

    async def close(self) -> None:
        """End the stream. Idempotent, never raises; no callback comes afterwards."""


class SpeechToText(Protocol):
    name: str

    def input_format(self, line: AudioFormat) -> AudioFormat:
        """The format the vendor should get for a line of format `line`: the line's own where it takes that."""

    async def open(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> TranscriptStream:
        """Connect. `on_lost` is called at most once, if the stream breaks after it was opened.

        Raises `ProviderError`.
        """


@dataclass(frozen=True, slots=True)
class Spoken:
    """A stretch of speech in a recording."""

    channel: int
    """Of the recording: the caller's is 0, the assistant's 1."""
    start: float
    """In seconds."""
    text: str


class RecordedSpeechToText(Protocol):
    name: str

    async def transcribe(self, recording: Path) -> list[Spoken]:
        """What is said in a stereo WAV file, in order. Raises `ProviderError`; `OSError` without the file."""


# Language model


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    """JSON as the model wrote it, not yet checked."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """For role `tool`: the call this answers."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    name: str
    description: str
    parameters: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON Schema of the arguments."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The last event of a reply."""

    reason: str
    """The vendor's finish reason: stop, length, tool_calls, content_filter."""
    input_tokens: int | None = None
    output_tokens: int | None = None


ReplyEvent = TextDelta | ToolCall | ReplyDone


class LanguageModel(Protocol):
    name: str

    async def connect(self) -> None:
        """Open the connection ahead of the first reply. Never raises."""

    def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncIterator[ReplyEvent]:
        """Stream one reply. Closing the iterator (`aclose`) stops the vendor's work. Raises `ProviderError`."""


# Text to speech


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of spoken audio, and how far into the text it reaches."""

    audio: bytes
    """In the session's format."""
    characters: float
    """How many characters of the pushed text this chunk speaks (may be fractional: an estimate by time). Over
    an utterance they add up to the length of the text pushed."""


class Utterance(Protocol):
    """One reply being spoken: text goes in sentence by sentence while audio already comes out."""

    def push(self, text: str) -> None:
        """Add text, at least a sentence or a clause, to be spoken without waiting for more."""

    def finish(self) -> None:
        """No more text follows."""

    def cancel(self) -> None:
        """Stop at once; the iterator ends without further chunks. Idempotent."""

    def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        """Audio in order; ends after `finish` once all is spoken, or after `cancel`. Raises `ProviderError`."""


class SpeechSession(Protocol):
    """One call's open connection to a text-to-speech vendor."""

    def speak(self) -> Utterance:
        """Begin an utterance. Utterances are independent; two may overlap."""

    async def close(self) -> None:
        """Idempotent, never raises; open utterances end."""


class TextToSpeech(Protocol):
    name: str
    cache_key: str
    """What decides how a text sounds and who may hear it (vendor, model, voice, settings, and a digest of the account
    that it is made with), no secret in it. Speech made with an organization's own key is so never another's.
    """

    def output_format(self, line: AudioFormat) -> AudioFormat:
        """The format the vendor should deliver for a line of format `line`: the line's own where it can."""

    async def open(self, audio: AudioFormat) -> SpeechSession:
        """Connect. Raises `ProviderError`. A session reconnects by itself when its idle connection was closed."""


# Speech to speech


@dataclass(frozen=True, slots=True)
class RealtimeAudio:
    audio: bytes
    item_id: str


@dataclass(frozen=True, slots=True)
class RealtimeTranscript:
    role: Literal["user", "assistant"]
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class RealtimeSpeechStarted:
    """The model heard the caller begin to speak; what it was saying is void."""


@dataclass(frozen=True, slots=True)
class RealtimeReplyDone:
    item_id: str | None


RealtimeEvent = RealtimeAudio | RealtimeTranscript | RealtimeSpeechStarted | RealtimeReplyDone | ToolCall


class RealtimeSession(Protocol):
    def send(self, audio: bytes) -> None:
        """Queue caller audio. Never blocks, never raises."""

    def interrupted(self, item_id: str, heard_seconds: float) -> None:
        """Tell the model how much of its item the caller heard before it was cut."""

    def say(self, text: str) -> None:
        """Have the model speak `text`."""

    def add_context(self, text: str, *, reply: bool) -> None:
        """Add to the model's context, and have it answer at once if `reply`."""

    def tool_result(self, call_id: str, result: str) -> None:
        """Answer a tool call; the model goes on by itself."""

    async def close(self) -> None:
        """Idempotent, never raises."""


class RealtimeModel(Protocol):
    name: str

    def input_format(self, line: AudioFormat) -> AudioFormat: ...

    def output_format(self, line: AudioFormat) -> AudioFormat: ...

    async def open(
        self,
        audio_in: AudioFormat,
        audio_out: AudioFormat,
        instructions: str,
        tools: Sequence[ToolSpec],
        on_event: Callable[[RealtimeEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> RealtimeSession:
        """Connect. Raises `ProviderError`."""
