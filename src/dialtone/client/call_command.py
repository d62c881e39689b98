"""`dialtone call`: a recorded caller holds a conversation, and the far end is written down."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from dialtone.client.conversation_view import ConversationView
from dialtone.client.speech_file import SpeechFileError, read_frames, silence_frame
from dialtone.client.track import write_stereo
from dialtone.client.web_call import DEFAULT_URL, CallEvent, NoServerError, WebCallClient, WebCallError
from dialtone.media.audio import FRAME_SECONDS, AudioFormat

EXIT_OK = 0
EXIT_CALL_FAILED = 1
EXIT_BAD_INPUT = 2

_SETTLED_SECONDS = 1.5
"""Quiet after the last answer that means the conversation has come to rest."""
_GREETING_SECONDS = 2.0
"""An assistant that has not begun to speak by then waits for the caller."""
_FIND_IT = "start it with `dialtone serve`, or name its address with --url, or its port with DIALTONE_PORT"
_SENT_MESSAGE = "the call ended before the file was spoken to its end"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `dialtone call`."""
    parser.add_argument("--assistant", required=True, metavar="ID", help="the assistant to call")
    parser.add_argument("--wav", required=True, type=Path, help="what the caller says: a 16-bit WAV file")
    parser.add_argument("--out", required=True, type=Path, help="stereo WAV to write: caller left, assistant right")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, nothing else")
    port = os.environ.get("DIALTONE_PORT")
    here = f"http://127.0.0.1:{port}" if port else DEFAULT_URL
    parser.add_argument("--url", default=here, help="the server; its port is DIALTONE_PORT's (default: %(default)s)")
    parser.add_argument("--api-key", default=None, help="default: the environment variable DIALTONE_API_KEY")
    parser.add_argument("--encoding", choices=("pcm_s16le", "mulaw"), default="pcm_s16le")
    parser.add_argument("--sample-rate", type=int, choices=(8000, 16000, 24000), help="default: 16000, with mulaw 8000")
    parser.add_argument("--at-once", action="store_true", help="speak without hearing the greeting out")
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for an answer after the last word (default: %(default)g)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command. Returns the exit code: 0 a call was held, 1 it failed, 2 the input can't be used."""
    try:
        return asyncio.run(_call(arguments))
    except SpeechFileError as problem:
        return _complain(problem, EXIT_BAD_INPUT)
    except NoServerError as problem:
        return _complain(f"{problem}: {_FIND_IT}", EXIT_CALL_FAILED)
    except WebCallError as problem:
        return _complain(problem, EXIT_CALL_FAILED)
    except KeyboardInterrupt:
        return 130


def _complain(problem: Exception | str, code: int) -> int:
    sys.stderr.write(f"dialtone call: {problem}\n")
    return code


def _audio_format(arguments: argparse.Namespace) -> AudioFormat:
    rate = arguments.sample_rate or (8000 if arguments.encoding == "mulaw" else 16000)
    if arguments.encoding == "mulaw" and rate != 8000:
        raise SpeechFileError(f"--sample-rate: must be 8000 with --encoding mulaw (got {rate})")
    return AudioFormat(arguments.encoding, rate)


async def _call(arguments: argparse.Namespace) -> int:
    audio = _audio_format(arguments)
    frames = await asyncio.to_thread(read_frames, arguments.wav, audio)
    out_directory = arguments.out.resolve().parent
    if not out_directory.is_dir():
        raise SpeechFileError(f"--out: there is no directory {out_directory}")
    api_key = arguments.api_key or os.environ.get("DIALTONE_API_KEY", "")
    view = ConversationView()
    async with WebCallClient(arguments.url, api_key, audio) as call:
        await call.start({"assistant_id": arguments.assistant})
        if not arguments.json:
            _print(f"call {call.call_id}")
        listening = asyncio.create_task(_listen(call, view, quiet=arguments.json))
        talking = asyncio.create_task(_talk(call, view, frames, arguments.timeout, at_once=arguments.at_once))
        await asyncio.wait([listening, talking], return_when=asyncio.FIRST_COMPLETED)
        spoken = talking.done() and talking.result()
        talking.cancel()
        await call.hang_up()
        await asyncio.wait([listening], timeout=15)
        await call.close()
        await listening
    try:
        await asyncio.to_thread(
            write_stereo, arguments.out, call.caller.samples(), call.assistant.samples(), audio.sample_rate
        )
    except OSError as problem:
        raise SpeechFileError(f"{arguments.out}: {problem.strerror}") from problem
    if not spoken and view.end_reason is None:
        view.errors.append(_SENT_MESSAGE)
    _report(arguments, call.call_id, view)
    return EXIT_CALL_FAILED if view.end_reason in (None, "error", "rejected") else EXIT_OK


async def _talk(
    call: WebCallClient, view: ConversationView, frames: list[bytes], patience: float, *, at_once: bool
) -> bool:
    """Hear the greeting out (unless `at_once`), speak the file on an absolute schedule, then stay silent until the
    conversation rests. False if cut short.
    """
    loop = asyncio.get_running_loop()
    silence = silence_frame(call.audio)
    began, count, spoken, spoken_until = loop.time(), 0, 0, 0.0
    try:
        while spoken < len(frames) or not _at_rest(call.now, view, spoken_until, patience):
            may_speak = spoken or at_once or _greeting_is_over(call.now, view)
            if may_speak and spoken < len(frames):
                await call.send(frames[spoken])
                spoken, spoken_until = spoken + 1, call.now
            else:
                await call.send(silence)
            count += 1
            await asyncio.sleep(began + count * FRAME_SECONDS - loop.time())
    except WebCallError:
        return spoken >= len(frames)
    return True


def _greeting_is_over(now: float, view: ConversationView) -> bool:
    """The assistant has said its first words, or evidently leaves them to the caller."""
    if view.assistant_speaking:
        return False
    return bool(view.transcript) or now > _GREETING_SECONDS


def _at_rest(now: float, view: ConversationView, spoken_until: float, patience: float) -> bool:
    quiet = now - max(spoken_until, view.changed_at)
    return quiet > (_SETTLED_SECONDS if view.at_rest else patience)


async def _listen(call: WebCallClient, view: ConversationView, *, quiet: bool) -> None:
    async for event in call.events():
        line = view.take(event)
        if not quiet:
            _show(event, line)


def _show(event: CallEvent, line: dict[str, Any] | None) -> None:
    if line is not None:
        cut = "  (interrupted)" if line.get("interrupted") else ""
        _print(f"{line['at']:8.2f}  {line['role']:<9}  {line['text']}{cut}")
    elif event.type == "tool_used":
        _print(f"{event.at:8.2f}  tool       {event.fields['name']}")
    elif event.type == "tool_answered" and event.fields["failed"]:
        _print(f"{event.at:8.2f}  tool       {event.fields['name']} failed")
    elif event.type == "latency":
        _print(f"{'':8}  latency    {_waterfall(event.fields['latency'])}")
    elif event.type == "error":
        _print(f"{event.at:8.2f}  error      {event.fields['message']}")


def _waterfall(latency: dict[str, Any]) -> str:
    measured = {name: value for name, value in latency.items() if type(value) in (int, float)}
    return ", ".join(f"{name} {value:.0f} ms" for name, value in measured.items())


def _report(arguments: argparse.Namespace, call_id: str, view: ConversationView) -> None:
    if arguments.json:
        result = {
            "call_id": call_id,
            "transcript": sorted(view.transcript, key=lambda line: line["at"]),
            "turns": view.turns,
            "end_reason": view.end_reason,
            "errors": view.errors,
            "out": str(arguments.out),
        }
        _print(json.dumps(result, ensure_ascii=False))
        return
    totals = [turn["total"] for turn in view.turns if turn.get("total") is not None]
    if totals:
        _print(f"answers: {len(totals)}, on average {sum(totals) / len(totals):.0f} ms after the caller's last word")
    _print(f"ended: {view.end_reason or 'the connection was lost'}; heard in {arguments.out}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
