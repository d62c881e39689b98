"""SIP over TCP and TLS (RFC 3261 section 18), connections with keep-alives (RFC 5626 section 3.5.1)."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
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
"""A connection whose peer was not let in is closed so long after it was opened, whatever comes on it."""
KEEP_ALIVE_SECONDS = 20.0
"""Between two keep-alives of ours, on connections that we opened."""
DELIVERY_SECONDS = 30.0
"""A connection on which the peer's system acknowledged nothing for so long is dead. Where a NAT or a machine went away
in silence, requests would else be sent on it for a quarter of an hour (Linux: tcp_retries2)."""
MAX_UNSENT = 1 << 20
"""Bytes that wait for a peer who does not read; more close the connection."""
CLOSE_SECONDS = 5.0
"""How long a peer may take to read what is left, and over TLS to say that it closes too."""


@dataclass(frozen=True, slots=True)
class StreamEvents:
    """What the owner of connections is told and asked; of peers by their IP addresses."""

    message: Callable[[Request | Response, "StreamConnection"], None]
    opened: Callable[["StreamConnection"], None]
    closed: Callable[["StreamConnection"], None]
    malformed: Callable[[str], None]
    allows: Callable[[str], bool]
    """Whether to look at what a stranger sends."""
    trusts: Callable[[str], bool]
    """Whether the peer was let in, on whatever way."""


class StreamConnection(asyncio.Protocol):
    """A TCP or TLS connection, whoever opened it. It is the flow to its peer."""

    def __init__(self, transport: Transport, events: StreamEvents, *, outgoing: bool, server_name: str = "") -> None:
        self.transport: Transport = transport
        self.local: SocketAddress = ("", 0)
        self.remote: SocketAddress = ("", 0)
        self.outgoing = outgoing
        self.server_name = server_name
        """What the peer's certificate was for, where it had to show one."""
        self.gone = asyncio.Event()
        self._let_in = outgoing
        self._events = events
        self._framer = StreamFramer()
        self._stream: asyncio.Transport | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._message_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._opened_at = 0.0
        self._heard_at = 0.0

    @property
    def reliable(self) -> bool:
        return True

    @property
    def is_open(self) -> bool:
        return self._stream is not None and not self._stream.is_closing()

    @property
    def trusted(self) -> bool:
        """The peer was let in on this connection or another way, or is one that we called."""
        return self._let_in or self._events.trusts(self.remote[0])

    def let_in(self) -> None:
        """The peer was let in: its connection may stay for as long as it is used."""
        self._let_in = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream = stream = cast(asyncio.Transport, transport)
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not remote or not local:
            stream.abort()
            return
        self.remote = (normalized_host(remote[0]), remote[1])
        self.local = (normalized_host(local[0]), local[1])
        _give_up_when_dead(transport)
        loop = asyncio.get_running_loop()
        self._opened_at = self._heard_at = loop.time()
        self._events.opened(self)
        self._idle_timer = loop.call_later(KEEP_ALIVE_SECONDS, self._check_idle)

    def data_received(self, data: bytes) -> None:
        messages = self._framer.feed(data)
        heard = self._is_heard()
        while heard and (message := self._next_of(messages)) is not None:
            self._heard_at = asyncio.get_running_loop().time()
            self._events.message(message, self)
            heard = not self._framer.in_message or self._is_heard()
        if not heard:
            self.abort()
            return
        if self._framer.take_pings() and self.trusted:
            self._heard_at = asyncio.get_running_loop().time()
            self._write(b"\r\n")
        self._watch_message()

    def _is_heard(self) -> bool:
        """Asked once for each piece and for each message in it, before it is looked at."""
        return self.trusted or self._events.allows(self.remote[0])

    def _next_of(self, messages: Iterator[Request | Response]) -> Request | Response | None:
        try:
            message = next(messages, None)
        except ParseError:
            self._events.malformed(self.remote[0])
            self.abort()
            return None
        if message is not None and self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None
        return message

    def _watch_message(self) -> None:
        if self._framer.in_message and self._message_timer is None:
            self._message_timer = asyncio.get_running_loop().call_later(MESSAGE_SECONDS, self.abort)

    def _check_idle(self) -> None:
        loop = asyncio.get_running_loop()
        trusted = self.trusted
        until = self._heard_at + IDLE_SECONDS if trusted else self._opened_at + STRANGER_SECONDS
        left = until - loop.time()
        if left > 0:
            if self.outgoing:
                self._write(b"\r\n\r\n")  # keeps NATs open; whether anything comes back does not matter
            self._idle_timer = loop.call_later(min(left, KEEP_ALIVE_SECONDS), self._check_idle)
        elif trusted:
            self.close()
        else:
            self.abort()

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
        for timer in (self._idle_timer, self._message_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        self._events.closed(self)
        self.gone.set()

    def close(self) -> None:
        """Close in order; at once where the peer takes too long for that."""
        if self._stream is not None and self._close_timer is None:
            self._stream.close()
            self._close_timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        if self._stream is not None:
            self._stream.abort()


def _give_up_when_dead(transport: asyncio.BaseTransport) -> None:
    """RFC 5482, where the system has it. It needs no answer to keep-alives, which many servers do not give."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # it is closed already
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DELIVERY_SECONDS * 1000)
            )
