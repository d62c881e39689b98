"""What all calls and registrations of a user agent share: sockets, transactions, and the tasks between them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from dialtone.sip.dns import Resolver, SystemResolver
from dialtone.sip.errors import SipError
from dialtone.sip.exchange import Exchange, OnResponse, Outgoing, leads_there, write_route
from dialtone.sip.flow import Flow, Target
from dialtone.sip.guard import Guard
from dialtone.sip.locating import locate
from dialtone.sip.message import Request, Response
from dialtone.sip.timers import Timers
from dialtone.sip.transaction_layer import TransactionLayer
from dialtone.sip.transports import TransportOptions, Transports
from dialtone.sip.uri import Uri

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
SUPPORTED = "100rel, timer, replaces, norefersub"


@dataclass(frozen=True, slots=True)
class Options:
    """How a user agent behaves."""

    transports: TransportOptions
    timers: Timers = field(default_factory=Timers)
    resolver: Resolver = field(default_factory=SystemResolver)
    product: str = "Dialtone"
    """Of User-Agent and Server."""
    session_seconds: int = 1800
    """How long a call may go on without a sign of life (RFC 4028)."""
    refresh_share: float = 0.5
    """Which part of that time passes before we give a sign; RFC 4028 recommends a half."""
    max_calls: int = 2000
    new_calls_per_second: float = 50.0
    owner_seconds: float = 10.0
    """How long the owner may take to answer a peer's offer or REFER within a call."""
    ring_seconds: float = 180.0
    """How long an incoming call may ring."""


class Endpoint:
    """Sends requests, and passes on those that come in and belong to no transaction. `on_lost` is told of connections
    that are gone.
    """

    def __init__(
        self, options: Options, on_request: Callable[[Request, Flow], None], on_lost: Callable[[Flow], None]
    ) -> None:
        self.options = options
        self.resolver = options.resolver
        self.guard = Guard(asyncio.get_running_loop().time)
        self.layer = TransactionLayer(options.timers, on_request)
        self.transports = Transports(options.transports, self.guard, self.layer.receive, self._lost)
        self.without_tcp: dict[tuple[str, int], float] = {}
        self.changed = asyncio.Event()
        """Set whenever a request of ours is done, for whoever waits until all are."""
        self._on_lost = on_lost
        self._tasks: set[asyncio.Task[None]] = set()
        self._exchanges: set[Exchange] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the user agent at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def find(self, uri: Uri) -> list[Target]:
        """The servers of a URI that can be reached from here, best first. Raises `TransportError`."""
        targets = await locate(uri, self.resolver)
        return [target for target in targets if self.transports.speaks(target.transport, target.host)]

    def send(self, outgoing: Outgoing, on_response: OnResponse | None = None) -> Exchange:
        """Send a request until it is answered."""
        request = outgoing.request
        request.set("user-agent", self.options.product)
        if request.method not in ("BYE", "PRACK"):
            request.set("allow", ALLOW)
            request.set("supported", SUPPORTED)
        exchange = Exchange(self, outgoing, on_response)
        self._exchanges.add(exchange)
        return exchange

    def done(self, exchange: Exchange) -> None:
        """A request has its final answer."""
        self._exchanges.discard(exchange)
        self.changed.set()

    def send_once(self, outgoing: Outgoing) -> None:
        """Send a request that nobody answers: the ACK of a 2xx."""
        self.spawn(self._send_once(outgoing))

    async def _send_once(self, outgoing: Outgoing) -> None:
        request, flow = outgoing.request, outgoing.flow
        try:
            targets = await self.find(outgoing.next_hop)
            if flow is None or not leads_there(flow, targets):
                flow = await self.transports.flow_to(targets[0])
            write_route(request, flow, self.transports)
            if outgoing.digest is not None:
                outgoing.digest.authorize(request)
            flow.send(request.to_bytes())
        except (SipError, OSError, IndexError):
            return  # the 2xx is repeated and acknowledged again

    def _lost(self, flow: Flow) -> None:
        self.layer.lost(flow)
        self._on_lost(flow)

    def prepared(self, response: Response, flow: Flow, *, contact_user: str | None = None) -> Response:
        """A response with what all of ours say of us."""
        response.set("server", self.options.product)
        if contact_user is not None:
            response.set("contact", f"<{self.transports.contact(flow, contact_user)}>")
            response.set("allow", ALLOW)
            response.set("supported", SUPPORTED)
        return response

    @property
    def busy(self) -> bool:
        """Requests of ours still wait for their answer."""
        return bool(self._exchanges)

    async def open(self) -> None:
        await self.transports.open()

    async def close(self) -> None:
        """Stop all at once; nobody is told."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.layer.close()
        await self.transports.close()
