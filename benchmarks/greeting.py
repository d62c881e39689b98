"""From the answer of a call to the first sound of its greeting, cached and not."""

import argparse
import asyncio
import json
from typing import Any

import uvloop

from benchmarks.caller import Caller
from benchmarks.callers import Switchboard, WebCall, script_frames, session
from benchmarks.dialtone_server import ASSISTANT, data_directory, fake_vendors, run_on_load_core, running_server
from benchmarks.measures import milliseconds, percentile
from benchmarks.script import SPEECH_SECONDS_PER_CHARACTER, prepare_speech

CALLS = 100
QUICK_CALLS = 20
GAP_SECONDS = 0.050
"""Between two calls, so that the end of one does not delay the next."""
GREETING = "Hello, this is the dental practice. How may I help you?"
GREETING_SECONDS = len(GREETING) * SPEECH_SECONDS_PER_CHARACTER + 1.0
"""Until the greeting was spoken whole, and can be kept."""


def run(quick: bool) -> dict[str, Any]:
    """Measure greetings one call at a time. Raises `ServerError` and `subprocess.CalledProcessError`."""
    prepare_speech()
    with fake_vendors() as vendors, data_directory() as data_dir, running_server(data_dir, vendors) as server:
        return run_on_load_core(
            "benchmarks.greeting",
            f"--server={server.url}",
            f"--key={server.key}",
            f"--assistant={server.create_assistant({**ASSISTANT, 'first_message': GREETING})}",
            f"--calls={QUICK_CALLS if quick else CALLS}",
            timeout=300,
        )


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Hold `options.calls` calls with the same greeting, then as many with one of their own each."""
    frames = script_frames()
    async with session(options.key) as http:
        same = Switchboard(http, options.server, {"assistant_id": options.assistant})
        await _greet(same, frames, listen_seconds=GREETING_SECONDS)
        cached = [await _greet(same, frames) for _ in range(options.calls)]
        uncached = []
        for number in range(options.calls):
            message = f"Hello, you are caller number {number}. How may I help you?"
            request = {"assistant_id": options.assistant, "assistant_override": {"first_message": message}}
            uncached.append(await _greet(Switchboard(http, options.server, request), frames))
    return {
        "cached_p50_ms": milliseconds(percentile(cached, 50)),
        "cached_p95_ms": milliseconds(percentile(cached, 95)),
        "uncached_p50_ms": milliseconds(percentile(uncached, 50)),
        "uncached_p95_ms": milliseconds(percentile(uncached, 95)),
        "runs": options.calls,
    }


async def _greet(switchboard: Switchboard, frames: list[bytes], listen_seconds: float = 0.0) -> float:
    """Seconds from the accepted WebSocket to the first sound, after which the caller listens on, then hangs up."""
    call: WebCall = await switchboard.dial(Caller(0, frames))
    waited = await call.wait_first_audio()
    await asyncio.sleep(listen_seconds)
    call.hang_up()
    await call.wait_over()
    await asyncio.sleep(GAP_SECONDS)
    return waited


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, help="base URL")
    parser.add_argument("--key", required=True)
    parser.add_argument("--assistant", required=True, help="id of an assistant with a greeting")
    parser.add_argument("--calls", type=int, required=True)
    print(json.dumps(await measure(parser.parse_args())), flush=True)


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
