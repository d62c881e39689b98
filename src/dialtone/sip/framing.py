"""Cuts the bytes of a TCP or TLS connection into messages (RFC 3261 section 18.3, keep-alives of RFC 5626)."""

from collections.abc import Iterator

from dialtone.sip.errors import ParseError
from dialtone.sip.message import MAX_BODY, MAX_HEAD, Request, Response, content_length, parse_head

_PING = b"\r\n\r\n"


class StreamFramer:
    """Takes bytes as they come and gives whole messages. Whoever takes all of them after each read leaves at most one
    message and one read of bytes here.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._head: Request | Response | None = None
        self._body_length = 0
        self.pings = 0
        """Keep-alives (two empty lines) since the last look, each of which wants one empty line back."""

    @property
    def in_message(self) -> bool:
        """The next message has begun."""
        return self._head is not None or bool(self._buffer[:4].strip(b"\r\n"))

    def feed(self, data: bytes) -> Iterator[Request | Response]:
        """The messages that `data` makes whole, each read when it is asked for. Raises `ParseError` where the stream
        cannot be cut any more.
        """
        self._buffer += data
        return iter(self._next_message, None)

    def _next_message(self) -> Request | Response | None:
        if self._head is None and not self._read_head():
            return None
        head = self._head
        if head is None or len(self._buffer) < self._body_length:
            return None
        head.body = bytes(self._buffer[: self._body_length])
        del self._buffer[: self._body_length]
        self._head = None
        self._skip_empty_lines()
        return head

    def _read_head(self) -> bool:
        self._skip_empty_lines()
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3), MAX_HEAD + 4)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > MAX_HEAD:
                raise ParseError("a header that is too long")
            return False
        head = parse_head(bytes(self._buffer[:end]))
        length = content_length(head)
        if length is None:
            raise ParseError("no Content-Length on a stream")
        if length > MAX_BODY:
            raise ParseError("a body that is too long")
        head.remove("content-length")
        del self._buffer[: end + 4]
        self._searched = 0
        self._head, self._body_length = head, length
        return True

    def _skip_empty_lines(self) -> None:
        start = 0
        while self._buffer.startswith(_PING, start):
            self.pings += 1
            start += 4
        # One empty line is a pong, or half a ping: the half waits for its other half.
        if self._buffer.startswith(b"\r\n", start) and len(self._buffer) - start > 3:
            start += 2
        if start:
            del self._buffer[:start]
            self._searched = 0

    def take_pings(self) -> int:
        pings, self.pings = self.pings, 0
        return pings
