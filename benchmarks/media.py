"""What the media path costs: microseconds of each step, and CPU time of whole calls paced by the media clock.

The calls are those of one process: mu-law at 8 kHz both ways, voice
activity detection, playout and recording; a third of the caller's time is speech, over noise at -50 dBFS.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dialtone.media.audio import MULAW_8K, PCM_8K
from dialtone.media.clock import MediaClock
from dialtone.media.framing import CallerAudio
from dialtone.media.g711 import decode_mulaw, encode_mulaw
from dialtone.media.playout import Playout
from dialtone.media.recorder import Recorder, RecordingWriter
from dialtone.media.resample import Resampler
from dialtone.media.samples import Samples
from dialtone.media.vad import WINDOW, VoiceDetector

SPEECH = Path(__file__).parent.parent / "tests" / "media" / "speech_8k.ulaw"
FRAME = MULAW_8K.frame_bytes


def microseconds(step: Callable[[], object], repeats: int = 3000) -> float:
    """CPU time of one step: the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(repeats):
            step()
        best = min(best, (time.process_time() - start) / repeats)
    return round(best * 1e6, 2)


def caller(seconds: int = 12) -> bytes:
    """One sentence in the middle of `seconds` of noise."""
    samples = np.random.default_rng(1).normal(0, 100, seconds * 8000)
    speech = decode_mulaw(SPEECH.read_bytes())
    start = (samples.size - speech.size) // 2
    samples[start : start + speech.size] += speech / 4
    return encode_mulaw(samples.astype(np.int16))


def resampling(in_rate: int, out_rate: int) -> float:
    resampler = Resampler(in_rate, out_rate)
    frame: Samples = np.random.default_rng(1).integers(-8000, 8000, in_rate // 50, dtype=np.int16)
    return microseconds(lambda: resampler.process(frame), 1000)


async def detection(channels: int) -> float:
    """Per window, the loop's waiting left out, without the gate."""
    detector = VoiceDetector(gate=False)
    samples = decode_mulaw(caller())
    windows = samples.size // WINDOW
    waiting = 0
    done = asyncio.Event()

    def heard(_voiced: bool, _seconds: float) -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            done.set()

    opened = [detector.open(PCM_8K, heard) for _ in range(channels)]
    rounds = max(8, 256 // channels)
    best = float("inf")
    for _ in range(5):
        spent = 0.0
        for turn in range(rounds):
            at = turn % windows * WINDOW
            start = time.process_time()
            waiting = channels
            done.clear()
            for channel in opened:
                channel.push(samples[at : at + WINDOW].tobytes())
            await done.wait()
            spent += time.process_time() - start
        best = min(best, spent / rounds / channels)
    return round(best * 1e6, 2)


class Call:
    def __init__(self, detector: VoiceDetector, recorder: Recorder, audio: bytes, offset: int) -> None:
        self._audio = audio
        self._at = offset
        self._in = CallerAudio(MULAW_8K)
        self._out = Playout(MULAW_8K)
        self._recorder = recorder
        self.channel = detector.open(MULAW_8K, lambda _voiced, _seconds: None)
        self.frames = 0

    def tick(self, _now: float) -> None:
        frame = self._audio[self._at : self._at + FRAME]
        self._at = (self._at + FRAME) % len(self._audio)
        self._in.push(frame)
        self.channel.push(frame)
        if self._out.queued_bytes < FRAME:
            self._out.append(self._audio[: FRAME * 50])
        self._recorder.write(self._in.next_frame(), self._out.next_frame())
        self.frames += 1


async def calls(count: int, seconds: float, gate: bool) -> dict[str, float]:
    clock, detector, writer = MediaClock(), VoiceDetector(gate=gate), RecordingWriter()
    audio = caller()
    frames = len(audio) // FRAME
    with tempfile.TemporaryDirectory() as folder:
        members = []
        for index in range(count):
            recorder = writer.open(Path(folder) / f"{index}.wav", MULAW_8K)
            members.append(Call(detector, recorder, audio, index * 37 % frames * FRAME))
            clock.add(members[-1])
        await asyncio.sleep(1)
        clock.lateness.reset()
        heard, ticks = detector.windows_heard, sum(member.frames for member in members)
        start = time.process_time()
        await asyncio.sleep(seconds)
        spent = time.process_time() - start
        ticks = sum(member.frames for member in members) - ticks
        for member in members:
            clock.remove(member)
            member.channel.close()
        await writer.close()
    return {
        "cpu_ms_per_call_second": round(spent * 1000 / (ticks / 50), 3),
        "windows_heard_per_call_second": round((detector.windows_heard - heard) / (ticks / 50), 1),
        "lateness_ms_p50": round(clock.lateness.percentile(0.5) * 1000, 2),
        "lateness_ms_p99": round(clock.lateness.percentile(0.99) * 1000, 2),
        "lateness_ms_max": round(clock.lateness.maximum * 1000, 2),
    }


def steps() -> dict[str, float]:
    frame = bytes(range(FRAME))
    samples = decode_mulaw(frame)
    playout = Playout(MULAW_8K)

    def play() -> None:
        if playout.queued_bytes < FRAME:
            playout.append(frame * 50)
        playout.next_frame()

    return {
        "mulaw_decode": microseconds(lambda: decode_mulaw(frame)),
        "mulaw_encode": microseconds(lambda: encode_mulaw(samples)),
        "resample_8_to_16": resampling(8000, 16000),
        "resample_16_to_8": resampling(16000, 8000),
        "resample_24_to_8": resampling(24000, 8000),
        "resample_22.05_to_8": resampling(22050, 8000),
        "resample_44.1_to_48": resampling(44100, 48000),
        "playout": microseconds(play),
    }


async def recording(ticks: int = 2000) -> float:
    """Per frame, on the loop and in the writer's thread together."""
    frame = bytes(range(FRAME))
    with tempfile.TemporaryDirectory() as folder:
        writer = RecordingWriter()
        recorder = writer.open(Path(folder) / "call.wav", MULAW_8K)
        start = time.process_time()
        for tick in range(ticks):
            recorder.write(frame, frame)
            if tick % 500 == 499:
                await asyncio.sleep(0.05)
        await recorder.close()
        spent = time.process_time() - start
        await writer.close()
    return round(spent / ticks * 1e6, 2)


async def _measure(seconds: float) -> dict[str, object]:
    per_frame: dict[str, float] = {**steps(), "record": await recording()}
    return {
        "microseconds_per_20_ms_frame": per_frame,
        "microseconds_per_vad_window_by_batch": {str(count): await detection(count) for count in (1, 8, 32, 128)},
        "calls": {
            f"{count}_{'gated' if gate else 'ungated'}": await calls(count, seconds, gate)
            for count in (1, 32, 200)
            for gate in (True, False)
        },
    }


def run(quick: bool) -> dict[str, object]:
    return asyncio.run(_measure(2 if quick else 10))
