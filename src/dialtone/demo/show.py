"""Starts a server, lets the recorded caller hold its conversation, shows it, and keeps the server up."""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from dialtone.client.conversation_view import ConversationView
from dialtone.client.web_call import CallEvent, WebCallClient, WebCallError
from dialtone.demo import restaurant
from dialtone.demo.caller import RecordedCaller
from dialtone.demo.picture import draw
from dialtone.media.audio import PCM_16K, AudioFormat
from dialtone.media.convert import Converter
from dialtone.providers import local
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors

CALLER_VOICE = {"provider": "local", "model": "espeak-ng", "voice_id": "en-us+f3", "speed": 0.9}
START_SECONDS = 60.0
CALL_SECONDS = 180.0


class DemoError(Exception):
    """The demo can't be shown. `str()` says why."""


def main(arguments: Sequence[str]) -> int:
    """Run the demo. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="dialtone demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="a free one is taken if it is in use (%(default)s)")
    parser.add_argument("--data-dir", type=Path, default=None, help="default: demo below DIALTONE_DATA_DIR (or ./data)")
    parser.add_argument(
        "--out", type=Path, default=Path("demo-output"), help="where the recording and its picture go (%(default)s)"
    )
    parser.add_argument("--exit", action="store_true", help="stop after the call instead of staying up")
    options = parser.parse_args(arguments)
    if options.data_dir is None:
        options.data_dir = Path(os.environ.get("DIALTONE_DATA_DIR", "data")) / "demo"
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_demo(options))
    except (DemoError, WebCallError, ProviderError, OSError) as problem:
        print(f"dialtone demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


async def _demo(options: argparse.Namespace) -> int:
    api_key = _api_key(options.data_dir)
    async with _tool_server() as tool_url, _server(options, api_key) as (server, url):
        print(f"The server is up at {url}. The recorded caller is learning its lines.", flush=True)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {api_key}"}) as http:
            assistant_id = await _assistant(http, url, tool_url)
            speech = await _caller_speech(options.data_dir)
            view, call_id, turns = await _hold_call(url, api_key, assistant_id, speech)
            recording = await _save(http, url, call_id, view, turns, options.out)
        _sum_up(view, turns, recording)
        if options.exit:
            return 0 if view.end_reason == "assistant_hangup" else 1
        print(
            f"\nThe server stays up at {url} (Ctrl-C stops it). Call it yourself:\n"
            f"  DIALTONE_API_KEY={api_key} ./dev run call --url {url} --assistant {assistant_id} "
            f"--wav YOUR.wav --out call.wav\n"
            "This was demo quality, with no key and nothing downloaded: pocketsphinx listens, a script thinks,\n"
            "espeak-ng speaks. With DEEPGRAM_API_KEY, OPENAI_API_KEY and ELEVENLABS_API_KEY set, new assistants use "
            "those vendors.",
            flush=True,
        )
        code = await server.wait()
        print(f"dialtone demo: the server ended with code {code}", file=sys.stderr)
        return code


def _api_key(data_dir: Path) -> str:
    """The key of the environment, or one of the demo's own that stays the same."""
    if given := os.environ.get("DIALTONE_API_KEY"):
        return given
    kept = data_dir / "demo-api-key"
    if not kept.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(f"fl_demo_{secrets.token_hex(24)}")
    return kept.read_text().strip()


@contextlib.asynccontextmanager
async def _tool_server() -> AsyncIterator[str]:
    """The restaurant's own system, on a free port of this machine."""
    app = web.Application()
    app.router.add_post("/book_table", restaurant.book_table)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/book_table"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _server(options: argparse.Namespace, api_key: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`dialtone serve` as a process of its own, ready."""
    environment = {**os.environ, "DIALTONE_API_KEY": api_key, "DIALTONE_ALLOW_PRIVATE_ADDRESSES": "true"}
    environment.setdefault("DIALTONE_LOG_LEVEL", "ERROR")
    port = options.port if _is_free(options.port) else 0
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialtone.cli", "serve", "--port", str(port), "--data-dir", str(options.data_dir)),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        url = await asyncio.wait_for(_address(server), START_SECONDS)
        yield server, url
    except TimeoutError:
        raise DemoError(f"the server was not up after {START_SECONDS:.0f} seconds") from None
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def _address(server: asyncio.subprocess.Process) -> str:
    assert server.stdout is not None
    async for line in server.stdout:
        words = line.decode().split()
        if words[:3] == ["Dialtone", "listens", "on"]:
            return words[3]
    raise DemoError("the server ended before it was up; the lines above say why")


async def _assistant(http: aiohttp.ClientSession, url: str, tool_url: str) -> str:
    """The demo's assistant, made or brought up to date."""
    body = restaurant.assistant(tool_url)
    listed = await _request(http, "GET", f"{url}/api/v1/assistants")
    known = [item["id"] for item in listed["assistants"] if item["name"] == restaurant.NAME]
    if known:
        await _request(http, "PATCH", f"{url}/api/v1/assistants/{known[0]}", body)
        return str(known[0])
    made = await _request(http, "POST", f"{url}/api/v1/assistants", body)
    return str(made["assistant"]["id"])


async def _request(http: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> Any:
    async with http.request(method, url, json=body) as response:
        answer = await response.json()
        if response.status >= 400:
            raise DemoError(f"{method} {url} answered {response.status}: {json.dumps(answer)}")
        return answer


async def _caller_speech(data_dir: Path) -> dict[str, bytes]:
    """Every line of the caller, recorded."""
    async with aiohttp.ClientSession() as http:
        voice = local.text_to_speech(CALLER_VOICE, Vendors(http, {}, {}, data_dir))
        audio = voice.output_format(PCM_16K)
        session = await voice.open(audio)
        try:
            return {line: await _record(session, audio, line) for line in restaurant.CALLER_LINES}
        finally:
            await session.close()
            await local.close_local()


async def _record(session: Any, audio: AudioFormat, line: str) -> bytes:
    utterance = session.speak()
    utterance.push(line)
    utterance.finish()
    converter = Converter(audio, PCM_16K)
    spoken = b"".join([converter.process(chunk.audio) async for chunk in utterance])
    return spoken + converter.flush()


async def _hold_call(
    url: str, api_key: str, assistant_id: str, speech: dict[str, bytes]
) -> tuple[ConversationView, str, list[dict[str, Any]]]:
    turns: list[dict[str, Any]] = []

    def show(event: CallEvent, view: ConversationView) -> None:
        if event.type == "latency":
            turns.append({**event.fields["latency"], "at": event.at})
        _show(event)

    async with WebCallClient(url, api_key, PCM_16K) as call:
        await call.start({"assistant_id": assistant_id})
        view = await asyncio.wait_for(RecordedCaller(call, speech, show).converse(), CALL_SECONDS)
        return view, call.call_id, turns


def _show(event: CallEvent) -> None:
    """One line on the screen for each thing that happens, as it happens."""
    fields = event.fields
    match event.type:
        case "transcript" if fields["final"] and fields["text"]:
            text = f"caller     {fields['text']}"
        case "assistant_text":
            text = f"assistant  {fields['text']}"
        case "tool_used":
            text = f"tool       {fields['name']}"
        case "latency":
            parts = [f"{name} {value:.0f}" for name, value in fields["latency"].items() if value is not None]
            text = f"latency    {', '.join(parts)} ms"
        case "error":
            text = f"error      {fields['message']}"
        case "end":
            text = f"end        {fields['end_reason']}"
        case _:
            return
    print(f"{event.at:7.2f} s  {text}", flush=True)


async def _save(
    http: aiohttp.ClientSession,
    url: str,
    call_id: str,
    view: ConversationView,
    turns: list[dict[str, Any]],
    directory: Path,
) -> Path:
    """Fetch the server's own recording, and draw it."""
    record = await _ended_record(http, f"{url}/api/v1/calls/{call_id}")
    if not record.get("recording_url"):
        raise DemoError("the call was not recorded (is DIALTONE_RECORDING off?)")
    recording = directory / "call.wav"
    async with http.get(record["recording_url"]) as response:
        recording.write_bytes(await response.read())
    title = f"A call to {restaurant.PLACE}: {len(turns)} answers, ended by {record['end_reason']}"
    draw(recording, directory / "call.png", view.transcript, turns, title)
    return recording


async def _ended_record(http: aiohttp.ClientSession, url: str) -> Any:
    for _ in range(100):
        record = await _request(http, "GET", url)
        if record["status"] == "ended":
            return record
        await asyncio.sleep(0.1)
    raise DemoError(f"the call's record did not end: {record['status']}")


def _sum_up(view: ConversationView, turns: list[dict[str, Any]], recording: Path) -> None:
    totals = sorted(turn["total"] for turn in turns if turn.get("total") is not None)
    answered = f", answered after {totals[len(totals) // 2]:.0f} ms in the middle" if totals else ""
    print(
        f"\n{len(turns)} turns{answered}; ended by {view.end_reason}.\n"
        f"Recording: {recording} (caller left, assistant right)\nPicture:   {recording.with_suffix('.png')}",
        flush=True,
    )
