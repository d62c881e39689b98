"""Speech-to-text, language model and text-to-speech vendors at the benchmark's pace, over real sockets.

Run as a process of its own; the first line on standard output is a JSON object of their base URLs. They speak the
wire protocols of Deepgram's live streaming, OpenAI's chat completions and ElevenLabs' multi-context WebSocket.
"""

import asyncio
import base64
import json
import socket
import sys
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvloop
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks import mulaw
from benchmarks.script import (
    AUDIO_CHUNK_SECONDS,
    AUDIO_SPEED,
    FINAL_DELAY_SECONDS,
    FIRST_AUDIO_SECONDS,
    FIRST_TOKEN_SECONDS,
    FRAME_SAMPLES,
    FRAME_SECONDS,
    REPLY_TOKENS,
    SAMPLE_RATE,
    TOKEN_SECONDS,
    SpeechEvent,
    caller_script,
)

HOST = "127.0.0.1"
PROBE_SAMPLES = 80
"""This much audio identifies a place in the script: its noise is nowhere the same."""
AUDIO_CHUNK_BYTES = int(AUDIO_CHUNK_SECONDS * SAMPLE_RATE)


class ScriptFollower:
    """Where a caller is in the script, told from the bytes of the audio alone.

    Audio may arrive in messages of any size of at least `PROBE_SAMPLES`; audio that was lost or altered on the way
    makes the follower look for its place anew.
    """

    def __init__(self) -> None:
        self._script = caller_script()
        self._audio = _script_audio()
        self._length = len(self._script.samples)
        self._position: int | None = None
        self.unrecognised = 0
        """Messages that are not in the script."""

    def hear(self, audio: bytes) -> list[tuple[SpeechEvent, float]]:
        """What was heard by the end of `audio`, and how many seconds before it the utterance began."""
        begin = self._position
        if begin is None or not self._audio.startswith(audio, begin):
            begin = self._find(audio)
        if begin is None:
            self._position = None
            return []
        end = begin + len(audio)
        self._position = end % self._length
        heard = []
        for frame in range(begin // FRAME_SAMPLES, end // FRAME_SAMPLES):
            event = self._script.events.get(frame % self._script.frame_count)
            if event is not None:
                heard.append((event, (frame % self._script.frame_count - event.start_frame) * FRAME_SECONDS))
        return heard

    def _find(self, audio: bytes) -> int | None:
        place = self._audio.find(audio[:PROBE_SAMPLES]) if len(audio) >= PROBE_SAMPLES else -1
        if place < 0:
            self.unrecognised += 1
            return None
        return place % self._length


@cache
def _script_audio() -> bytes:
    """The script in mu-law, twice: it repeats, and a message may cross its end."""
    return mulaw.encode(caller_script().samples) * 2


class SpeechToText(WSListener):
    """One connection to the speech-to-text vendor."""

    def __init__(self, utterance_end_seconds: float | None) -> None:
        self._follower = ScriptFollower()
        self._utterance_end_seconds = utterance_end_seconds
        self._heard_bytes = 0
        self._loop = asyncio.get_running_loop()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._hear(transport, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.TEXT:
            self._control(transport, json.loads(frame.get_payload_as_bytes()).get("type"))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._follower.unrecognised:
            print(f"speech-to-text: {self._follower.unrecognised} messages not of the script", file=sys.stderr)

    def _hear(self, transport: WSTransport, audio: bytes) -> None:
        self._heard_bytes += len(audio)
        now = self._heard_bytes / SAMPLE_RATE
        for event, ago in self._follower.hear(audio):
            start = max(0.0, now - ago)
            results = _results(event.text, start, now - start, final=event.final)
            if not event.final:
                _send(transport, results)
                continue
            self._loop.call_later(FINAL_DELAY_SECONDS, _send, transport, results)
            if self._utterance_end_seconds is not None:
                ended = {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": now}
                self._loop.call_later(self._utterance_end_seconds, _send, transport, json.dumps(ended))

    def _control(self, transport: WSTransport, kind: str | None) -> None:
        if kind == "Finalize":
            now = self._heard_bytes / SAMPLE_RATE
            _send(transport, _results("", now, 0.0, final=True, from_finalize=True))
        elif kind == "CloseStream":
            summary = {"type": "Metadata", "duration": self._heard_bytes / SAMPLE_RATE, "channels": 1}
            _send(transport, json.dumps(summary))
            transport.send_close()
            transport.disconnect()


def _results(text: str, start: float, duration: float, *, final: bool, from_finalize: bool = False) -> str:
    words = text.split()
    step = duration / max(1, len(words))
    return json.dumps(
        {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start,
            "duration": duration,
            "is_final": final,
            "speech_final": final,
            "from_finalize": from_finalize,
            "channel": {
                "alternatives": [
                    {
                        "transcript": text,
                        "confidence": 0.98,
                        "words": [
                            {
                                "word": word.lower(),
                                "punctuated_word": word,
                                "start": start + index * step,
                                "end": start + (index + 1) * step,
                                "confidence": 0.98,
                            }
                            for index, word in enumerate(words)
                        ],
                    }
                ]
            },
            "metadata": {"request_id": "benchmark", "model_uuid": "benchmark"},
        }
    )


def _send(transport: WSTransport, message: str) -> None:
    if not transport.is_disconnected:
        transport.send(WSMsgType.TEXT, message)


def _accept_speech_to_text(request: WSUpgradeRequest) -> SpeechToText | None:
    target = urlsplit(request.path.decode())
    query = parse_qs(target.query)
    if target.path != "/v1/listen" or query.get("encoding") != ["mulaw"] or query.get("sample_rate") != ["8000"]:
        print(f"speech-to-text: only mu-law at 8 kHz is understood, not {target.query}", file=sys.stderr)
        return None
    utterance_end = query.get("utterance_end_ms")
    return SpeechToText(int(utterance_end[0]) / 1000 if utterance_end else None)


class Context:
    """One context of a text-to-speech connection: text in order, its audio at the vendor's pace."""

    def __init__(self, identity: str, send: Callable[[str], None], on_closed: Callable[[], None]) -> None:
        self._identity = identity
        self._send = send
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._buffered = ""
        self._texts: deque[str] = deque()
        self._speaking = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: str, *, flush: bool) -> None:
        """Buffer `text`; speak what is buffered once it is to be flushed."""
        self._buffered += text
        if flush and self._buffered.strip():
            self._texts.append(self._buffered)
            self._buffered = ""
            if not self._speaking:
                self._speak_next()

    def close(self) -> None:
        """Speak what is left, then say that this was all."""
        self._closing = True
        self.add("", flush=True)
        if not self._speaking:
            self._finish()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._texts.clear()

    def _speak_next(self) -> None:
        self._speaking = True
        chunks = _spoken(self._texts.popleft())
        self._timer = self._loop.call_later(
            FIRST_AUDIO_SECONDS, self._speak, chunks, 0, self._loop.time() + FIRST_AUDIO_SECONDS
        )

    def _speak(self, chunks: tuple[dict[str, Any], ...], number: int, begin: float) -> None:
        self._send(json.dumps({**chunks[number], "contextId": self._identity}))
        number += 1
        if number < len(chunks):
            due = begin + number * AUDIO_CHUNK_SECONDS / AUDIO_SPEED
            self._timer = self._loop.call_at(due, self._speak, chunks, number, begin)
        elif self._texts:
            self._speak_next()
        else:
            self._speaking = False
            if self._closing:
                self._finish()

    def _finish(self) -> None:
        self._send(json.dumps({"isFinal": True, "contextId": self._identity}))
        self._on_closed()


@cache
def _spoken(text: str) -> tuple[dict[str, Any], ...]:
    """The messages that speak `text`, without their context: 100 ms of audio each, with the characters it speaks."""
    audio = mulaw.encode(caller_script().speak(text)) or b"\xff" * FRAME_SAMPLES
    chunks: list[dict[str, Any]] = []
    for offset in range(0, len(audio), AUDIO_CHUNK_BYTES):
        piece = audio[offset : offset + AUDIO_CHUNK_BYTES]
        first = round(len(text) * offset / len(audio))
        characters = text[first : round(len(text) * (offset + len(piece)) / len(audio))]
        step = len(piece) * 1000 / SAMPLE_RATE / max(1, len(characters))
        alignment = {
            "chars": list(characters),
            "charStartTimesMs": [round(index * step) for index in range(len(characters))],
            "charDurationsMs": [round(step)] * len(characters),
        }
        audio_base64 = base64.b64encode(piece).decode()
        chunks.append({"audio": audio_base64, "alignment": alignment, "normalizedAlignment": alignment})
    return tuple(chunks)


class TextToSpeech(WSListener):
    """One connection to the text-to-speech vendor."""

    def __init__(self, *, auto_mode: bool) -> None:
        self._auto_mode = auto_mode
        self._contexts: dict[str, Context] = {}

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._take(transport, json.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        for context in self._contexts.values():
            context.cancel()

    def _take(self, transport: WSTransport, message: dict[str, Any]) -> None:
        if message.get("close_socket"):
            transport.send_close()
            transport.disconnect()
            return
        identity = str(message.get("context_id") or message.get("contextId") or "default")
        context = self._contexts.get(identity)
        if context is None:
            context = self._contexts[identity] = Context(
                identity, lambda text: _send(transport, text), lambda: self._contexts.__delitem__(identity)
            )
        text = message.get("text") or ""
        if text or message.get("flush"):
            context.add(text, flush=self._auto_mode or bool(message.get("flush")))
        if message.get("close_context"):
            context.close()


def _accept_text_to_speech(request: WSUpgradeRequest) -> TextToSpeech | None:
    target = urlsplit(request.path.decode())
    query = parse_qs(target.query)
    if not target.path.endswith("/multi-stream-input") or query.get("output_format") != ["ulaw_8000"]:
        print(f"text-to-speech: only ulaw_8000 on many contexts is spoken, not {target.query}", file=sys.stderr)
        return None
    return TextToSpeech(auto_mode=query.get("auto_mode") == ["true"])


@cache
def _reply_chunks() -> tuple[bytes, ...]:
    return tuple(_completion_chunk({"role": "assistant", "content": token}) for token in REPLY_TOKENS)


def _completion_chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "benchmark",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


async def complete_chat(request: web.Request) -> web.StreamResponse:
    """OpenAI's `POST /v1/chat/completions`."""
    asked = await request.json()
    loop = asyncio.get_running_loop()
    begin = loop.time() + FIRST_TOKEN_SECONDS
    if not asked.get("stream"):
        message = {"role": "assistant", "content": "".join(REPLY_TOKENS)}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    try:
        await response.prepare(request)
        for number, chunk in enumerate(_reply_chunks()):
            await asyncio.sleep(max(0.0, begin + number * TOKEN_SECONDS - loop.time()))
            await response.write(chunk)
        await response.write(_completion_chunk({}, "stop") + b"data: [DONE]\n\n")
        await response.write_eof()
    except ConnectionResetError:
        return response
    return response


async def list_models(request: web.Request) -> web.Response:
    """OpenAI's `GET /v1/models`."""
    return web.json_response({"object": "list", "data": [{"id": "benchmark", "object": "model"}]})


def _listening_socket() -> socket.socket:
    listener = socket.create_server((HOST, 0), backlog=1024)
    listener.setblocking(False)
    return listener


async def main() -> None:
    sockets = [_listening_socket() for _ in range(3)]
    speech_to_text, language_model, text_to_speech = (f"http://{HOST}:{each.getsockname()[1]}" for each in sockets)
    _script_audio()
    await ws_create_server(_accept_speech_to_text, sock=sockets[0])
    await ws_create_server(_accept_text_to_speech, sock=sockets[2])
    application = web.Application()
    application.router.add_post("/v1/chat/completions", complete_chat)
    application.router.add_get("/v1/models", list_models)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, sockets[1]).start()
    print(
        json.dumps({"deepgram": speech_to_text, "openai": f"{language_model}/v1", "elevenlabs": text_to_speech}),
        flush=True,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
