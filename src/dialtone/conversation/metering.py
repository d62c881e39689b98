"""Counts what a call uses of its vendors, by standing between them and the conversation."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from dialtone.conversation.plan import CallPlan
from dialtone.conversation.vendors import CallVendors
from dialtone.media.audio import AudioFormat
from dialtone.providers.base import (
    LanguageModel,
    Message,
    ProviderError,
    ReplyDone,
    ReplyEvent,
    SpeechChunk,
    SpeechSession,
    SpeechToText,
    TextDelta,
    TextToSpeech,
    ToolCall,
    ToolSpec,
    TranscriptEvent,
    TranscriptStream,
    Utterance,
)
from dialtone.providers.use import Role, VendorUse, estimated_tokens


class Meter:
    """What one call has used so far."""

    def __init__(self, plan: CallPlan) -> None:
        self._plan = plan
        self.audio_seconds = 0.0
        self.input_tokens = 0
        self.output_tokens = 0
        self.characters = 0
        self.estimated = False

    def behind(self, vendors: CallVendors) -> CallVendors:
        """The same vendors, counted."""
        return CallVendors(
            MeteredSpeechToText(vendors.speech_to_text, self),
            MeteredLanguageModel(vendors.language_model, self),
            self.behind_voice(vendors.text_to_speech),
        )

    def behind_voice(self, vendor: TextToSpeech) -> TextToSpeech:
        """The same voice, counted."""
        return MeteredTextToSpeech(vendor, self)

    def uses(self) -> tuple[VendorUse, ...]:
        """What was used, one entry for each vendor that did anything."""
        uses = []
        if self.audio_seconds:
            language = (self._plan.stt_config or {}).get("language")
            uses.append(_use("stt", self._plan.stt_config, language=language, audio_seconds=self.audio_seconds))
        if self.input_tokens or self.output_tokens:
            tokens = {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens}
            uses.append(_use("llm", self._plan.llm_config, **tokens, estimated=self.estimated))
        if self.characters:
            uses.append(_use("tts", self._plan.tts_config, characters=self.characters))
        return tuple(uses)


def _use(role: Role, config: Mapping[str, Any] | None, **used: Any) -> VendorUse:
    config = config or {}
    return VendorUse(role, str(config.get("provider", "")), str(config.get("model") or ""), **used)


class MeteredSpeechToText:
    def __init__(self, vendor: SpeechToText, meter: Meter) -> None:
        self.name = vendor.name
        self.input_format = vendor.input_format
        self._vendor = vendor
        self._meter = meter

    async def open(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> TranscriptStream:
        stream = await self._vendor.open(audio, on_event, on_lost)
        return _MeteredStream(stream, self._meter, audio.bytes_per_second)


class _MeteredStream:
    def __init__(self, stream: TranscriptStream, meter: Meter, bytes_per_second: int) -> None:
        self.close = stream.close
        self._send = stream.send
        self._meter = meter
        self._bytes_per_second = bytes_per_second

    def send(self, audio: bytes) -> None:
        self._meter.audio_seconds += len(audio) / self._bytes_per_second
        self._send(audio)


class MeteredLanguageModel:
    def __init__(self, vendor: LanguageModel, meter: Meter) -> None:
        self.name = vendor.name
        self.connect = vendor.connect
        self._vendor = vendor
        self._meter = meter

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncIterator[ReplyEvent]:
        written: list[str] = []
        begun, reported = False, False
        try:
            async with aclosing(self._vendor.reply(messages, tools)) as events:  # type: ignore[type-var]
                async for event in events:
                    begun = True
                    if isinstance(event, TextDelta):
                        written.append(event.text)
                    elif isinstance(event, ToolCall):
                        written += event.name, event.arguments
                    elif isinstance(event, ReplyDone) and event.input_tokens is not None:
                        reported = True
                        self._meter.input_tokens += event.input_tokens
                        self._meter.output_tokens += event.output_tokens or 0
                    yield event
        finally:
            # A reply that was dropped is billed as far as it went, and its vendor tells nothing of it.
            if begun and not reported:
                self._meter.estimated = True
                asked = [message.content for message in messages]
                asked += [f"{tool.description}{tool.parameters}" for tool in tools]
                self._meter.input_tokens += estimated_tokens(*asked)
                self._meter.output_tokens += estimated_tokens(*written)


class MeteredTextToSpeech:
    def __init__(self, vendor: TextToSpeech, meter: Meter) -> None:
        self.name = vendor.name
        self.cache_key = vendor.cache_key
        self.output_format = vendor.output_format
        self._vendor = vendor
        self._meter = meter

    async def open(self, audio: AudioFormat) -> SpeechSession:
        return _MeteredSession(await self._vendor.open(audio), self._meter)


class _MeteredSession:
    def __init__(self, session: SpeechSession, meter: Meter) -> None:
        self.close = session.close
        self._session = session
        self._meter = meter

    def speak(self) -> Utterance:
        return _MeteredUtterance(self._session.speak(), self._meter)


class _MeteredUtterance:
    def __init__(self, utterance: Utterance, meter: Meter) -> None:
        self.finish = utterance.finish
        self.cancel = utterance.cancel
        self._utterance = utterance
        self._meter = meter

    def push(self, text: str) -> None:
        self._meter.characters += len(text)
        self._utterance.push(text)

    def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        return self._utterance.__aiter__()
