"""A peer that says exactly what a test tells it to, over UDP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialtone.sip.message import Request, Response, parse_datagram
from tests.sip.stage import Phone


class Wire(asyncio.DatagramProtocol):
    """Everything that came, in order, with its time."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, Request | Response]] = []
        self._seen = 0
        self._news = asyncio.Event()
        self._branches = 0
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) > 4:
            self.messages.append((asyncio.get_running_loop().time(), parse_datagram(data)))
            self._news.set()

    def send(self, message: Request | Response | bytes, peer: Phone | int) -> None:
        port = peer if isinstance(peer, int) else peer.agent.listening_on()[0][1][1]
        assert self._transport is not None
        data = message if isinstance(message, bytes) else message.to_bytes()
        self._transport.sendto(data, ("127.0.0.1", port))

    async def next(self) -> Request | Response:
        async with asyncio.timeout(5000):
            while len(self.messages) <= self._seen:
                self._news.clear()
                await self._news.wait()
        self._seen += 1
        return self.messages[self._seen - 1][1]

    async def request(self, method: str) -> Request:
        """The next message, which must be this request."""
        message = await self.next()
        assert isinstance(message, Request), f"{message.status} instead of {method}"
        assert message.method == method
        return message

    async def response(self, status: int) -> Response:
        """The next message, which must be a response with this status."""
        message = await self.next()
        assert isinstance(message, Response), f"{message.method} instead of {status}"
        assert message.status == status
        return message

    def last_response(self, status: int) -> Response:
        """The last response with this status, seen or not."""
        found = [message for _, message in self.messages if isinstance(message, Response) and message.status == status]
        return found[-1]

    @property
    def unseen(self) -> list[Request | Response]:
        return [message for _, message in self.messages[self._seen :]]

    def times(self, kind: str | int) -> list[float]:
        """When each request of this method, or response with this status, came."""
        return [at for at, message in self.messages if kind in (_method(message), _status(message))]

    def new(self, method: str, *, number: int = 1, body: str = "", branch: str = "", **headers: str) -> Request:
        """A request from outside of any dialog. Underscores in the names of `headers` are hyphens."""
        self._branches += 1
        fields = {
            "via": f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{branch or self._branches};rport",
            "max-forwards": "70",
            "from": "<sip:wire@example.com>;tag=wire",
            "to": "<sip:phone@example.com>",
            "call-id": "a-call",
            "cseq": f"{number} {method}",
            "contact": f"<sip:wire@127.0.0.1:{self.port}>",
        }
        if body:
            fields["content-type"] = "application/sdp"
        fields |= {name.replace("_", "-").rstrip("-"): value for name, value in headers.items()}
        return Request(method, "sip:phone@127.0.0.1", {name: [value] for name, value in fields.items()}, body.encode())

    def answer(self, request: Request, status: int, tag: str = "", body: str = "", **headers: str) -> Response:
        """A response to a request that came."""
        response = request.response(status, to_tag=tag)
        for line in request.lines("record-route"):
            response.add("record-route", line)
        response.set("contact", f"<sip:wire@127.0.0.1:{self.port}>")
        for name, value in headers.items():
            response.set(name.replace("_", "-"), value)
        if body:
            response.set("content-type", "application/sdp")
            response.body = body.encode()
        return response

    @property
    def uri(self) -> str:
        return f"sip:wire@127.0.0.1:{self.port}"


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    made = Wire()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
    try:
        yield made
    finally:
        transport.close()


def _method(message: Request | Response) -> str | None:
    return message.method if isinstance(message, Request) else None


def _status(message: Request | Response) -> int | None:
    return message.status if isinstance(message, Response) else None
