"""Whether a peer is there: asked by OPTIONS every now and then, which also holds NATs and connections open."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from dialtone.sip.dialog import new_tag
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.events import PeerChanged
from dialtone.sip.exchange import Exchange, Outgoing
from dialtone.sip.message import Request, Response
from dialtone.sip.uri import parse_uri


@dataclass(frozen=True, slots=True)
class PeerOrder:
    """Whom to ask."""

    name: str
    """The owner's name for it, which events carry."""
    uri: str
    """A SIP URI, like `sip:sip.example.com;transport=tls`."""
    seconds: float = 30.0
    """Between an answer and the next question."""


class Peer:
    """Any answer counts as one: also a refusal says that somebody is there (RFC 3261 section 11)."""

    def __init__(self, endpoint: Endpoint, order: PeerOrder, emit: Callable[[PeerChanged], None]) -> None:
        self.order = order
        self.reachable: bool | None = None
        self._endpoint = endpoint
        self._emit = emit
        self._uri = parse_uri(order.uri).without_headers()
        self._call_id, self._tag, self._number = secrets.token_hex(16), new_tag(), 0
        self._asked_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._exchange: Exchange | None = None

    def start(self) -> None:
        self._ask()

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _ask(self) -> None:
        fields = {
            "max-forwards": ["70"],
            "from": [f"<sip:{self._endpoint.options.product.lower()}@{self._uri.host}>;tag={self._tag}"],
            "to": [f"<{self._uri}>"],
            "call-id": [self._call_id],
            "cseq": [f"{self._next_number()} OPTIONS"],
            "accept": ["application/sdp"],
        }
        self._asked_at = asyncio.get_running_loop().time()
        outgoing = Outgoing(Request("OPTIONS", self._uri, fields), self._uri, self._next_number, contact_user="")
        self._exchange = self._endpoint.send(outgoing, self._answered)

    def _answered(self, response: Response, exchange: Exchange) -> None:
        if response.status < 200:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.order.seconds, self._ask)
        reachable = exchange.failure is None and response.status != 503
        if reachable != self.reachable:
            self.reachable = reachable
            self._emit(PeerChanged(self.order.name, reachable, response.status, loop.time() - self._asked_at))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None:
            self._exchange.abandon()
