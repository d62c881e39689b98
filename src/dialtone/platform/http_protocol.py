"""The connection below HTTP: uvicorn's protocol, with bounds that it has not, and refusals in the API's own shape."""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Of a request's first line and headers."""
MAX_FRAMING = 16
"""Bytes that a chunked body may spend on each of its own bytes, for chunk sizes, extensions and trailers."""
HEAD_SECONDS = 30
"""How long a client may take to send a request's head, on a new connection as well."""
REST_SECONDS = 30
"""How long the rest of a body is taken and thrown away when the request was answered before its end. A connection that
is closed meanwhile takes the answer with it (RFC 9112 section 9.6)."""


class HttpProtocol(HttpToolsProtocol):
    """What `uvicorn.Config(http=HttpProtocol)` takes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._began = False
        self._framing_bytes = self._body_bytes = 0
        self._head_too_large = self._refused = self._leaving = False
        self._close_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._began = False
        super().data_received(data)
        if not self._began:  # else it is not known how much of `data` belongs to the message before
            self._framing_bytes += len(data)
            if self._framing_bytes > MAX_HEAD_BYTES + MAX_FRAMING * self._body_bytes and not self._refused:
                self._head_too_large = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._began = True
        self._framing_bytes = self._body_bytes = 0
        self._close_after(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if head > MAX_HEAD_BYTES:
            self._head_too_large = True
            raise ValueError("the head is too large")  # the parser stops, and has `send_400_response` called
        self._no_deadline()
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = _AnswerTransport(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and self.cycle.response_complete:
            self._close_after(REST_SECONDS)

    def on_message_complete(self) -> None:
        answered_before = self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
        super().on_message_complete()
        if answered_before:
            self.cycle.more_body = False
            self._close_after(0 if self._leaving else self.timeout_keep_alive)

    def close_once_read(self) -> None:
        """Close, but first take in what the client still sends of the request that was answered."""
        if self.transport.is_closing() or not self.cycle.more_body:
            self.transport.close()
            return
        self._leaving = True
        self.transport.write_eof()
        self._close_after(REST_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request. What still comes is thrown away, until the client has read the answer and left."""
        self._refused = True
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # whoever waits for the rest of this request need not
            cycle.message_event.set()
        if cycle is not None and cycle.response_started and (cycle.more_body or not cycle.response_complete):
            self.transport.close()  # the request has its answer, or part of it
            return
        status, body = (431, _HEAD_TOO_LARGE) if self._head_too_large else (400, _NOT_HTTP)
        content = json.dumps(body, separators=(",", ":")).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
        self.transport.write(STATUS_LINE[status] + head + content)
        self.transport.write_eof()
        self._close_after(REST_SECONDS)

    def _close_after(self, seconds: float) -> None:
        self._no_deadline()
        self._deadline = self.loop.call_later(seconds, self._close_unless_at_work)

    def _close_unless_at_work(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete and not self._refused:
            self._close_after(HEAD_SECONDS)  # the next request waits for the answer to this one
        else:
            self.transport.close()

    def _no_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _AnswerTransport:
    """What uvicorn's cycle of one request and its answer takes for the connection."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self._transport = protocol.transport
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close_once_read

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():  # a client that sent several requests may leave before their answers
            self._transport.write(data)


_NOT_HTTP: dict[str, Any] = {
    "error": "Bad request",
    "code": "invalid_http",
    "message": "This is no valid HTTP/1.1 request.",
}
_HEAD_TOO_LARGE: dict[str, Any] = {
    "error": "Request headers too large",
    "code": "headers_too_large",
    "message": f"The limit is {MAX_HEAD_BYTES} bytes for the address and all headers together.",
}
