"""The receiving end of `webhooks`: a process that acknowledges events, fails the first try of every tenth, and notes
when each arrived; and beside it, a port that takes requests and never answers. Times are monotonic, in seconds, and the
same in every process of the machine.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"
FAIL_EVERY = 10
FIGURES_PATH = b"GET /figures "

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
_FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Notes:
    known: set[str] = field(default_factory=set)
    """Deliveries that were tried."""
    first_tries: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)

    def answer(self, delivery: str) -> bytes:
        now = time.monotonic()
        if delivery not in self.known:
            self.known.add(delivery)
            self.first_tries.append(now)
            if len(self.known) % FAIL_EVERY == 0:
                return _FAILED
        self.acknowledged.append(now)
        return _OK

    def figures(self) -> bytes:
        """What happened since they were asked for last."""
        body = json.dumps({"first_tries": self.first_tries, "acknowledged": self.acknowledged}).encode()
        self.first_tries.clear()
        self.acknowledged.clear()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Receiver(asyncio.Protocol):
    """Just enough HTTP/1.1 to cost the machine little beside what is measured."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            lines = self._received[:end].split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
            length = end + 4 + int(headers.get(b"content-length", b"0"))
            if len(self._received) < length:
                return
            self._received = self._received[length:]
            if lines[0].startswith(FIGURES_PATH):
                self._transport.write(self._notes.figures())
            else:
                self._transport.write(self._notes.answer(headers[b"x-webhook-id"].decode()))


async def serve() -> None:
    """Prints the two ports, and runs until standard input is closed."""
    loop, notes = asyncio.get_running_loop(), Notes()
    receiver = await loop.create_server(lambda: Receiver(notes), HOST, 0, backlog=1024)
    silent = await loop.create_server(asyncio.Protocol, HOST, 0, backlog=1024)
    ports = [server.sockets[0].getsockname()[1] for server in (receiver, silent)]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
