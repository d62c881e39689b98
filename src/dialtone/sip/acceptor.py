"""Takes TCP and TLS connections in. Whoever connects is judged by the address before a byte is read, and before a TLS
handshake begins.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dialtone.sip.flow import SocketAddress, Transport, normalized_host
from dialtone.sip.guard import Guard, site_of
from dialtone.sip.stream import StreamConnection

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 2000
MAX_CONNECTIONS_PER_ADDRESS = 50
MAX_CONNECTIONS_PER_STRANGER = 10
HANDSHAKE_SECONDS = 5.0
MAX_HANDSHAKES = 200
"""At a time. One costs a core about a millisecond, and memory from its first byte."""
MAX_STRANGERS_HANDSHAKES = 100
BACKLOG = 128
"""Connections that the kernel keeps for us until we take them."""
PAUSE_SECONDS = 1.0
"""After the system refused to give us a connection, usually for want of files."""


class Acceptor:
    """Listens. `new_connection` makes the protocol of a connection that may stay; `make_room` closes a stranger's where
    all places are taken, and says whether there was one.
    """

    def __init__(
        self,
        guard: Guard,
        new_connection: Callable[[Transport], StreamConnection],
        make_room: Callable[[], bool],
    ) -> None:
        self._guard = guard
        self._new_connection = new_connection
        self._make_room = make_room
        self._listening: list[tuple[Transport, socket.socket]] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        """One for each connection, until it is closed."""
        self._by_site: Counter[str] = Counter()
        self._handshakes = 0
        self._strangers_handshakes = 0

    @property
    def addresses(self) -> list[tuple[Transport, SocketAddress]]:
        return [(transport, listening.getsockname()[:2]) for transport, listening in self._listening]

    def listen(self, transport: Transport, host: str, port: int, certificate: ssl.SSLContext | None) -> None:
        """Take connections at one more address; with a certificate, over TLS. Raises `OSError`."""
        listening = _listening_socket(host, port)
        self._listening.append((transport, listening))
        accepting = self._accept(listening, transport, certificate)
        self._accepting.append(asyncio.get_running_loop().create_task(accepting))

    async def _accept(self, listening: socket.socket, transport: Transport, certificate: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # whoever it was has gone again
            except OSError as error:
                logger.warning("no connection over %s can be taken: %s", transport, error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            host = normalized_host(address[0])
            if self._may_come_in(host, tls=certificate is not None):
                self._take(accepted, host, transport, certificate)
            else:
                accepted.close()
            await asyncio.sleep(0)  # where others stand in line, sock_accept() does not wait

    def _may_come_in(self, host: str, *, tls: bool) -> bool:
        known = self._guard.is_trusted(host)
        of_address = MAX_CONNECTIONS_PER_ADDRESS if known else MAX_CONNECTIONS_PER_STRANGER
        if not self._guard.allows(host) or self._by_site[site_of(host)] >= of_address:
            return False
        if tls and not self._may_shake_hands(known):
            return False
        return len(self._serving) < MAX_CONNECTIONS or (known and self._make_room())

    def _may_shake_hands(self, known: bool) -> bool:
        if self._handshakes >= MAX_HANDSHAKES:
            return False
        return known or (self._strangers_handshakes < MAX_STRANGERS_HANDSHAKES and self._guard.allows_handshake())

    def _take(
        self, accepted: socket.socket, host: str, transport: Transport, certificate: ssl.SSLContext | None
    ) -> None:
        site = site_of(host)
        self._by_site[site] += 1
        serving = asyncio.get_running_loop().create_task(self._serve(accepted, host, transport, certificate))
        self._serving.add(serving)
        serving.add_done_callback(lambda done: self._leave(done, site))

    def _leave(self, serving: asyncio.Task[None], site: str) -> None:
        self._serving.discard(serving)
        self._by_site[site] -= 1
        if not self._by_site[site]:
            del self._by_site[site]

    async def _serve(
        self, accepted: socket.socket, host: str, transport: Transport, certificate: ssl.SSLContext | None
    ) -> None:
        loop, connection = asyncio.get_running_loop(), self._new_connection(transport)
        try:
            if certificate is None:
                await loop.connect_accepted_socket(lambda: connection, accepted)
            else:
                with self._handshake(self._guard.is_trusted(host)):
                    await loop.connect_accepted_socket(
                        lambda: connection, accepted, ssl=certificate, ssl_handshake_timeout=HANDSHAKE_SECONDS
                    )
        except OSError:
            return  # gone, or no TLS, or too slow
        await connection.gone.wait()

    @contextmanager
    def _handshake(self, known: bool) -> Iterator[None]:
        self._handshakes += 1
        self._strangers_handshakes += not known
        try:
            yield
        finally:
            self._handshakes -= 1
            self._strangers_handshakes -= not known

    async def close(self) -> None:
        """Listen no more, and leave handshakes. What is connected stays."""
        for accepting in self._accepting:
            accepting.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for _, listening in self._listening:
            listening.close()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._accepting.clear()
        self._listening.clear()


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: asyncio sends small pieces at once (TCP_NODELAY) only where it sees that this is TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
