"""Where WebSocket callers come in: the upgrade of the HTTP connection, the token, the way to the call.

The door is uvicorn's WebSocket protocol, so that calls share the port of the HTTP API, and frames go through picows,
which reads and writes them in C.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from dialtone.lines.base import Line
from dialtone.lines.websocket import messages
from dialtone.lines.websocket.limits import Limits
from dialtone.lines.websocket.line import WebSocketLine
from dialtone.lines.websocket.socket_line import CLOSE_NOT_ADMITTED
from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_16K, PCM_24K, AudioFormat

PATHS = frozenset({"/api/v1/web-calls/stream", "/v1/web-calls/stream"})
FORMATS: dict[tuple[str, int], AudioFormat] = {
    (audio.encoding, audio.sample_rate): audio for audio in (PCM_8K, PCM_16K, PCM_24K, MULAW_8K)
}
TOKEN_CHARACTERS = 256

_SEND_BUFFER_BYTES = 32 * 1024
"""Of the kernel: small, so that a client which has stopped reading is noticed after seconds, not minutes."""
_HANDSHAKE_SECONDS = 5

_logger = logging.getLogger("dialtone.lines.websocket")
_picows_logger = logging.getLogger("dialtone.lines.websocket.picows")
_picows_logger.setLevel(logging.CRITICAL)
"""picows reports a client's mistakes as errors; the call's own record tells them."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The token is good. `start` takes the line over and is called exactly once, even if the client left meanwhile."""

    call_id: str
    start: Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The caller is not let in; `message` says why, in words for the client's author."""

    code: str
    message: str
    close_code: int = CLOSE_NOT_ADMITTED


Claim = Callable[[str, AudioFormat], Awaitable[Admission | Refusal]]
Answer = Callable[[str], WSListener | None]
"""The far end of a WebSocket that is to be opened at this path; None where there is none."""


class WebSocketDoor:
    """Lets WebSocket callers in. `claim` exchanges a token for an `Admission`, or says why not."""

    def __init__(self, claim: Claim, limits: Limits | None = None) -> None:
        self._claim = claim
        self._limits = limits or Limits()
        self._arriving: set[asyncio.Task[None]] = set()
        self._below: dict[str, Answer] = {}

    def serve_below(self, prefix: str, answer: Answer) -> None:
        """Have `answer` open the WebSockets whose path begins with `prefix`."""
        self._below[prefix] = answer

    def protocol(self, config: Any, server_state: Any, app_state: Any) -> asyncio.BaseProtocol:
        """What `uvicorn.Config(ws=door.protocol)` calls for each connection that asks for a WebSocket."""
        protocol: asyncio.BaseProtocol = _Protocol(self._answer, self._limits)
        return protocol

    async def close(self, seconds: float = 5.0) -> None:
        """Let the tokens that are being checked be answered, for at most `seconds`, then turn away whoever still
        waits. Calls that were admitted go on.
        """
        if self._arriving:
            await asyncio.wait(self._arriving, timeout=seconds)
        for task in self._arriving:
            task.cancel()
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _answer(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        target = urlsplit(request.path.decode("ascii", "replace"))
        if target.path not in PATHS:
            return self._answer_below(target.path)
        query = parse_qs(target.query, keep_blank_values=True)
        audio, problems = _audio_of(query)
        token = _one(query, "token", "")
        if not 0 < len(token) <= TOKEN_CHARACTERS:
            problems.append("token: is required; POST /api/v1/web-calls gives one")
        if problems or audio is None:
            return _refuse(
                400, "Invalid request", "invalid_request", "The address of the WebSocket is wrong.", problems
            )
        line = WebSocketLine(audio, self._limits, lambda opened: self._arrived(opened, token))
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(), line)

    def _answer_below(self, path: str) -> WSUpgradeResponseWithListener:
        answer = next((answer for prefix, answer in self._below.items() if path.startswith(prefix)), None)
        listener = None if answer is None else answer(path)
        if listener is None:
            return _refuse(404, "Not found", "not_found", f"No WebSocket is served at {path[:100]}.", [])
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(), listener)

    def _arrived(self, line: WebSocketLine, token: str) -> None:
        task = asyncio.get_running_loop().create_task(self._admit(line, token))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _admit(self, line: WebSocketLine, token: str) -> None:
        try:
            outcome = await self._claim(token, line.audio)
        except asyncio.CancelledError:
            line.fail("server_shutdown", "The server is shutting down.", 1001, end_reason="server_shutdown")
            await line.wait_disconnected()
            raise
        except Exception:
            _logger.exception("claiming a web call's token failed")
            outcome = Refusal("internal_error", "The server could not check the token.", 1011)
        if isinstance(outcome, Refusal):
            line.fail(outcome.code, outcome.message, outcome.close_code, end_reason="rejected")
            await line.wait_disconnected()
            return
        line.send_text(messages.ready(outcome.call_id, line.audio))
        try:
            outcome.start(line)
        except Exception:
            _logger.exception("an admitted web call could not be started")
            line.fail("internal_error", "The server could not start the call.", 1011)
            await line.wait_disconnected()


class _Protocol(WSProtocol):  # type: ignore[misc]
    """picows' server protocol, made to fit what uvicorn expects of a WebSocket protocol."""

    def __init__(self, answer: Callable[[WSUpgradeRequest], WSUpgradeResponseWithListener], limits: Limits) -> None:
        super().__init__(
            "",  # host and path are of interest to clients only
            "",
            False,  # server side
            answer,
            _picows_logger,
            True,  # an exception of ours closes the connection
            _HANDSHAKE_SECONDS,
            False,  # the line pings by itself, on the loop's clock
            20,
            20,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # answer the client's pings
            limits.frame_bytes,
            None,
            4096,
        )

    def connection_made(self, transport: asyncio.Transport) -> None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take the upgrade request that uvicorn has read and composed anew."""
        request = memoryview(_plain_connection_header(data))
        while request:
            buffer = self.get_buffer(len(request))
            count = min(len(buffer), len(request))
            buffer[:count] = request[:count]
            self.buffer_updated(count)
            request = request[count:]


def _plain_connection_header(request: bytes) -> bytes:
    """Firefox and some proxies send `Connection: keep-alive, Upgrade` (RFC 9110 section 7.6.1); picows wants one."""
    lines = request.split(b"\r\n")
    for index, line in enumerate(lines):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"connection":
            tokens = {token.strip().lower() for token in value.split(b",")}
            if b"upgrade" in tokens:
                lines[index] = b"connection: Upgrade"
    return b"\r\n".join(lines)


def _audio_of(query: dict[str, list[str]]) -> tuple[AudioFormat | None, list[str]]:
    encoding = _one(query, "encoding", PCM_16K.encoding)
    rate = _one(query, "sample_rate", "8000" if encoding == "mulaw" else str(PCM_16K.sample_rate))
    if encoding not in ("pcm_s16le", "mulaw"):
        return None, [f"encoding: must be pcm_s16le or mulaw (got {encoding[:40]})"]
    audio = FORMATS.get((encoding, int(rate) if rate.isascii() and rate.isdigit() and len(rate) < 7 else 0))
    if audio is None:
        allowed = "8000 for mulaw" if encoding == "mulaw" else "8000, 16000 or 24000 for pcm_s16le"
        return None, [f"sample_rate: must be {allowed} (got {rate[:40]})"]
    return audio, []


def _one(query: dict[str, list[str]], name: str, default: str) -> str:
    return query[name][0] if name in query else default


def _refuse(status: int, error: str, code: str, message: str, details: Sequence[str]) -> WSUpgradeResponseWithListener:
    body = json.dumps({"error": error, "code": code, "message": message, "details": list(details)})
    response = WSUpgradeResponse.create_error_response(
        status, body.encode(), {"Content-Type": "application/json; charset=utf-8"}
    )
    return WSUpgradeResponseWithListener(response, None)
