"""STUN as a client (RFC 5389): asking how a server sees an address of ours behind a NAT."""

import asyncio
import ipaddress
import secrets
import struct
from collections.abc import Callable

from dialtone.sip.errors import ParseError, TransportError
from dialtone.sip.flow import SocketAddress

_COOKIE = 0x2112A442
_BINDING_REQUEST = 0x0001
_BINDING_RESPONSE = 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_MAPPED_ADDRESS = 0x0001
_HEADER = struct.Struct("!HHI12s")

FIRST_INTERVAL = 0.5
TRIES = 5
"""With intervals that double: an answer is waited for 15.5 s."""


def is_stun(data: bytes) -> bool:
    """Tells STUN from SIP, and from RTP, by its first bits and the cookie (RFC 5389 section 8)."""
    return len(data) >= _HEADER.size and data[0] < 4 and data[4:8] == _COOKIE.to_bytes(4, "big")


def binding_request(transaction_id: bytes) -> bytes:
    return _HEADER.pack(_BINDING_REQUEST, 0, _COOKIE, transaction_id)


def mapped_address(data: bytes, transaction_id: bytes) -> SocketAddress:
    """The address in a Binding response to this request. Raises `ParseError`."""
    if not is_stun(data):
        raise ParseError("no STUN message")
    kind, length, _, answered = _HEADER.unpack_from(data)
    if kind != _BINDING_RESPONSE or answered != transaction_id or len(data) != _HEADER.size + length:
        raise ParseError("not the answer to our STUN request")
    plain: SocketAddress | None = None
    position = _HEADER.size
    while position + 4 <= len(data):
        attribute, size = struct.unpack_from("!HH", data, position)
        value = data[position + 4 : position + 4 + size]
        if len(value) != size:
            raise ParseError("a STUN attribute that is cut short")
        if attribute == _XOR_MAPPED_ADDRESS:
            return _address(value, _COOKIE.to_bytes(4, "big") + transaction_id)
        if attribute == _MAPPED_ADDRESS:
            plain = _address(value, bytes(16))
        position += 4 + size + (-size % 4)
    if plain is None:
        raise ParseError("a STUN answer without an address")
    return plain


def _address(value: bytes, mask: bytes) -> SocketAddress:
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        raise ParseError("a STUN address of an unknown family")
    port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(mask[:2], "big")
    raw = bytes(byte ^ masking for byte, masking in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(raw)), port


class MappedAddressQuery:
    """One request until its answer, sent again while none comes. The owner of the socket passes on what it receives."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.transaction_id = secrets.token_bytes(12)
        self._send = send
        self._found: asyncio.Future[SocketAddress] = asyncio.get_running_loop().create_future()

    def receive(self, data: bytes) -> None:
        """A STUN message that may be the answer."""
        try:
            address = mapped_address(data, self.transaction_id)
        except ParseError:
            return
        if not self._found.done():
            self._found.set_result(address)

    async def answer(self) -> SocketAddress:
        """Ask and wait. Raises `TransportError` when no answer came."""
        interval = FIRST_INTERVAL
        for _ in range(TRIES):
            self._send(binding_request(self.transaction_id))
            done, _ = await asyncio.wait([self._found], timeout=interval)
            if done:
                return self._found.result()
            interval *= 2
        raise TransportError("the STUN server did not answer")
