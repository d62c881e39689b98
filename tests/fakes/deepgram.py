"""A fake of Deepgram's streaming speech-to-text, wss://api.deepgram.com/v1/listen.

From Deepgram's pages "Live Audio" (query, messages), "Audio Keep Alive" (NET-0001 after 10 s without a message),
"Utterance End", "Speech Started" and "STT Troubleshooting WebSocket, NET, and DATA Errors".
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from multidict import CIMultiDictProxy, MultiDictProxy

from tests.fakes.server import FakeServer, drop


class Drop:
    """Cuts the connection."""


Event = dict[str, Any] | str | bytes | Drop
"""A message to send: an object as JSON, a str as a text, bytes as a binary message. `Drop` cuts the connection."""
Script = Sequence[tuple[float, Event]]
"""Events by the seconds of audio at which they are sent."""


def results(
    text: str,
    start: float,
    end: float,
    *,
    is_final: bool,
    speech_final: bool = False,
    from_finalize: bool = False,
    languages: Sequence[str] = (),
    padding: float = 0.0,
) -> dict[str, Any]:
    """A `Results` message: words spread evenly from `start` to `end`, `padding` seconds of silence after them."""
    words = text.split()
    step = (end - start) / len(words) if words else 0.0
    alternative: dict[str, Any] = {
        "transcript": text,
        "confidence": 0.98 if words else 0.0,
        "words": [
            {
                "word": word.strip(".,?!").lower(),
                "start": start + step * number,
                "end": start + step * (number + 1),
                "confidence": 0.98,
                "punctuated_word": word,
            }
            for number, word in enumerate(words)
        ],
    }
    if languages:
        alternative["languages"] = list(languages)
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": end - start + padding,
        "start": start,
        "is_final": is_final,
        "speech_final": speech_final,
        "from_finalize": from_finalize,
        "channel": {"alternatives": [alternative]},
        "metadata": {"request_id": "8c8ebea9-dbec-45fa-a035-e4632cb05b5f", "model_info": {"name": "nova-3"}},
    }


def interim(text: str, start: float = 0.0, end: float = 1.0) -> dict[str, Any]:
    return results(text, start, end, is_final=False)


def final(text: str, start: float, end: float, *, speech_final: bool = True, **more: Any) -> dict[str, Any]:
    return results(text, start, end, is_final=True, speech_final=speech_final, **more)


def utterance_end(last_word_end: float) -> dict[str, Any]:
    return {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last_word_end}


def speech_started(timestamp: float) -> dict[str, Any]:
    return {"type": "SpeechStarted", "channel": [0], "timestamp": timestamp}


@dataclass
class Connection:
    """What one client connection sent."""

    query: MultiDictProxy[str]
    headers: CIMultiDictProxy[str]
    audio: bytearray = field(default_factory=bytearray)
    audio_bytes: int = 0
    chunk_sizes: list[int] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    @property
    def audio_seconds(self) -> float:
        sample_bytes = 1 if self.query.get("encoding") == "mulaw" else 2
        return self.audio_bytes / (int(self.query.get("sample_rate", "8000")) * sample_bytes)

    @property
    def message_types(self) -> list[Any]:
        return [message.get("type") for message in self.messages]


class FakeDeepgram(FakeServer):
    """Answers each connection by `script`: a list, or a function of the connection's number that gives one.

    `refuse`: HTTP status instead of the upgrade. `accept_delay`, `reply_delay`: seconds before the upgrade and before
    each event. `drop_after`: seconds of audio after which the connection is cut, or closed with `close_with`.
    `idle_seconds`: silence after which a client is closed with NET-0001. `stop_reading`: seconds of audio after which
    nothing more is read. `keep_audio` False records only how much audio came.
    """

    def __init__(
        self,
        script: Script | Callable[[int], Script] = (),
        *,
        refuse: int | None = None,
        accept_delay: float = 0.0,
        reply_delay: float = 0.0,
        drop_after: float | None = None,
        close_with: tuple[int, str] | None = None,
        idle_seconds: float = 10.0,
        stop_reading: float | None = None,
        keep_audio: bool = True,
    ) -> None:
        super().__init__()
        self.connections: list[Connection] = []
        self.refuse = refuse
        self._script = script
        self._accept_delay = accept_delay
        self._reply_delay = reply_delay
        self._drop_after = drop_after
        self._close_with = close_with
        self._idle_seconds = idle_seconds
        self._stop_reading = stop_reading
        self._keep_audio = keep_audio

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/listen", self._listen)]

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._accept_delay)
        if self.refuse is not None:
            reply = {"err_code": "REFUSED", "err_msg": "Refused by the fake.", "request_id": "8c8ebea9"}
            return web.json_response(reply, status=self.refuse)
        if not request.headers.get("Authorization", "").startswith("Token "):
            reply = {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials.", "request_id": "8c8ebea9"}
            return web.json_response(reply, status=401)
        connection = Connection(request.query, request.headers)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        number = len(self.connections)
        self.connections.append(connection)
        self.open_connections += 1
        self.seen()
        try:
            await self._serve(request, socket, connection, number)
        except ConnectionError:
            pass
        finally:
            connection.closed = True
            self.open_connections -= 1
            self.seen()
        return socket

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, connection: Connection, number: int
    ) -> None:
        script = list(self._script(number) if callable(self._script) else self._script)
        while True:
            reached = connection.audio_seconds
            until = reached if self._drop_after is None else min(reached, self._drop_after)
            while script and until >= script[0][0]:
                event = script.pop(0)[1]
                if isinstance(event, Drop):
                    drop(request)
                    return
                await self._send(socket, event)
            if until == self._drop_after:
                await self._end(request, socket)
                return
            if self._stop_reading is not None and connection.audio_seconds >= self._stop_reading:
                await asyncio.Event().wait()
            try:
                message = await socket.receive(timeout=self._idle_seconds)
            except TimeoutError:
                await socket.close(code=1011, message=b"NET-0001")
                return
            if message.type == WSMsgType.BINARY:
                connection.audio_bytes += len(message.data)
                connection.chunk_sizes.append(len(message.data))
                if self._keep_audio:
                    connection.audio += message.data
            elif message.type == WSMsgType.TEXT:
                connection.messages.append(json.loads(message.data))
                if connection.message_types[-1] == "CloseStream":
                    await self._close_stream(socket, connection)
                    return
            else:
                return
            self.seen()

    async def _end(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        if self._close_with is None:
            drop(request)
        else:
            await socket.close(code=self._close_with[0], message=self._close_with[1].encode())

    async def _send(self, socket: web.WebSocketResponse, event: dict[str, Any] | str | bytes) -> None:
        await asyncio.sleep(self._reply_delay)
        if isinstance(event, bytes):
            await socket.send_bytes(event)
        else:
            await socket.send_str(event if isinstance(event, str) else json.dumps(event))

    async def _close_stream(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        if not socket.closed:
            await self._send(socket, {"type": "Metadata", "duration": connection.audio_seconds, "channels": 1})
            await socket.close()
