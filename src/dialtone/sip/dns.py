"""Names to addresses: A and AAAA by the system, SRV and NAPTR by a query of our own (RFC 1035, RFC 2782, RFC 3403)."""

import asyncio
import secrets
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dialtone.sip.errors import ParseError, TransportError

SRV, NAPTR = 33, 35
QUERY_SECONDS = 2.0
TRIES = 2
MAX_RECORDS = 32
MAX_CACHED = 1000
LONGEST_CACHED_SECONDS = 300.0
FAILURE_CACHED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Service:
    """An SRV record."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A NAPTR record."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Resolver(Protocol):
    """Answers about names. An empty list where there is none; raises `TransportError` where nobody could say."""

    async def addresses(self, host: str) -> list[str]: ...

    async def services(self, name: str) -> list[Service]: ...

    async def pointers(self, name: str) -> list[Pointer]: ...


class SystemResolver:
    """Asks the system's name servers, and remembers SRV and NAPTR for as long as they said."""

    def __init__(self, servers: list[tuple[str, int]] | None = None) -> None:
        self._servers = servers
        self._cache: dict[tuple[str, int], tuple[float, list[Service | Pointer]]] = {}

    async def addresses(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise TransportError("a host name that cannot be resolved", "name_not_found") from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))[:MAX_RECORDS]

    async def services(self, name: str) -> list[Service]:
        return [record for record in await self._records(name, SRV) if isinstance(record, Service)]

    async def pointers(self, name: str) -> list[Pointer]:
        return [record for record in await self._records(name, NAPTR) if isinstance(record, Pointer)]

    async def _records(self, name: str, kind: int) -> list[Service | Pointer]:
        now = asyncio.get_running_loop().time()
        key = (name.lower().rstrip("."), kind)
        cached = self._cache.get(key)
        if cached is not None and cached[0] > now:
            return cached[1]
        servers = self._servers if self._servers is not None else await asyncio.to_thread(_name_servers)
        records: list[Service | Pointer] = []
        lifetime = FAILURE_CACHED_SECONDS
        for server in servers * TRIES:
            try:
                lifetime, records = parse_answer(*await _ask(server, key[0], kind), kind)
                break
            except (ParseError, OSError, TimeoutError):
                continue
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[key] = (now + min(lifetime, LONGEST_CACHED_SECONDS), records)
        return records


def _name_servers() -> list[tuple[str, int]]:
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [(word[1], 53) for word in words if len(word) > 1 and word[0] == "nameserver"][:3]


def question(identifier: int, name: str, kind: int) -> bytes:
    """A query message. Raises `ParseError` for a name that is none."""
    labels = name.encode("idna" if not name.isascii() else "ascii").split(b".")
    if not all(0 < len(label) < 64 for label in labels) or len(name) > 253:
        raise ParseError("a malformed host name")
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    return struct.pack("!HHHHHH", identifier, 0x0100, 1, 0, 0, 0) + encoded + struct.pack("!BHH", 0, kind, 1)


async def _ask(server: tuple[str, int], name: str, kind: int) -> tuple[bytes, int]:
    """The answer to one question, over UDP and, where that is too short, over TCP; with the question's number."""
    identifier = secrets.randbits(16)
    query = question(identifier, name, kind)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answer(answer, query), remote_addr=server)
    try:
        transport.sendto(query)
        data = await asyncio.wait_for(answer, QUERY_SECONDS)
    finally:
        transport.close()
    if data[2] & 0x02:  # cut off
        async with asyncio.timeout(QUERY_SECONDS):
            data = await _ask_over_tcp(server, query)
    return data, identifier


async def _ask_over_tcp(server: tuple[str, int], query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        size = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise ParseError("an answer that is cut short") from error
    finally:
        writer.close()


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes], query: bytes) -> None:
        self._answer = answer
        self._query = query

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) >= 12 and data[:2] == self._query[:2] and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


def parse_answer(data: bytes, identifier: int, kind: int) -> tuple[float, list[Service | Pointer]]:
    """How long the records of an answer hold, and they themselves. Raises `ParseError`."""
    if len(data) < 12:
        raise ParseError("a DNS answer that is cut short")
    answered, flags, questions, answers = struct.unpack_from("!HHHH", data)
    if answered != identifier or not flags & 0x8000 or flags & 0x000F not in (0, 3):
        raise ParseError("no answer to our question")
    position = 12
    for _ in range(min(questions, 4)):
        position = _name(data, position)[1] + 4
    records: list[Service | Pointer] = []
    lifetime = LONGEST_CACHED_SECONDS
    for _ in range(min(answers, MAX_RECORDS)):
        position = _name(data, position)[1]
        if position + 10 > len(data):
            raise ParseError("a DNS record that is cut short")
        found, _, seconds, size = struct.unpack_from("!HHIH", data, position)
        start, position = position + 10, position + 10 + size
        if position > len(data):
            raise ParseError("a DNS record that is cut short")
        if found == kind:
            records.append(_service(data, start, size) if kind == SRV else _pointer(data, start, position))
            lifetime = min(lifetime, float(seconds))
    return (lifetime if records else FAILURE_CACHED_SECONDS), records


def _service(data: bytes, start: int, size: int) -> Service:
    if size < 7:
        raise ParseError("a malformed SRV record")
    priority, weight, port = struct.unpack_from("!HHH", data, start)
    return Service(priority, weight, port, _name(data, start + 6)[0])


def _pointer(data: bytes, start: int, end: int) -> Pointer:
    if start + 4 > end:
        raise ParseError("a malformed NAPTR record")
    order, preference = struct.unpack_from("!HH", data, start)
    position, texts = start + 4, []
    for _ in range(3):
        if position >= end or position + 1 + data[position] > end:
            raise ParseError("a malformed NAPTR record")
        texts.append(data[position + 1 : position + 1 + data[position]].decode("ascii", "replace"))
        position += 1 + data[position]
    return Pointer(order, preference, texts[0].lower(), texts[1].upper(), _name(data, position)[0])


def _name(data: bytes, position: int) -> tuple[str, int]:
    """A name that may point to earlier parts of the message, and where what follows it begins."""
    labels: list[str] = []
    after: int | None = None
    for _ in range(64):
        if position >= len(data):
            break
        size = data[position]
        if size == 0:
            return ".".join(labels), after if after is not None else position + 1
        if size >= 0xC0:
            if position + 1 >= len(data):
                break
            after = after if after is not None else position + 2
            position = (size & 0x3F) << 8 | data[position + 1]
        else:
            labels.append(data[position + 1 : position + 1 + size].decode("ascii", "replace"))
            position += 1 + size
    raise ParseError("a malformed name in a DNS answer")
