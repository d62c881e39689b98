"""One request until its final response: over every server it may go to and through the password it is asked for."""

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dialtone.sip.client_transactions import (
    ClientTransaction,
    Failure,
    InviteClientTransaction,
    PlainClientTransaction,
    cancel_of,
)
from dialtone.sip.digest import DigestClient, RealmKey
from dialtone.sip.errors import Obstacle, SipError, TransportError
from dialtone.sip.events import NoAnswer
from dialtone.sip.flow import Flow, Target
from dialtone.sip.headers import Via
from dialtone.sip.message import Request, Response
from dialtone.sip.server_transactions import MAGIC_COOKIE
from dialtone.sip.transaction_layer import TransactionLayer
from dialtone.sip.transports import Transports
from dialtone.sip.uri import Uri, host_in_uri

LARGEST_DATAGRAM = 1300
"""Bytes: a longer request goes over TCP where the server listens there (RFC 3261 section 18.1.1)."""
TCP_SECONDS = 1.0
"""How long that is tried for, before the request goes out in fragments after all."""
NO_TCP_SECONDS = 600.0
"""For how long a server that took no connection is not asked again."""
MAX_CHALLENGES = 3
"""Of one request: of a proxy, of the server behind it, and one nonce that has grown old."""


@dataclass(slots=True)
class Outgoing:
    """A request to send. Via, and Contact where wanted, are written once it is known which way it goes."""

    request: Request
    next_hop: Uri
    next_number: Callable[[], int]
    """The CSeq of the next try, after a challenge."""
    digest: DigestClient | None = None
    contact_user: str | None = None
    """Write a Contact with this user; None for requests without one."""
    contact_parameters: str = ""
    flow: Flow | None = None
    """The way by which the peer was last heard, preferred where it leads to the same host."""
    servers: tuple[Target, ...] = ()
    """Where the next hop is, best first; empty: it is yet to be found."""
    patience: float | None = None
    """Seconds that each server has for its first answer, where that is less than Timer B or F."""


OnResponse = Callable[[Response, "Exchange"], None]
"""Told each response that counts. One that nobody sent says that none came: see `Exchange.failure`."""

Trouble = Failure | Literal["cancelled"]
_STATUS_OF: dict[Trouble, int] = {"timeout": 408, "transport": 503, "cancelled": 487}
"""The status of the response that stands for none (RFC 3261 section 8.1.3.1)."""


class Sender(Protocol):
    """What exchanges need of the user agent that they belong to."""

    transports: Transports
    layer: TransactionLayer
    without_tcp: dict[tuple[str, int], float]

    async def find(self, uri: Uri) -> list[Target]: ...

    def done(self, exchange: "Exchange") -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


class Exchange:
    """Sends until there is a final response, real or made up from a failure (408 or 503)."""

    def __init__(self, sender: Sender, outgoing: Outgoing, on_response: OnResponse | None) -> None:
        self.request = outgoing.request
        """As it was sent last."""
        self.failure: Trouble | None = None
        """Why no server has answered; None where one has."""
        self.no_answer: NoAnswer | None = None
        """The same of the first server that was tried, with its address."""
        self.done = False
        self._sender = sender
        self._outgoing = outgoing
        self._on_response = on_response
        self._targets: list[Target] = []
        """Servers that it may still go to."""
        self._target: Target | None = None
        self._answered_realms: set[RealmKey] = set()
        """Of this server, or of proxies before it."""
        self._may_reconnect = False
        """The server has asked for a password, so that it is there, whatever becomes of the connection."""
        self._transaction: ClientTransaction | None = None
        self._challenges = 0
        self._abandoned = False
        self._cancelled = False
        self._cancel_sent = False
        self._cancel_reason: str | None = None
        self._cancel_timer: asyncio.TimerHandle | None = None
        self._task = sender.spawn(self._begin())

    @property
    def flow(self) -> Flow:
        """The way that the last response came."""
        assert self._transaction is not None
        return self._transaction.flow

    async def _begin(self) -> None:
        try:
            self._targets = await self._find_targets()
        except TransportError as error:
            self._note(error.obstacle)
        except (SipError, OSError, ValueError):
            self._note("no_route")
        await self._try_next()

    async def _find_targets(self) -> list[Target]:
        flow = self._outgoing.flow
        targets = list(self._outgoing.servers) or await self._sender.find(self._outgoing.next_hop)
        if flow is not None and leads_there(flow, targets):
            targets.insert(0, Target(flow.transport, flow.remote[0], flow.remote[1]))
        return targets

    async def _try_next(self) -> None:
        while self._targets and not self._cancelled:
            target = self._targets.pop(0)
            if target != self._target:
                self._target, self._answered_realms = target, set()
            try:
                flow = await self._flow_to(target)
                self._send(flow)
            except TransportError as error:
                self._note(error.obstacle)
                continue
            return
        if self.no_answer is None:
            self._note("no_route")
        self._finish("timeout" if self.failure == "timeout" else "transport")

    def _note(self, obstacle: Obstacle) -> None:
        """A connection that broke says less than what became of the next one."""
        if self.no_answer is None or self.no_answer.obstacle == "connection_lost":
            host, target = self._outgoing.next_hop.bare_host, self._target
            if target is None:
                self.no_answer = NoAnswer(obstacle, host)
            else:
                self.no_answer = NoAnswer(obstacle, host, target.transport, (target.host, target.port))

    async def _flow_to(self, target: Target) -> Flow:
        transports, known = self._sender.transports, self._outgoing.flow
        if known is not None and target == Target(known.transport, *known.remote):
            return known
        long = len(self.request.to_bytes()) + 200 > LARGEST_DATAGRAM
        if target.transport == "udp" and long:
            now = asyncio.get_running_loop().time()
            without = self._sender.without_tcp
            if without.get((target.host, target.port), 0.0) <= now:
                try:
                    async with asyncio.timeout(TCP_SECONDS):
                        return await transports.flow_to(Target("tcp", target.host, target.port))
                except (TransportError, TimeoutError):
                    if len(without) > 1000:
                        without.clear()
                    without[target.host, target.port] = now + NO_TCP_SECONDS
        return await transports.flow_to(target)

    def _send(self, flow: Flow) -> None:
        request = self.request
        self._may_reconnect = False
        write_route(request, flow, self._sender.transports)
        if self._outgoing.contact_user is not None:
            contact = self._sender.transports.contact(flow, self._outgoing.contact_user)
            request.set("contact", f"<{contact}>{self._outgoing.contact_parameters}")
        if self._outgoing.digest is not None:
            self._outgoing.digest.authorize(request)
        kind = InviteClientTransaction if request.method == "INVITE" else PlainClientTransaction
        self._transaction = kind(self._sender.layer, request, flow, self)
        self._transaction.patience = self._outgoing.patience
        self._transaction.start()

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        if transaction is not self._transaction:
            return
        if self._abandoned:
            if 200 <= response.status < 300:
                self._tell(response)
            return
        self.failure = self.no_answer = None  # of a server before this one
        if response.status < 200:
            if self._cancelled:
                self._send_cancel()
            elif response.status > 100:
                self._tell(response)
        elif response.status in (401, 407) and self._answer_challenge(response):
            return
        elif response.status == 503 and self._targets and not self._cancelled:
            self._again()
        else:
            self._end()
            self._tell(response)

    def on_failure(self, failure: Failure, transaction: ClientTransaction) -> None:
        if transaction is not self._transaction or self._abandoned:
            return
        self.failure = failure
        self._note("no_answer" if failure == "timeout" else "connection_lost")
        if transaction.answered or self._cancelled:
            self._finish(failure)
            return
        if failure == "transport" and self._may_reconnect and self._target is not None:
            self._targets.insert(0, self._target)
        self._again()

    def _again(self) -> None:
        self.request = self.request.copy()
        self._task = self._sender.spawn(self._try_next())

    def _answer_challenge(self, response: Response) -> bool:
        digest = self._outgoing.digest
        if digest is None or self._cancelled or self._challenges >= MAX_CHALLENGES:
            return False
        self._challenges += 1
        if not digest.learn(response, self._answered_realms):
            return False
        request = self.request.copy()
        request.set("cseq", f"{self._outgoing.next_number()} {request.method}")
        self.request = request
        try:
            self._send(self.flow)
            self._may_reconnect = True
        except TransportError:
            self._again()
        return True

    def cancel(self, reason: str | None = None) -> None:
        """Give up an INVITE that has no final response (RFC 3261 section 9.1). `reason` is the value of a Reason."""
        if self.done or self._cancelled:
            return
        self._cancelled, self._cancel_reason = True, reason
        transaction = self._transaction
        if transaction is None or transaction.done:
            self._task.cancel()
            self._finish("cancelled")
        elif transaction.answered:
            self._send_cancel()
        else:
            self._give_up_later()  # before a provisional response nothing may be cancelled

    def _send_cancel(self) -> None:
        transaction = self._transaction
        if transaction is None or self._cancel_sent:
            return
        self._cancel_sent = True
        cancel = cancel_of(transaction.request)
        if self._cancel_reason is not None:
            cancel.set("reason", self._cancel_reason)
        PlainClientTransaction(self._sender.layer, cancel, transaction.flow, _Nobody()).start()
        self._give_up_later()

    def _give_up_later(self) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer.cancel()
        loop = asyncio.get_running_loop()
        self._cancel_timer = loop.call_later(self._sender.layer.timers.timeout, self._give_up)

    def _give_up(self) -> None:
        if self._transaction is not None:
            self._transaction.abandon()
        self._finish("cancelled")

    def abandon(self) -> None:
        """Forget the request: it is not sent again, whatever becomes of it, and nobody is told. Only a 2xx to an INVITE
        is still told, since it wants an ACK; a refusal gets that from the transaction (RFC 3261 section 17.1.1.3).
        """
        self._abandoned = True
        self._end()
        self._task.cancel()
        if self._transaction is not None:
            self._transaction.leave()

    def _finish(self, failure: Trouble) -> None:
        if self.done:
            return
        self._end()
        self.failure = failure
        if not self.request.lines("via"):
            self.request.set("via", "SIP/2.0/UDP unsent.invalid")
        self._tell(self.request.response(_STATUS_OF[failure]))

    def _end(self) -> None:
        self.done = True
        self._sender.done(self)
        if self._cancel_timer is not None:
            self._cancel_timer.cancel()

    def _tell(self, response: Response) -> None:
        if self._on_response is not None:
            self._on_response(response, self)


class _Nobody:
    """Listens to requests whose answer changes nothing."""

    def on_response(self, response: Response, transaction: ClientTransaction) -> None: ...

    def on_failure(self, failure: Failure, transaction: ClientTransaction) -> None: ...


def write_route(request: Request, flow: Flow, transports: Transports) -> None:
    """Write a Via of our own, with a branch that was never used."""
    host, port = transports.sent_by(flow)
    branch = MAGIC_COOKIE + secrets.token_hex(12)
    via = Via(flow.transport.upper(), host_in_uri(host), port, {"branch": branch, "rport": None})
    request.set_first("via", str(via))


def leads_there(flow: Flow, targets: list[Target]) -> bool:
    """Whether the way by which a peer was heard is also the way to it.

    An open connection to one of its addresses is. And where its address is a private one and it was heard from
    another, it sits behind a NAT, and only the way that it came is open.
    """
    if flow.reliable and not getattr(flow, "is_open", True):
        return False
    hosts = [target.host for target in targets]
    if flow.reliable and flow.remote[0] in hosts:
        return True
    source = ipaddress.ip_address(flow.remote[0])
    return not source.is_private and bool(hosts) and all(ipaddress.ip_address(host).is_private for host in hosts)
