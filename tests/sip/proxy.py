"""A stateless proxy that stays on the route of every call and loses what it is told to (RFC 3261 section 16.11)."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialtone.sip.headers import Via, parse_name_addr
from dialtone.sip.message import Request, parse_datagram
from dialtone.sip.parameters import split_list


class LossyProxy(asyncio.DatagramProtocol):
    """Passes requests on to the last Route or the Request-URI, and responses back the way they came."""

    def __init__(self, loss: float, seed: int) -> None:
        self._loss = loss
        self._chance = random.Random(seed)
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0
        self.lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._chance.random() < self._loss:
            self.lost += 1
            return
        message = parse_datagram(data)
        vias = [value for line in message.lines("via") for value in split_list(line)]
        if isinstance(message, Request):
            port = self._next_hop(message)
            # The same for every repetition, so that the other side knows it again.
            branch = "z9hG4bK" + hashlib.sha256(vias[0].encode()).hexdigest()[:16]
            vias.insert(0, str(Via("UDP", "127.0.0.1", self.port, {"branch": branch})))
        else:
            del vias[0]
            message.set("via", vias[0])
            port = message.via.port or 5060
        message.set_first("via", ", ".join(vias))
        assert self._transport is not None
        self._transport.sendto(message.to_bytes(), ("127.0.0.1", port))

    def _next_hop(self, request: Request) -> int:
        routes = request.values("route")
        if routes and parse_name_addr(routes[0]).uri.port == self.port:
            del routes[0]
        request.remove("route")
        if routes:
            request.set("route", ", ".join(routes))
        if request.method == "INVITE":
            recorded = [f"<sip:127.0.0.1:{self.port};lr>", *request.values("record-route")]
            request.set("record-route", ", ".join(recorded))
        uri = parse_name_addr(routes[0]).uri if routes else request.uri
        return uri.port or 5060


@asynccontextmanager
async def lossy_proxy(loss: float, seed: int) -> AsyncIterator[LossyProxy]:
    made = LossyProxy(loss, seed)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
    try:
        yield made
    finally:
        transport.close()
