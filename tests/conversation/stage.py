"""A whole call in virtual time: a scripted caller, vendors that keep exact times, and a note of all that happens."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialtone.conversation.behaviours.apology import apology
from dialtone.conversation.call import Call
from dialtone.conversation.journal import Ending, TurnLatency
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.preparation import Preparation
from dialtone.conversation.shared import Shared
from dialtone.conversation.speech_cache import SpeechCache, speech_key
from dialtone.conversation.vendors import CallVendors, VendorChoice
from dialtone.lines.base import AssistantText, Line, LineEvent, LineHandler, TransferError
from dialtone.lines.second_leg import SecondLegs
from dialtone.media.ambience import AmbienceLibrary
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.media.clock import MediaClock
from dialtone.media.recorder import RecordingWriter
from dialtone.providers.base import (
    Message,
    ProviderError,
    ReplyDone,
    ReplyEvent,
    SpeechChunk,
    TextDelta,
    ToolCall,
    ToolSpec,
)
from dialtone.tools.toolbox import ToolOutcome
from tests.conversation.scripted_ears import Noise, Says, ScriptedDetector, ScriptedEars
from tests.conversation.virtual_time import VirtualTimeLoop, run

__all__ = ["Noise", "Says", "ScriptedDetector", "ScriptedEars"]

CHARACTER_SECONDS = 0.05
"""How long the scripted voice takes for a character."""


Scripted = str | ToolCall | ProviderError | list[str | ToolCall | ProviderError]


class ScriptedModel:
    """Answers with the next scripted reply: 200 ms to the first word, 20 ms a word."""

    name = "model"

    def __init__(self, replies: Sequence[Scripted]) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[Message, ...]] = []
        self.cancelled = 0

    async def connect(self) -> None:
        await asyncio.sleep(0.05)

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncIterator[ReplyEvent]:
        self.asked.append(tuple(messages))
        scripted: Scripted = self.replies.pop(0) if self.replies else "All right."
        done = False
        try:
            await asyncio.sleep(0.2)
            for part in scripted if isinstance(scripted, list) else [scripted]:
                if isinstance(part, ProviderError):
                    raise part
                if isinstance(part, ToolCall):
                    yield part
                    continue
                for word in part.split(" "):
                    yield TextDelta(word + " ")
                    await asyncio.sleep(0.02)
            done = True
            yield ReplyDone("stop")
        finally:
            self.cancelled += not done


class ScriptedVoice:
    """100 ms to the first audio, then four times real time."""

    name = "voice"
    cache_key = "voice/test"

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.failures: list[ProviderError] = []
        self.fail_after_chunks: int | None = None
        self.opened = 0
        self.sessions = 0
        self.open_seconds = 0.05

    def output_format(self, line: AudioFormat) -> AudioFormat:
        return line

    async def open(self, audio: AudioFormat) -> "ScriptedSession":
        await asyncio.sleep(self.open_seconds)
        if self.failures:
            raise self.failures.pop(0)
        self.opened += 1
        self.sessions += 1
        return ScriptedSession(self, audio)


class ScriptedSession:
    def __init__(self, voice: ScriptedVoice, audio: AudioFormat) -> None:
        self._voice, self._audio = voice, audio

    def speak(self) -> "ScriptedUtterance":
        return ScriptedUtterance(self._voice, self._audio)

    async def close(self) -> None:
        self._voice.sessions -= 1


class ScriptedUtterance:
    def __init__(self, voice: ScriptedVoice, audio: AudioFormat) -> None:
        self._voice, self._audio = voice, audio
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()

    def push(self, text: str) -> None:
        self._voice.spoken.append(text)
        self._texts.put_nowait(text)

    def finish(self) -> None:
        self._texts.put_nowait(None)

    def cancel(self) -> None:
        self._texts.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while (text := await self._texts.get()) is not None:
            await asyncio.sleep(0.1)
            for start in range(0, len(text), 2):
                if self._voice.fail_after_chunks is not None:
                    self._voice.fail_after_chunks -= 1
                    if self._voice.fail_after_chunks < 0:
                        self._voice.fail_after_chunks = None
                        raise ProviderError("voice", "the connection was lost")
                piece = text[start : start + 2]
                count = int(len(piece) * CHARACTER_SECONDS * self._audio.bytes_per_second)
                yield SpeechChunk(b"\x10" * count, len(piece))
                await asyncio.sleep(len(piece) * CHARACTER_SECONDS / 4)


class MemoryCache(SpeechCache):
    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))
        self.kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: str, audio: bytes) -> None:
        self.kept[key] = audio


class ScriptedTools:
    def __init__(self, results: dict[str, str] | None = None) -> None:
        self.results = results or {}
        self.used: list[ToolCall] = []
        self.outcomes: dict[str, ToolOutcome] = {}

    def specs(self) -> list[ToolSpec]:
        return [ToolSpec(name, name) for name in [*self.results, "end_call"]]

    def waiting_message(self, name: str) -> str | None:
        return "One moment please." if name == "slow" else None

    async def run(self, call: ToolCall) -> ToolOutcome:
        self.used.append(call)
        await asyncio.sleep(2.0 if call.name == "slow" else 0.1)
        if call.name in self.outcomes:
            return self.outcomes[call.name]
        return ToolOutcome(self.results.get(call.name, ""), end_call=call.name == "end_call")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Notes:
    """A line and a journal that write everything down with the seconds since the answer."""

    audio: AudioFormat = MULAW_8K
    start: float = 0.0
    frames: list[float] = field(default_factory=list)
    audio_sent: list[bytes] = field(default_factory=list)
    events: list[tuple[float, LineEvent]] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    turns: list[TurnLatency] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    recorded_from: float | None = None
    closed_with: list[str] = field(default_factory=list)
    ended_after: float = 0.0
    cleared: list[float] = field(default_factory=list)
    can_transfer: bool = True
    can_send_dtmf: bool = True
    ticked: None = None
    keys: list[tuple[float, str]] = field(default_factory=list)
    transfers: list[tuple[float, str]] = field(default_factory=list)
    transfer_refused: str | None = None
    knows_no_transfers: bool = False
    handler: LineHandler | None = None

    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.start, 3)

    # The line

    def attach(self, handler: LineHandler) -> None:
        self.handler = handler

    def send_audio(self, frame: bytes) -> None:
        assert len(frame) == self.audio.frame_bytes
        self.frames.append(self.now())
        self.audio_sent.append(frame)

    def send_mark(self, name: str) -> None:
        """Nobody listens."""

    def send_dtmf(self, key: str) -> None:
        self.keys.append((self.now(), key))

    def clear_audio(self) -> None:
        self.cleared.append(self.now())

    def publish(self, event: LineEvent) -> None:
        self.events.append((self.now(), event))

    async def transfer(self, destination: str) -> None:
        """The other side takes a second to accept or to refuse."""
        self.transfers.append((self.now(), destination))
        await asyncio.sleep(1.0)
        if self.transfer_refused is not None:
            raise TransferError(self.transfer_refused, refused=self.knows_no_transfers)

    async def connect(self, other: Line) -> None:
        raise TransferError("nobody connects this line with another", refused=True)

    async def close(self, end_reason: str) -> None:
        """A closing handshake takes its time, in which the caller and the vendors go on."""
        self.closed_with.append(end_reason)
        self.ended_after = self.now()
        await asyncio.sleep(0.5)

    # The journal

    def answered(self, at: object) -> None:
        self.start = asyncio.get_running_loop().time()

    def consented(self) -> None:
        self.notes.append("the caller agreed to be recorded")

    def recording_began(self) -> None:
        self.recorded_from = self.now()

    def message(self, role: str, content: str) -> None:
        assert not self.endings, "nothing is told after the end"
        self.messages.append((role, content))

    def turn(self, latency: TurnLatency) -> None:
        self.turns.append(latency)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def ended(self, ending: Ending) -> None:
        assert not self.endings, "a call ends once"
        self.endings.append(ending)

    # Questions

    @property
    def said(self) -> list[str]:
        return [text for role, text in self.messages if role == "assistant"]

    @property
    def heard(self) -> list[str]:
        return [text for role, text in self.messages if role == "user"]

    def sentences(self) -> list[tuple[float, str]]:
        return [(at, event.text) for at, event in self.events if isinstance(event, AssistantText)]

    def frames_between(self, start: float, end: float) -> int:
        return sum(start <= at < end for at in self.frames)

    def first_frame_after(self, at: float) -> float:
        return min(frame for frame in self.frames if frame > at)

    def last_frame_before(self, at: float) -> float:
        return max(frame for frame in self.frames if frame < at)


class Stage:
    """Sets a call up; `play` runs it and returns the notes."""

    def __init__(
        self,
        *script: Says | Noise,
        replies: Sequence[Scripted] = (),
        tools: dict[str, str] | None = None,
        hang_up_at: float | None = 30.0,
        apology_kept: bool = True,
        **plan: Any,
    ) -> None:
        says = [item for item in script if isinstance(item, Says)]
        self.detector = ScriptedDetector([(item.start, item.end) for item in script])
        self.ears = ScriptedEars(says)
        self.model = ScriptedModel(replies)
        self.voice = ScriptedVoice()
        self.spare = ScriptedVoice()
        self.tools = ScriptedTools(tools)
        self.cache = MemoryCache()
        self.ambience = AmbienceLibrary()
        self.recordings = self._thread = RecordingWriter()
        self.legs: SecondLegs | None = None
        if apology_kept:
            self.cache.kept[speech_key(self.voice.cache_key, MULAW_8K, apology("en"))] = b"\x10" * 8000
        self.notes = Notes()
        self.hang_up_at = hang_up_at
        self.freed_without_collector = False
        self.rings: float | None = None
        """Seconds before the answer in which the vendors are connected already."""
        self.at: list[tuple[float, Callable[[Call], None]]] = []
        stt = {"provider": "ears", "language": "en"}
        self.plan = CallPlan(
            **{
                "call_id": "c1",
                "organization_id": "o1",
                "stt_config": stt,
                "llm_config": {"provider": "model", "messages": [{"role": "system", "content": "Be brief."}]},
                "tts_config": {"provider": "voice"},
                **plan,
            }
        )

    def play(self) -> Notes:
        run(self._play())
        return self.notes

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.stand_still_while(lambda: any(recorder.is_closing for recorder in self._thread._recorders))
        shared = Shared(MediaClock(), self.detector, self.recordings, self.cache, self.ambience)
        choice = VendorChoice(
            lambda: CallVendors(self.ears, self.model, self.voice), lambda: self.spare, lambda: self.voice
        )
        before = asyncio.all_tasks()
        prepared = Preparation(self.plan, choice, self.notes.audio, shared, self.notes.note)
        if self.rings is not None:
            prepared.begin()
            await asyncio.sleep(self.rings)
        call = Call(self.plan, self.notes, prepared, self.tools, self.notes, shared, self.legs)  # type: ignore[arg-type]
        running = loop.create_task(call.run())
        caller = loop.create_task(self._speak())
        for at, action in self.at:
            loop.call_later(at, action, call)
        remains = weakref.ref(call)
        del call
        try:
            await asyncio.wait_for(running, 10_000)
        finally:
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
        await asyncio.sleep(60)
        assert asyncio.all_tasks() <= before
        self.notes.handler = None
        del running
        self.freed_without_collector = remains() is None
        assert len(shared.clock) == 0
        assert len(self.notes.endings) == 1
        assert self.voice.sessions == self.spare.sessions == 0, "a vendor's session was left open"

    async def _speak(self) -> None:
        """The caller's audio: 20 ms frames that begin with their own position, in samples."""
        loop = asyncio.get_running_loop()
        start, position = loop.time(), 0
        while self.hang_up_at is None or position < self.hang_up_at * 8000:
            await asyncio.sleep(start + (position + 160) / 8000 - loop.time())
            if self.notes.handler is not None:
                self.notes.handler.on_audio(position.to_bytes(4, "big") + b"\xff" * 156)
            position += 160
        if self.notes.handler is not None:
            self.notes.handler.on_closed("the caller hung up", failed=False)
