"""Pipecat: a whole pipeline per call (hearing, turn taking, thinking, speaking) on one event loop."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from importlib.metadata import version

import uvloop
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from benchmarks.caller import Caller
from benchmarks.peers import harness
from benchmarks.script import (
    FINAL_DELAY_SECONDS,
    FRAME_SECONDS,
    SAMPLE_RATE,
    TURN_WAIT_SECONDS,
    VAD_STOP_SECONDS,
    SpeechEvent,
)

RESCHEDULE_SECONDS = 0.2
"""Playback that fell this far behind starts a new schedule instead of catching up."""

CONFIG = {
    "vad": "silero",
    "vad_start_seconds": VADParams().start_secs,
    "vad_stop_seconds": VAD_STOP_SECONDS,
    "turn_wait_seconds": TURN_WAIT_SECONDS,
    "callers_and_vendors": "in process",
}


class CallerInput(BaseInputTransport):
    """Audio of the caller."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.started = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.started.set()

    def push(self, audio: bytes) -> None:
        self._audio_in_queue.put_nowait(InputAudioRawFrame(audio=audio, sample_rate=SAMPLE_RATE, num_channels=1))


class CallerOutput(BaseOutputTransport):
    """Audio to the caller, paced in real time as a transport without a clock of its own has to."""

    def __init__(self, caller: Caller, params: TransportParams) -> None:
        super().__init__(params)
        self._caller = caller
        self._next_frame = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._next_frame = 0.0

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        now = time.monotonic()
        self._caller.hear_frame()
        if now - self._next_frame > RESCHEDULE_SECONDS:
            self._next_frame = now
        self._next_frame += len(frame.audio) / 2 / SAMPLE_RATE
        await asyncio.sleep(max(0.0, self._next_frame - time.monotonic()))
        return True


class ScriptedSpeechToText(STTService):
    """The speech-to-text vendor."""

    def __init__(self, first_frame: int) -> None:
        super().__init__(settings=STTSettings(model="script", language=None), ttfs_p99_latency=FINAL_DELAY_SECONDS)
        self._recogniser = harness.Recogniser(first_frame)
        self._finals: set[asyncio.Task[None]] = set()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        event = self._recogniser.hear_frame()
        if event is not None and event.final:
            task = asyncio.create_task(self._finalise(event))
            self._finals.add(task)
            task.add_done_callback(self._finals.discard)
        elif event is not None:
            yield InterimTranscriptionFrame(event.text, "caller", time_now_iso8601())
        yield None

    async def _finalise(self, event: SpeechEvent) -> None:
        await asyncio.sleep(FINAL_DELAY_SECONDS)
        frame = TranscriptionFrame(event.text, "caller", time_now_iso8601())
        frame.finalized = True
        await self.push_frame(frame)


class ScriptedLanguageModel(LLMService):
    """The language model vendor."""

    def __init__(self) -> None:
        unset = ("temperature", "max_tokens", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed")
        super().__init__(
            settings=LLMSettings(
                model="script",
                system_instruction=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
                **dict.fromkeys(unset),
            )
        )

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            async for token in harness.reply_tokens():
                await self._push_llm_text(token)
        finally:
            await self.push_frame(LLMFullResponseEndFrame())


class ScriptedTextToSpeech(TTSService):
    """The text-to-speech vendor."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=SAMPLE_RATE,
            settings=TTSSettings(model="script", voice="script", language=None),
        )

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        async for audio in harness.spoken_chunks(text):
            yield TTSAudioRawFrame(audio, SAMPLE_RATE, 1, context_id=context_id)


class Platform:
    """Makes calls: one pipeline each, all under one runner."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner

    async def create_call(self, caller: Caller) -> harness.PushFrame:
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_in_sample_rate=SAMPLE_RATE,
            audio_out_sample_rate=SAMPLE_RATE,
            audio_out_10ms_chunks=round(FRAME_SECONDS / 0.010),
        )
        audio_in, audio_out = CallerInput(params), CallerOutput(caller, params)
        aggregators = LLMContextAggregatorPair(
            LLMContext(messages=[{"role": "system", "content": "You book appointments."}]),
            user_params=LLMUserAggregatorParams(
                vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=VAD_STOP_SECONDS, min_volume=0.0)),
                user_turn_strategies=UserTurnStrategies(
                    stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=TURN_WAIT_SECONDS)]
                ),
            ),
        )
        pipeline = Pipeline(
            [
                audio_in,
                ScriptedSpeechToText(caller.first_frame),
                aggregators.user(),
                ScriptedLanguageModel(),
                ScriptedTextToSpeech(),
                audio_out,
                aggregators.assistant(),
            ]
        )
        worker = PipelineWorker(
            pipeline,
            params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE, audio_out_sample_rate=SAMPLE_RATE),
            idle_timeout_secs=None,
        )
        await self._runner.add_workers(worker)
        await asyncio.wait_for(audio_in.started.wait(), 10)
        return audio_in.push


async def main() -> None:
    options = harness.arguments().parse_args()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    runner = WorkerRunner(handle_sigint=False)
    running = asyncio.ensure_future(runner.run(auto_end=False))
    await asyncio.sleep(0.3)
    result = await harness.measure(Platform(runner).create_call, options.calls, options.warm_up, options.seconds)
    running.cancel()
    harness.finish(result | {"version": version("pipecat-ai"), "config": CONFIG})


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
