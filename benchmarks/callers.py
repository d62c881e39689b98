"""The load generator: holds many web calls with a Dialtone server and measures them from the callers' side.

Run as a process of its own; prints one JSON object.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks import mulaw, processes
from benchmarks.caller import Caller, Schedule
from benchmarks.measures import analyse, milliseconds, percentile
from benchmarks.script import FRAME_SAMPLES, caller_script

SETUP_GAP_SECONDS = 0.030
REHEARSAL_SECONDS = 6.0
REHEARSAL_LEAD_FRAMES = 75
"""The rehearsal's caller enters the script this long before the end of a turn."""
SETTLE_SECONDS = 1.5
READY_SECONDS = 15.0
GENERATOR_LATE_MS = 5.0
"""A load generator later than this at p99 measures itself, not the server."""


class WebCallError(Exception):
    """The server did not take, or did not keep, a call; `str()` says why."""


class WebCall(WSListener):
    """One caller on a WebSocket of the server."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.opened_at = 0.0
        self.first_audio_at: float | None = None
        self.ended: str | None = None
        self._ready = asyncio.Event()
        self._heard = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.opened_at = time.monotonic()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._hear(frame.payload_size)
        elif frame.msg_type == WSMsgType.TEXT:
            self._take(json.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.CLOSE:
            self.ended = self.ended or str(frame.get_close_reason())
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.caller.stop()
        self.ended = self.ended or "the connection was lost"
        self._ready.set()
        self._heard.set()

    def _hear(self, size: int) -> None:
        for _ in range(max(1, size // FRAME_SAMPLES)):
            self.caller.hear_frame()
        if self.first_audio_at is None:
            self.first_audio_at = time.monotonic()
            self._heard.set()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "ready":
            self._ready.set()
        elif message["type"] == "end" or message.get("fatal"):
            self.ended = json.dumps(message)

    async def wait_ready(self) -> None:
        """Until the server has taken the call. Raises `WebCallError` and `TimeoutError`."""
        await asyncio.wait_for(self._ready.wait(), READY_SECONDS)
        self._check()

    async def wait_first_audio(self) -> float:
        """Seconds from the accepted WebSocket to its first audio. Raises `WebCallError` and `TimeoutError`."""
        await asyncio.wait_for(self._heard.wait(), READY_SECONDS)
        self._check()
        assert self.first_audio_at is not None
        return self.first_audio_at - self.opened_at

    def _check(self) -> None:
        if self.ended is not None:
            raise WebCallError(self.ended)

    def speak(self, schedule: Schedule) -> None:
        """Let the caller speak the script."""
        self.caller.start(self._send, schedule)

    def _send(self, frame: bytes) -> None:
        self._transport.send(WSMsgType.BINARY, frame)

    def hang_up(self) -> None:
        self.caller.stop()
        if self.ended is None:
            self._transport.send(WSMsgType.TEXT, '{"type": "hang_up"}')

    async def wait_over(self) -> None:
        """Until the server has closed the connection, at most a few seconds."""
        try:
            await asyncio.wait_for(self._transport.wait_disconnected(), READY_SECONDS)
        except TimeoutError:
            self._transport.disconnect(graceful=False)


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Dials the server."""

    http: aiohttp.ClientSession
    server: str
    assistant: dict[str, Any]
    """The assistant's part of the request for a web call."""

    async def dial(self, caller: Caller) -> WebCall:
        """Open a call and wait until the server is ready for it. Raises `WebCallError` where it refuses."""
        async with self.http.post(f"{self.server}/api/v1/web-calls", json=self.assistant) as response:
            if response.status not in (200, 201):
                raise WebCallError(f"POST /web-calls: {response.status} {await response.text()}")
            grant = await response.json()
        query = urlencode({"token": grant["token"], "encoding": "mulaw", "sample_rate": 8000})
        call = WebCall(caller)
        await ws_connect(lambda: call, f"{grant['server_url']}?{query}")
        await call.wait_ready()
        return call


def script_frames() -> list[bytes]:
    """The script in mu-law, one entry per 20 ms."""
    audio = mulaw.encode(caller_script().samples)
    return [audio[offset : offset + FRAME_SAMPLES] for offset in range(0, len(audio), FRAME_SAMPLES)]


async def rehearse(switchboard: Switchboard, schedule: Schedule, frames: list[bytes]) -> None:
    """Hold one call through one turn, so that the server has loaded all that a call needs."""
    first_frame = caller_script().turns[0].end - REHEARSAL_LEAD_FRAMES
    call = await switchboard.dial(Caller(0, frames, first_frame))
    call.speak(schedule)
    await asyncio.sleep(REHEARSAL_SECONDS)
    if not call.caller.times.frames:
        raise WebCallError(f"the assistant did not answer the rehearsal's caller ({call.ended})")
    call.hang_up()
    await call.wait_over()
    await asyncio.sleep(SETTLE_SECONDS)


async def measure(switchboard: Switchboard, options: argparse.Namespace) -> dict[str, Any]:
    """Hold `options.calls` calls and measure them for `options.seconds` after the warm-up."""
    pid, core = options.server_pid, options.server_core
    frames = script_frames()
    schedule = Schedule()
    await rehearse(switchboard, schedule, frames)
    base_rss = processes.rss_mb(pid)
    calls = []
    for index in range(options.calls):
        call = await switchboard.dial(Caller(index, frames))
        call.speak(schedule)
        calls.append(call)
        await asyncio.sleep(SETUP_GAP_SECONDS)
    await asyncio.sleep(options.warm_up)
    warm_rss = processes.rss_mb(pid)
    frames_before = [len(call.caller.lateness) for call in calls]
    begin, reading = time.monotonic(), processes.CpuReading.take(pid, core)
    generator_cpu = time.process_time()
    await asyncio.sleep(options.seconds)
    end, later = time.monotonic(), processes.CpuReading.take(pid, core)
    generator_cpu = time.process_time() - generator_cpu
    lost = [call.ended for call in calls if call.ended is not None]
    for call in calls:
        call.hang_up()
    late = [value for call, skip in zip(calls, frames_before, strict=True) for value in call.caller.lateness[skip:]]
    generator_late = milliseconds(percentile(late, 99))
    await asyncio.gather(*(call.wait_over() for call in calls))
    return {
        "calls": options.calls,
        **analyse((call.caller.times for call in calls), begin, end).summary(),
        "cpu_ms_per_call_s": round(1000 * (later.process - reading.process) / (end - begin) / options.calls, 2),
        **later.since(reading, end - begin),
        "rss_per_call_mb": round((warm_rss - base_rss) / options.calls, 3),
        "base_rss_mb": round(base_rss, 1),
        "generator_late_p99_ms": generator_late,
        "generator_core_percent": round(100 * generator_cpu / (end - begin), 1),
        "generator_is_bottleneck": generator_late is None or generator_late > GENERATOR_LATE_MS,
        "lost_calls": len(lost),
        "lost_reasons": sorted(set(lost))[:5],
    }


def session(key: str) -> aiohttp.ClientSession:
    """An HTTP client of the server's API."""
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"})


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, help="base URL")
    parser.add_argument("--key", required=True)
    parser.add_argument("--assistant", required=True, help="id")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True, help="seconds")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--server-core", type=int, required=True)
    options = parser.parse_args()
    async with session(options.key) as http:
        switchboard = Switchboard(http, options.server, {"assistant_id": options.assistant})
        try:
            print(json.dumps(await measure(switchboard, options)), flush=True)
        except WebCallError as error:
            raise SystemExit(f"callers: {error}") from None


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
