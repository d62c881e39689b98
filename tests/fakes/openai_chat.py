"""A fake of OpenAI's `POST /v1/chat/completions` with streaming, and of the servers that speak the same.

From OpenAI's API reference "Create chat completion", "Chat completion chunk object" and guide "Error codes".
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import CIMultiDictProxy

from tests.fakes.server import FakeServer, drop


@dataclass
class Call:
    """A tool call of a scripted reply; the arguments are sent in `pieces` parts."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"
    pieces: int = 3


@dataclass
class Reply:
    """One scripted reply. Delays are in seconds.

    `status` other than 200 refuses with `error` (OpenAI's error object) and `headers`. `drop_after`: cut the
    connection after that many chunks (0: before the headers are sent). `stall_after`: send nothing more after that
    many chunks. `raw`: bytes sent instead of chunks. `done` False leaves `[DONE]` out, `finish_reason` None the reason.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    first_token_delay: float = 0.0
    token_delay: float = 0.0
    status: int = 200
    error: dict[str, Any] = field(default_factory=lambda: {"message": "Refused by the fake.", "type": "server_error"})
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    stall_after: int | None = None
    raw: bytes | None = None
    finish_reason: str | None = "stop"
    usage: bool = True
    done: bool = True


@dataclass
class Request:
    """What one request sent, and whether the client dropped it before its end."""

    body: dict[str, Any]
    headers: CIMultiDictProxy[str]
    peer: Any
    aborted: bool = False
    finished: bool = False


Replies = Sequence[Reply] | Callable[[dict[str, Any]], Reply]


class FakeOpenAIChat(FakeServer):
    """Gives the next of `replies` (the last one for ever), or what the function makes of the request's body.

    `url` ends in `/v1`. `accept_delay`: seconds before a request is looked at.
    """

    def __init__(self, replies: Replies = (Reply("Hello."),), *, accept_delay: float = 0.0) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.peers: set[Any] = set()
        """Client addresses, one for each connection."""
        self.probes = 0
        """Requests for the list of models."""
        self._replies = replies
        self._accept_delay = accept_delay

    async def __aenter__(self) -> "FakeOpenAIChat":
        await super().__aenter__()
        self.url += "/v1"
        return self

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/models", self._models), web.post("/v1/chat/completions", self._completions)]

    def _peer(self, request: web.Request) -> Any:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.peers.add(peer)
        return peer

    async def _models(self, request: web.Request) -> web.Response:
        self._peer(request)
        self.probes += 1
        self.seen()
        return web.json_response({"object": "list", "data": []})

    def _next(self, body: dict[str, Any]) -> Reply:
        if callable(self._replies):
            return self._replies(body)
        return self._replies[min(len(self.requests), len(self._replies)) - 1]

    async def _completions(self, http_request: web.Request) -> web.StreamResponse:
        request = Request(await http_request.json(), http_request.headers, self._peer(http_request))
        self.requests.append(request)
        self.open_connections += 1
        self.seen()
        try:
            await asyncio.sleep(self._accept_delay)
            reply = self._next(request.body)
            if reply.drop_after == 0:
                drop(http_request)
                return web.Response()
            if reply.status != 200:
                return web.json_response({"error": reply.error}, status=reply.status, headers=reply.headers)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(http_request)
            await self._stream(http_request, response, reply)
            request.finished = True
            return response
        except (asyncio.CancelledError, ConnectionError):
            request.aborted = True
            raise
        finally:
            self.open_connections -= 1
            self.seen()

    async def _stream(self, request: web.Request, response: web.StreamResponse, reply: Reply) -> None:
        await asyncio.sleep(reply.first_token_delay)
        if reply.raw is not None:
            await response.write(reply.raw)
        else:
            for number, chunk in enumerate(_chunks(reply), 1):
                await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                if number == reply.drop_after:
                    drop(request)
                    return
                if number == reply.stall_after:
                    await asyncio.Event().wait()
                await asyncio.sleep(reply.token_delay)
        if reply.done:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()


def _chunks(reply: Reply) -> list[dict[str, Any]]:
    """The role, the text token by token, the tool calls piece by piece, the reason, the usage."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    words = reply.text.split(" ")
    deltas += [{"content": word if number == 0 else f" {word}"} for number, word in enumerate(words) if reply.text]
    for index, call in enumerate(reply.calls):
        function = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
    size = max(1, max((len(call.arguments) // call.pieces + 1 for call in reply.calls), default=1))
    for start in range(0, max((len(call.arguments) for call in reply.calls), default=0), size):
        for index, call in enumerate(reply.calls):
            piece = call.arguments[start : start + size]
            if piece:
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if reply.finish_reason is not None:
        reason = "tool_calls" if reply.calls else reply.finish_reason
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if reply.usage:
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        chunks.append({**head, "choices": [], "usage": usage})
    return chunks
