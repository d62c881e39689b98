"""Whether peers are there: asked by OPTIONS every now and then, which also holds NATs and connections open."""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dialtone.sip.dialog import new_tag
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.events import PeerChanged
from dialtone.sip.exchange import Exchange, Outgoing
from dialtone.sip.message import Request, Response
from dialtone.sip.uri import Uri, parse_uri

MAX_ASKED = 50
"""Peers that are being asked at a time; the others wait for their turn, so that many silent ones are no flood."""
PATIENCE_SECONDS = 5.0
"""How long each server of a peer has for its answer. Over UDP the question is sent four times in it."""
SPREAD = 0.2
"""By what share of it a pause is longer or shorter, so that peers that began together do not stay together."""
_AWAY = (408, 503)
"""What a proxy says in place of a server that is not there (RFC 3261 sections 16.7 and 21.5.4)."""


@dataclass(frozen=True, slots=True)
class PeerOrder:
    """Whom to ask."""

    name: str
    """The owner's name for it, which events carry."""
    uri: str
    """A SIP URI, like `sip:sip.example.com;transport=tls`."""
    seconds: float = 30.0
    """Between an answer and the next question, on average."""


class _Peer:
    """Any other answer counts: also a refusal says that somebody is there (RFC 3261 section 11.2)."""

    def __init__(self, order: PeerOrder, uri: Uri) -> None:
        self.order = order
        self.uri = uri
        self.reachable: bool | None = None
        self.call_id, self.tag, self.number = secrets.token_hex(16), new_tag(), 0
        self.asked_at = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.exchange: Exchange | None = None

    def next_number(self) -> int:
        self.number += 1
        return self.number


class Peers:
    """All peers of a user agent."""

    def __init__(self, endpoint: Endpoint, emit: Callable[[PeerChanged], None]) -> None:
        self._endpoint = endpoint
        self._emit = emit
        self._peers: dict[str, _Peer] = {}
        self._asked = 0
        self._waiting: deque[_Peer] = deque()

    def watch(self, order: PeerOrder) -> None:
        """Ask from now on. Raises `ParseError`, and `ValueError` for a name that is taken."""
        if order.name in self._peers:
            raise ValueError("a peer of this name is watched already")
        peer = self._peers[order.name] = _Peer(order, parse_uri(order.uri).without_headers())
        self._ask(peer)

    def unwatch(self, name: str) -> None:
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        if peer.timer is not None:
            peer.timer.cancel()
        if peer.exchange is not None:
            peer.exchange.abandon()
            self._done(peer)
        elif peer in self._waiting:
            self._waiting.remove(peer)

    def stop(self) -> None:
        """Ask nobody any more."""
        self._waiting.clear()
        for name in list(self._peers):
            self.unwatch(name)

    def _ask(self, peer: _Peer) -> None:
        if self._asked >= MAX_ASKED:
            self._waiting.append(peer)
            return
        self._asked += 1
        fields = {
            "max-forwards": ["70"],
            "from": [f"<sip:{self._endpoint.options.product.lower()}@{peer.uri.host}>;tag={peer.tag}"],
            "to": [f"<{peer.uri}>"],
            "call-id": [peer.call_id],
            "cseq": [f"{peer.next_number()} OPTIONS"],
            "accept": ["application/sdp"],
        }
        peer.asked_at = asyncio.get_running_loop().time()
        request = Request("OPTIONS", peer.uri, fields)
        outgoing = Outgoing(request, peer.uri, peer.next_number, contact_user="", patience=PATIENCE_SECONDS)
        peer.exchange = self._endpoint.send(outgoing, lambda *answer: self._answered(peer, *answer))

    def _answered(self, peer: _Peer, response: Response, exchange: Exchange) -> None:
        if response.status < 200:
            return
        loop = asyncio.get_running_loop()
        pause = peer.order.seconds * random.uniform(1 - SPREAD, 1 + SPREAD)
        peer.timer = loop.call_later(pause, self._ask, peer)
        self._done(peer)
        reachable = exchange.failure is None and response.status not in _AWAY
        if reachable != peer.reachable:
            peer.reachable = reachable
            seconds = loop.time() - peer.asked_at
            self._emit(PeerChanged(peer.order.name, reachable, response.status, seconds, exchange.no_answer))

    def _done(self, peer: _Peer) -> None:
        """The peer's place is another's."""
        peer.exchange = None
        self._asked -= 1
        if self._waiting:
            self._ask(self._waiting.popleft())
