"""Being registered at somebody's server, so that it sends us the calls for an account (RFC 3261 section 10)."""

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from dialtone.sip.dialog import new_tag
from dialtone.sip.digest import Credentials, DigestClient
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.errors import Obstacle, ParseError
from dialtone.sip.events import Account, NoAnswer, RegistrationChanged
from dialtone.sip.exchange import Exchange, Outgoing
from dialtone.sip.flow import Flow
from dialtone.sip.headers import parse_number
from dialtone.sip.message import Request, Response
from dialtone.sip.uri import Uri, escape_user, parse_uri

FIRST_RETRY_SECONDS = 30.0
LONGEST_RETRY_SECONDS = 1800.0
"""RFC 5626 section 4.5."""
RECONNECT_SECONDS = 2.0
"""Within which a connection that is gone is replaced, so that not all accounts of a server come back at once."""
SHORTEST_SECONDS = 60
LONGEST_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class RegistrationOrder:
    """Where and as whom to register."""

    name: str
    """The owner's name for it, which events carry."""
    registrar: str
    """A SIP URI without a user, like `sip:sip.example.com;transport=tls`."""
    account: Account
    user: str = ""
    """User of the address to register, where that is not the account's user name."""
    proxy: str | None = None
    seconds: int = 600
    contact_user: str = ""
    """User of the address at which we are reached, where that is not the registered one: calls then come in to it."""


class Registration:
    """Registers, refreshes, tries again with growing pauses, and unregisters at the end."""

    def __init__(
        self, endpoint: Endpoint, order: RegistrationOrder, emit: Callable[[RegistrationChanged], None]
    ) -> None:
        self.order = order
        self.registered = False
        self._endpoint = endpoint
        self._emit = emit
        self._registrar: Uri = parse_uri(order.registrar).without_headers()
        self._proxy = parse_uri(order.proxy) if order.proxy is not None else None
        self._user = escape_user(order.user or order.account.username)
        self._contact_user = escape_user(order.contact_user) or self._user
        self._digest = DigestClient(Credentials(order.account.username, order.account.password))
        self._call_id, self._tag, self._number = secrets.token_hex(16), new_tag(), 0
        self._seconds = order.seconds
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._exchange: Exchange | None = None
        self._flow: Flow | None = None
        """The way on which the server has registered us, and may have nothing else to reach us by."""
        self._flow_since = 0.0
        self._reconnect_seconds = RECONNECT_SECONDS
        self._told: tuple[bool, int, Obstacle | None] | None = None
        self._done: asyncio.Future[None] | None = None

    def start(self) -> None:
        self._register(self._seconds)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _register(self, seconds: int) -> None:
        address = Uri("sip", self._user, self._registrar.host, self._registrar.port)
        registrar = Uri(self._registrar.scheme, "", self._registrar.host, self._registrar.port)
        fields = {
            "max-forwards": ["70"],
            "from": [f"<{address}>;tag={self._tag}"],
            "to": [f"<{address}>"],
            "call-id": [self._call_id],
            "cseq": [f"{self._next_number()} REGISTER"],
            "expires": [str(seconds)],
        }
        if self._proxy is not None:
            proxy = self._proxy.without_headers()
            proxy.params["lr"] = None
            fields["route"] = [f"<{proxy}>"]
        outgoing = Outgoing(
            Request("REGISTER", registrar, fields), self._proxy or self._registrar, self._next_number, self._digest,
            self._contact_user, f";expires={seconds}",
        )  # fmt: skip
        self._exchange = self._endpoint.send(outgoing, self._answered)

    def _answered(self, response: Response, exchange: Exchange) -> None:
        if response.status < 200 or exchange is not self._exchange:
            return
        if self._done is not None:
            if not self._done.done():
                self._done.set_result(None)
        elif response.status < 300:
            self._registered(response, exchange)
        elif response.status == 423 and self._seconds < response.number("min-expires", 0) <= LONGEST_SECONDS:
            self._seconds = response.number("min-expires", 0)
            self._register(self._seconds)
        else:
            self._failed(response, exchange.no_answer)

    def _registered(self, response: Response, exchange: Exchange) -> None:
        granted = max(1, self._granted(response, exchange))
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.registered = True
        if exchange.flow is not self._flow:
            self._flow, self._flow_since = exchange.flow, asyncio.get_running_loop().time()
        # Early enough for a refresh to fail and be tried again, and not all accounts at once.
        pause = max(granted / 2, granted - 60) * random.uniform(0.9, 1.0)
        self._schedule(pause)
        self._tell(response, granted)

    def _granted(self, response: Response, exchange: Exchange) -> int:
        """The seconds of our own Contact in the answer, else of the whole answer (RFC 3261 section 10.2.4)."""
        try:
            ours = exchange.request.contacts[0].uri
            for contact in response.contacts:
                same = (contact.uri.user, contact.uri.host, contact.uri.port) == (ours.user, ours.host, ours.port)
                if same and contact.params.get("expires"):
                    return parse_number(contact.params["expires"] or "", LONGEST_SECONDS)
        except (ParseError, IndexError):
            return response.number("expires", self._seconds, LONGEST_SECONDS)
        return response.number("expires", self._seconds, LONGEST_SECONDS)

    def lost(self, flow: Flow) -> None:
        """A connection is gone. Where we were registered on it, we register on another one (RFC 5626 section 4.5);
        with growing pauses where none lasts, since some servers close each after their answer.
        """
        is_asking = self._exchange is not None and not self._exchange.done
        if flow is not self._flow or self._done is not None or is_asking or self._timer is None:
            return
        self._flow = None
        now = asyncio.get_running_loop().time()
        if now - self._flow_since >= FIRST_RETRY_SECONDS:
            self._reconnect_seconds = RECONNECT_SECONDS
        else:
            self._reconnect_seconds = min(max(FIRST_RETRY_SECONDS, self._reconnect_seconds * 2), LONGEST_RETRY_SECONDS)
        pause = self._reconnect_seconds * random.uniform(0.5, 1.0)
        if now + pause < self._timer.when():
            self._timer.cancel()
            self._schedule(pause)

    def _failed(self, response: Response, no_answer: NoAnswer | None) -> None:
        self.registered = False
        self._flow = None
        wanted = response.number("retry-after", 0, LONGEST_SECONDS)
        pause = max(float(wanted), self._retry_seconds * random.uniform(0.5, 1.0))
        self._retry_seconds = min(LONGEST_RETRY_SECONDS, self._retry_seconds * 2)
        self._schedule(pause)
        self._tell(response, int(pause), no_answer)

    def _schedule(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._register, self._seconds)

    def _tell(self, response: Response, seconds: int, no_answer: NoAnswer | None = None) -> None:
        obstacle = None if no_answer is None else no_answer.obstacle
        told = (self.registered, response.status, obstacle)
        if told != self._told:
            self._told = told
            name, status, reason = self.order.name, response.status, response.reason
            self._emit(RegistrationChanged(name, self.registered, status, reason, seconds, no_answer))

    async def stop(self) -> None:
        """Unregister, and wait for the answer, at most as long as a request may take."""
        if self._done is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None and not self._exchange.done:
            self._exchange.abandon()
        self._done = asyncio.get_running_loop().create_future()
        if self.registered:
            self.registered = False
            self._register(0)
            await asyncio.wait([self._done], timeout=self._endpoint.options.timers.timeout)
