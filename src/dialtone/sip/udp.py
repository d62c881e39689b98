"""SIP over UDP (RFC 3261 section 18): one socket for all peers, and STUN beside it (RFC 5389)."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from dialtone.sip.errors import TransportError
from dialtone.sip.flow import SocketAddress, Transport, normalized_host
from dialtone.sip.stun import MappedAddressQuery, is_stun

RECEIVE_BUFFER = 1 << 20
"""Bytes the kernel keeps for us: bursts of calls must not be lost while the loop does something else."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket for `UdpSocket`. Raises `OSError` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.setblocking(False)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


class UdpSocket(asyncio.DatagramProtocol):
    """A bound socket. `receive` gets every datagram that is no keep-alive and no STUN."""

    def __init__(self, receive: Callable[[bytes, "UdpFlow"], None], allows: Callable[[str], bool]) -> None:
        self._receive = receive
        self._allows = allows
        self._transport: asyncio.DatagramTransport | None = None
        self._queries: dict[bytes, MappedAddressQuery] = {}
        self.address: SocketAddress = ("", 0)
        self.family = socket.AF_INET

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")[:2]
        self.family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        host = normalized_host(addr[0])
        if not self._allows(host):
            return
        if is_stun(data):
            for query in list(self._queries.values()):
                query.receive(data)
        elif len(data) > 4:  # shorter ones are keep-alives that hold a NAT open
            self._receive(data, UdpFlow(self, (host, addr[1])))

    def error_received(self, exc: Exception) -> None:
        """ICMP errors: who sent is told by its own timeout."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def send_to(self, data: bytes, remote: SocketAddress) -> None:
        if self._transport is None or self._transport.is_closing():
            raise TransportError("the socket is closed")
        self._transport.sendto(data, remote)

    async def mapped_address(self, server: SocketAddress) -> SocketAddress:
        """How a STUN server sees this socket. Raises `TransportError` after its time is up."""
        query = MappedAddressQuery(lambda data: self.send_to(data, server))
        self._queries[query.transaction_id] = query
        try:
            return await query.answer()
        finally:
            del self._queries[query.transaction_id]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@dataclass(frozen=True, slots=True)
class UdpFlow:
    """One peer of a UDP socket."""

    socket: UdpSocket
    remote: SocketAddress

    @property
    def transport(self) -> Transport:
        return "udp"

    @property
    def reliable(self) -> bool:
        return False

    @property
    def local(self) -> SocketAddress:
        return self.socket.address

    def send(self, data: bytes) -> None:
        self.socket.send_to(data, self.remote)
