"""LiveKit Agents: an `AgentSession` per call with audio in and out of our own, no room, on one event loop."""

import asyncio
import time
from typing import Any

import uvloop
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.version import __version__
from livekit.agents.voice import io
from livekit.plugins import silero

from benchmarks.caller import Caller
from benchmarks.peers import harness
from benchmarks.script import (
    FINAL_DELAY_SECONDS,
    FRAME_SAMPLES,
    FRAME_SECONDS,
    SAMPLE_RATE,
    TURN_END_SECONDS,
    VAD_STOP_SECONDS,
    SpeechEvent,
)

FRAME_BYTES = FRAME_SAMPLES * 2
RESCHEDULE_SECONDS = 0.2
"""A clock that fell this far behind skips frames instead of catching up."""
INTERRUPTION_SECONDS = 0.3
CONFIG = {
    "vad": "silero plugin",
    "vad_stop_seconds": VAD_STOP_SECONDS,
    "endpointing_min_delay_seconds": TURN_END_SECONDS,
    "interruption_min_duration_seconds": INTERRUPTION_SECONDS,
    "preemptive_generation": False,
    "callers_and_vendors": "in process",
}


class CallerInput(io.AudioInput):
    """Audio of the caller."""

    def __init__(self) -> None:
        super().__init__(label="caller")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    def push(self, audio: bytes) -> None:
        self._frames.put_nowait(
            rtc.AudioFrame(data=audio, sample_rate=SAMPLE_RATE, num_channels=1, samples_per_channel=FRAME_SAMPLES)
        )


class Clock:
    """One 20 ms timer for the playback of all calls."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()
        self.playing: set[CallerOutput] = set()
        self._loop.call_at(self._next, self._tick)

    def _tick(self) -> None:
        for output in list(self.playing):
            output.play_frame()
        self._next += FRAME_SECONDS
        while self._next < self._loop.time() - RESCHEDULE_SECONDS:
            self._next += FRAME_SECONDS
        self._loop.call_at(self._next, self._tick)


class CallerOutput(io.AudioOutput):
    """Audio to the caller, played frame by frame by the clock."""

    def __init__(self, caller: Caller, clock: Clock) -> None:
        super().__init__(label="caller", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=SAMPLE_RATE)
        self._caller = caller
        self._clock = clock
        self._waiting = bytearray()
        self._received_seconds = 0.0
        self._played_seconds = 0.0
        self._complete = False
        self._paused = False

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._waiting += bytes(frame.data)
        self._received_seconds += frame.duration
        self._complete = False
        if not self._paused:
            self._clock.playing.add(self)

    def play_frame(self) -> None:
        if len(self._waiting) >= FRAME_BYTES or (self._complete and self._waiting):
            del self._waiting[:FRAME_BYTES]
            if not self._played_seconds:
                self.on_playback_started(created_at=time.time())
            self._played_seconds += FRAME_SECONDS
            self._caller.hear_frame()
        elif self._complete:
            self._finish(interrupted=False)

    def flush(self) -> None:
        super().flush()
        self._complete = True

    def clear_buffer(self) -> None:
        self._finish(interrupted=True)

    def pause(self) -> None:
        super().pause()
        self._paused = True
        self._clock.playing.discard(self)

    def resume(self) -> None:
        super().resume()
        self._paused = False
        if self._received_seconds:
            self._clock.playing.add(self)

    def _finish(self, *, interrupted: bool) -> None:
        self._clock.playing.discard(self)
        if not self._received_seconds:
            return
        position = min(self._played_seconds, self._received_seconds)
        self._received_seconds = self._played_seconds = 0.0
        self._complete = False
        self._waiting.clear()
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class ScriptedSpeechToText(stt.STT):
    """The speech-to-text vendor."""

    def __init__(self, first_frame: int) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.first_frame = first_frame

    async def _recognize_impl(self, *args: Any, **kwargs: Any) -> stt.SpeechEvent:
        raise NotImplementedError("the vendor only streams")

    def stream(self, *, language: Any = None, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> "ScriptedStream":
        return ScriptedStream(self, conn_options)


class ScriptedStream(stt.RecognizeStream):
    def __init__(self, vendor: ScriptedSpeechToText, conn_options: Any) -> None:
        super().__init__(stt=vendor, conn_options=conn_options)
        self._recogniser = harness.Recogniser(vendor.first_frame)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            for _ in range(frame.samples_per_channel // FRAME_SAMPLES):
                event = self._recogniser.hear_frame()
                if event is not None:
                    loop.call_later(FINAL_DELAY_SECONDS if event.final else 0, self._report, event)

    def _report(self, event: SpeechEvent) -> None:
        if self._event_ch.closed:
            return
        kind = stt.SpeechEventType.FINAL_TRANSCRIPT if event.final else stt.SpeechEventType.INTERIM_TRANSCRIPT
        heard = stt.SpeechData(language="en", text=event.text, confidence=0.95)
        self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[heard]))


class ScriptedLanguageModel(llm.LLM):
    """The language model vendor."""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: Any = None,
        conn_options: Any = DEFAULT_API_CONNECT_OPTIONS,
        **kwargs: Any,
    ) -> "ScriptedReply":
        return ScriptedReply(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ScriptedReply(llm.LLMStream):
    async def _run(self) -> None:
        async for token in harness.reply_tokens():
            delta = llm.ChoiceDelta(role="assistant", content=token)
            self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))


class ScriptedTextToSpeech(tts.TTS):
    """The text-to-speech vendor."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=SAMPLE_RATE, num_channels=1)

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> "ScriptedSpeech":
        return ScriptedSpeech(tts=self, input_text=text, conn_options=conn_options)


class ScriptedSpeech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(request_id="speech", sample_rate=SAMPLE_RATE, num_channels=1, mime_type="audio/pcm")
        async for audio in harness.spoken_chunks(self.input_text):
            output_emitter.push(audio)
        output_emitter.flush()


class Platform:
    """Makes calls: one session each, with one clock and one VAD model for all."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._vad = silero.VAD.load(min_silence_duration=VAD_STOP_SECONDS)
        self._sessions: list[AgentSession[None]] = []

    async def create_call(self, caller: Caller) -> harness.PushFrame:
        session: AgentSession[None] = AgentSession(
            stt=ScriptedSpeechToText(caller.first_frame),
            llm=ScriptedLanguageModel(),
            tts=ScriptedTextToSpeech(),
            vad=self._vad,
            turn_handling={
                "turn_detection": "vad",
                "endpointing": {"mode": "fixed", "min_delay": TURN_END_SECONDS, "max_delay": 3.0},
                "interruption": {
                    "mode": "vad",
                    "min_duration": INTERRUPTION_SECONDS,
                    "resume_false_interruption": False,
                },
                "preemptive_generation": {"enabled": False},
            },
            user_away_timeout=None,
            aec_warmup_duration=None,
        )
        audio_in = CallerInput()
        session.input.audio = audio_in
        session.output.audio = CallerOutput(caller, self._clock)
        await session.start(Agent(instructions="You book appointments."))
        self._sessions.append(session)
        return audio_in.push


async def main() -> None:
    options = harness.arguments().parse_args()
    result = await harness.measure(Platform().create_call, options.calls, options.warm_up, options.seconds)
    harness.finish(result | {"version": __version__, "config": CONFIG})


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
