"""A fake of ElevenLabs' two multi-context WebSockets, text-to-speech and text-to-dialogue.

From ElevenLabs' API reference pages "Multi-Context WebSocket" and "WebSocket" (text-to-dialogue) and its guide
"Multi-Context Websocket": contexts, flush, close_context (what was flushed is still spoken), keep-alive by an empty
text, at most 5 contexts, alignment by chunk; camel case in the first protocol, snake case in the second.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web
from multidict import CIMultiDictProxy, MultiDictProxy

from dialtone.media.audio import AudioFormat
from tests.fakes.server import FakeServer, drop

SECONDS_PER_CHARACTER = 0.065
CHUNK_SECONDS = 0.25

FORMATS = {
    "ulaw_8000": AudioFormat("mulaw", 8000),
    **{f"pcm_{rate}": AudioFormat("pcm_s16le", rate) for rate in (8000, 16000, 22050, 24000, 44100)},
}


@cache
def voice_second(audio: AudioFormat) -> bytes:
    """One second that repeats without a seam: a 200 Hz tone with overtones, in syllables of a quarter second."""
    time = np.arange(audio.sample_rate) / audio.sample_rate
    tone = sum(np.sin(2 * np.pi * 200 * n * time) / n for n in (1, 2, 3))
    samples = (8000 * tone * np.sin(np.pi * 4 * time) ** 2).astype(np.int16)
    return _mulaw(samples) if audio.encoding == "mulaw" else samples.astype("<i2").tobytes()


def _mulaw(samples: np.ndarray) -> bytes:
    """G.711 mu-law (ITU-T G.711, table 2a)."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    encoded: bytes = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()
    return encoded


@dataclass
class Connection:
    """What one client connection sent."""

    path: str
    query: MultiDictProxy[str]
    headers: CIMultiDictProxy[str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    def of(self, context: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("context_id") == context]


@dataclass
class _Context:
    buffer: str = ""
    flushed: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    closing: bool = False
    task: asyncio.Task[None] | None = None


class FakeElevenLabs(FakeServer):
    """Speaks a tone of 0.065 s for each character, `speed` times as fast as it lasts, after `first_audio_delay`.

    `refuse`: HTTP status instead of the upgrade. `drop_on_text`: numbers of the texts (1 = the first over all
    connections) on whose arrival the connection is cut. `drop_after_chunks`: cut once so many audio messages were sent
    on a connection; `close_with` closes with that code and reason instead of cutting. `error_on_text`: an error object
    sent for each text, followed by a close. `before_audio`: raw messages sent before the first audio. `align`: what is
    made of a message before it is sent (None drops its alignment). `idle_seconds`: silence after which a connection is
    closed. `silent`: never send audio.
    """

    def __init__(
        self,
        *,
        refuse: int | None = None,
        accept_delay: float = 0.0,
        first_audio_delay: float = 0.0,
        speed: float = 1000.0,
        drop_on_text: tuple[int, ...] = (),
        drop_after_chunks: int | None = None,
        close_with: tuple[int, str] | None = None,
        error_on_text: dict[str, Any] | None = None,
        before_audio: tuple[str, ...] = (),
        align: Callable[[dict[str, Any]], dict[str, Any]] | None = lambda message: message,
        idle_seconds: float | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__()
        self.connections: list[Connection] = []
        self.refuse = refuse
        self.texts = 0
        """Texts received so far."""
        self.accept_delay = accept_delay
        self.first_audio_delay = first_audio_delay
        self.speed = speed
        self.drop_on_text = drop_on_text
        self.drop_after_chunks = drop_after_chunks
        self.close_with = close_with
        self.error_on_text = error_on_text
        self.before_audio = before_audio
        self.align = align
        self.idle_seconds = idle_seconds
        self.silent = silent

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/text-to-speech/{voice}/multi-stream-input", self._handle),
            web.get("/v1/text-to-dialogue/multi-stream-input", self._handle),
        ]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.accept_delay)
        if self.refuse is not None:
            detail = {"status": "refused", "message": "Refused by the fake."}
            return web.json_response({"detail": detail}, status=self.refuse)
        if not request.headers.get("xi-api-key"):
            return web.json_response({"detail": {"status": "needs_authorization"}}, status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(request.path, request.query, request.headers)
        self.connections.append(connection)
        self.open_connections += 1
        self.seen()
        served = _Served(self, request, socket, connection)
        try:
            await served.run()
        except ConnectionError:
            pass
        finally:
            connection.closed = True
            self.open_connections -= 1
            self.seen()
            await served.stop()
        return socket


class _Served:
    """One connection being served."""

    def __init__(
        self, fake: FakeElevenLabs, request: web.Request, socket: web.WebSocketResponse, connection: Connection
    ) -> None:
        self._fake = fake
        self._request = request
        self._socket = socket
        self._connection = connection
        self._dialogue = "dialogue" in connection.path
        self._audio = FORMATS[connection.query["output_format"]]
        self._contexts: dict[str, _Context] = {}
        self._chunks = 0

    async def run(self) -> None:
        while True:
            try:
                message = await self._socket.receive(timeout=self._fake.idle_seconds)
            except TimeoutError:
                await self._socket.close(code=1008, message=b"No text within the timeout")
                return
            if message.type != WSMsgType.TEXT:
                return
            content = json.loads(message.data)
            self._connection.messages.append(content)
            self._fake.seen()
            if content.get("close_socket"):
                await self._socket.close()
                return
            if not await self._take(content):
                return

    async def stop(self) -> None:
        tasks = [context.task for context in self._contexts.values() if context.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, content: dict[str, Any]) -> bool:
        name = content.get("context_id", "default")
        context = self._contexts.get(name)
        if context is None:
            if content.get("close_context"):
                return True
            if self._dialogue and not content.get("voices"):
                return await self._refuse("missing_voices", "The first message of a context must register voices.")
            if len(self._contexts) >= 5:
                return await self._refuse("too_many_contexts", "Maximum simultaneous contexts exceeded (5).")
            context = self._contexts[name] = _Context()
            context.task = asyncio.get_running_loop().create_task(self._speak(name, context))
        elif context.closing:
            return await self._refuse("context_closing", "The context is closing.")
        text = "".join(each["text"] for each in content.get("inputs", ())) or content.get("text", "")
        context.buffer += text.lstrip() if not context.buffer else text
        if text.strip() and not await self._on_text():
            return False
        if (content.get("flush") or content.get("close_context")) and context.buffer:
            context.flushed.put_nowait(context.buffer)
            context.buffer = ""
        if content.get("close_context"):
            context.closing = True
            context.flushed.put_nowait(None)
        return True

    async def _on_text(self) -> bool:
        self._fake.texts += 1
        if self._fake.error_on_text is not None:
            await self._socket.send_str(json.dumps(self._fake.error_on_text))
            await self._socket.close(code=self._fake.error_on_text.get("code", 1008))
            return False
        if self._fake.texts in self._fake.drop_on_text:
            await self._cut()
            return False
        return True

    async def _refuse(self, error: str, message: str) -> bool:
        await self._socket.send_str(json.dumps({"message": message, "error": error, "code": 1008}))
        await self._socket.close(code=1008, message=message.encode())
        return False

    async def _cut(self) -> None:
        if self._fake.close_with is None:
            drop(self._request)
        else:
            await self._socket.close(code=self._fake.close_with[0], message=self._fake.close_with[1].encode())

    async def _speak(self, name: str, context: _Context) -> None:
        first = True
        while (text := await context.flushed.get()) is not None:
            if self._fake.silent:
                continue
            if first:
                first = False
                await asyncio.sleep(self._fake.first_audio_delay)
                for raw in self._fake.before_audio:
                    await self._socket.send_str(raw)
            await self._say(name, text)
        final = {"is_final": True, "context_id": name} if self._dialogue else {"isFinal": True, "contextId": name}
        del self._contexts[name]
        if not self._fake.silent:
            await self._socket.send_str(json.dumps(final))

    async def _say(self, name: str, text: str) -> None:
        per_chunk = max(1, round(CHUNK_SECONDS / SECONDS_PER_CHARACTER))
        for start in range(0, len(text), per_chunk):
            piece = text[start : start + per_chunk]
            message = self._message(name, piece)
            if self._fake.align is None:
                message["alignment"] = None
            else:
                message = self._fake.align(message)
            await self._socket.send_str(json.dumps(message))
            self._chunks += 1
            if self._chunks == self._fake.drop_after_chunks:
                await self._cut()
                await asyncio.Event().wait()
            await asyncio.sleep(len(piece) * SECONDS_PER_CHARACTER / self._fake.speed)

    def _message(self, name: str, piece: str) -> dict[str, Any]:
        samples = round(len(piece) * SECONDS_PER_CHARACTER * self._audio.sample_rate)
        second = voice_second(self._audio)
        byte_count = samples * self._audio.sample_bytes
        audio = (second * (byte_count // len(second) + 1))[:byte_count]
        each = round(SECONDS_PER_CHARACTER * 1000)
        starts = [each * number for number in range(len(piece))]
        names = (
            ("char_start_times_ms", "char_durations_ms") if self._dialogue else ("charStartTimesMs", "charDurationsMs")
        )
        alignment = {"chars": list(piece), names[0]: starts, names[1]: [each] * len(piece)}
        encoded = base64.b64encode(audio).decode()
        if self._dialogue:
            return {"audio": encoded, "alignment": alignment, "context_id": name}
        normalized = {**alignment, "chars": list(piece.upper())}
        return {"audio": encoded, "alignment": alignment, "normalizedAlignment": normalized, "contextId": name}
