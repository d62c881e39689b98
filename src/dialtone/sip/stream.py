"""SIP over TCP and TLS (RFC 3261 section 18), connections with keep-alives (RFC 5626 section 3.5.1)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from dialtone.sip.errors import ParseError, TransportError
from dialtone.sip.flow import SocketAddress, Transport, normalized_host
from dialtone.sip.framing import StreamFramer
from dialtone.sip.message import Request, Response

MESSAGE_SECONDS = 10.0
"""How long a message may take from its first byte to its last."""
IDLE_SECONDS = 600.0
"""A connection without a message or keep-alive is closed after this."""
STRANGER_SECONDS = 20.0
"""The same for a connection whose peer was not let in."""
KEEP_ALIVE_SECONDS = 20.0
"""Between two keep-alives of ours, on connections that we opened."""
MAX_UNSENT = 1 << 20
"""Bytes that wait for a peer who does not read; more close the connection."""


@dataclass(frozen=True, slots=True)
class StreamEvents:
    """What the owner of connections is told."""

    message: Callable[[Request | Response, "StreamConnection"], None]
    opened: Callable[["StreamConnection"], bool]
    """Whether the connection may stay."""
    closed: Callable[["StreamConnection"], None]
    allows: Callable[[str], bool]


class StreamConnection(asyncio.Protocol):
    """A TCP or TLS connection, whoever opened it. It is the flow to its peer."""

    def __init__(self, transport: Transport, events: StreamEvents, *, outgoing: bool) -> None:
        self.transport: Transport = transport
        self.local: SocketAddress = ("", 0)
        self.remote: SocketAddress = ("", 0)
        self.outgoing = outgoing
        self.trusted = outgoing
        """The peer was let in, or is one that we called."""
        self._events = events
        self._framer = StreamFramer()
        self._stream: asyncio.Transport | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._message_timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

    @property
    def reliable(self) -> bool:
        return True

    @property
    def is_open(self) -> bool:
        return self._stream is not None and not self._stream.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream = stream = cast(asyncio.Transport, transport)
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not remote or not local:
            stream.abort()
            return
        self.remote = (normalized_host(remote[0]), remote[1])
        self.local = (normalized_host(local[0]), local[1])
        self._heard_at = asyncio.get_running_loop().time()
        if not self._events.opened(self):
            stream.abort()
            return
        self._idle_timer = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS, self._check_idle)

    def data_received(self, data: bytes) -> None:
        if not self.trusted and not self._events.allows(self.remote[0]):
            self.abort()
            return
        try:
            messages = self._framer.feed(data)
        except ParseError:
            self.abort()
            return
        loop = asyncio.get_running_loop()
        if messages or self._framer.pings:
            self._heard_at = loop.time()
        if self._framer.take_pings():
            self._write(b"\r\n")
        self._watch_message(loop)
        for message in messages:
            self._events.message(message, self)

    def _watch_message(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._framer.in_message:
            if self._message_timer is not None:
                self._message_timer.cancel()
                self._message_timer = None
        elif self._message_timer is None:
            self._message_timer = loop.call_later(MESSAGE_SECONDS, self.abort)

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        allowed = IDLE_SECONDS if self.trusted else STRANGER_SECONDS
        left = self._heard_at + allowed - loop.time()
        if left <= 0:
            self.close()
        else:
            if self.outgoing:
                self._write(b"\r\n\r\n")  # keeps NATs open; whether anything comes back does not matter
            self._idle_timer = loop.call_later(min(left, KEEP_ALIVE_SECONDS), self._check_idle)

    def send(self, data: bytes) -> None:
        if not self.is_open:
            raise TransportError("the connection is closed", "connection_lost")
        self._heard_at = asyncio.get_running_loop().time()
        self._write(data)

    def _write(self, data: bytes) -> None:
        assert self._stream is not None
        self._stream.write(data)
        if self._stream.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream = None
        for timer in (self._idle_timer, self._message_timer):
            if timer is not None:
                timer.cancel()
        self._events.closed(self)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def abort(self) -> None:
        if self._stream is not None:
            self._stream.abort()
