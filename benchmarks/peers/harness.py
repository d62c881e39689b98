"""Callers and measurement for an engine that runs in this very process, as the peers do."""

import argparse
import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from benchmarks import processes
from benchmarks.caller import Caller, Schedule
from benchmarks.measures import analyse, milliseconds, percentile
from benchmarks.script import (
    AUDIO_CHUNK_SECONDS,
    AUDIO_SPEED,
    FIRST_AUDIO_SECONDS,
    FIRST_TOKEN_SECONDS,
    REPLY_TOKENS,
    SAMPLE_RATE,
    TOKEN_SECONDS,
    SpeechEvent,
    caller_script,
)

SETUP_GAP_SECONDS = 0.030
SETTLE_SECONDS = 1.0

PushFrame = Callable[[bytes], None]
CreateCall = Callable[[Caller], Awaitable[PushFrame]]


class Recogniser:
    """The speech-to-text vendor of one call: knows the script, so each frame it is given moves it on."""

    def __init__(self, first_frame: int) -> None:
        self._script = caller_script()
        self._position = first_frame

    def hear_frame(self) -> SpeechEvent | None:
        event = self._script.events.get(self._position)
        self._position = (self._position + 1) % self._script.frame_count
        return event


async def reply_tokens() -> AsyncIterator[str]:
    """The language model's reply at the vendor's pace."""
    begin = time.monotonic() + FIRST_TOKEN_SECONDS
    for number, token in enumerate(REPLY_TOKENS):
        await _sleep_until(begin + number * TOKEN_SECONDS)
        yield token


async def spoken_chunks(text: str) -> AsyncIterator[bytes]:
    """The text-to-speech vendor's 16-bit audio for `text` at the vendor's pace."""
    await asyncio.sleep(FIRST_AUDIO_SECONDS)
    audio = caller_script().speak(text).tobytes()
    size = int(AUDIO_CHUNK_SECONDS * SAMPLE_RATE) * 2
    begin = time.monotonic()
    for number, offset in enumerate(range(0, len(audio), size)):
        await _sleep_until(begin + number * AUDIO_CHUNK_SECONDS / AUDIO_SPEED)
        yield audio[offset : offset + size]


async def _sleep_until(moment: float) -> None:
    delay = moment - time.monotonic()
    if delay > 0:
        await asyncio.sleep(delay)


async def measure(create_call: CreateCall, calls: int, warm_up: float, seconds: float) -> dict[str, object]:
    """Hold `calls` calls and measure them for `seconds` once `warm_up` seconds have passed."""
    pid = os.getpid()
    core = min(os.sched_getaffinity(0))
    script = caller_script()
    frames = [script.frame(index).tobytes() for index in range(script.frame_count)]
    schedule = Schedule()
    callers = [Caller(index, frames) for index in range(calls)]
    base_rss = 0.0
    for caller in callers:
        caller.start(await create_call(caller), schedule)
        if caller.index == 0:
            await asyncio.sleep(SETTLE_SECONDS)
            gc.collect()
            base_rss = processes.rss_mb(pid)
        await asyncio.sleep(SETUP_GAP_SECONDS)
    await asyncio.sleep(warm_up)
    warm_rss = processes.rss_mb(pid)
    frames_before = [len(caller.lateness) for caller in callers]
    loop = asyncio.get_running_loop()
    begin, reading = loop.time(), processes.CpuReading.take(pid, core)
    await asyncio.sleep(seconds)
    end, later = loop.time(), processes.CpuReading.take(pid, core)
    for caller in callers:
        caller.stop()
    late_feed = [value for caller, skip in zip(callers, frames_before, strict=True) for value in caller.lateness[skip:]]
    used = later.process - reading.process
    return {
        "calls": calls,
        **analyse((caller.times for caller in callers), begin, end).summary(),
        "cpu_ms_per_call_s": round(1000 * used / (end - begin) / calls, 2),
        **later.since(reading, end - begin),
        "rss_per_call_mb": round((warm_rss - base_rss) / max(1, calls - 1), 3),
        "base_rss_mb": round(base_rss, 1),
        "caller_late_p99_ms": milliseconds(percentile(late_feed, 99)),
    }


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True, help="seconds")
    parser.add_argument("--seconds", type=float, required=True)
    return parser


def finish(result: dict[str, object]) -> None:
    """Print the result and end the process at once: tearing a peer down is no part of the measurement."""
    print(json.dumps(result), flush=True)
    os._exit(0)
