"""The user agent: what its owner tells it, and where calls are found. See docs/sip.md."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable

from dialtone.sip.admission import Admit
from dialtone.sip.answering import IncomingSession
from dialtone.sip.bodies import UnsupportedBodyError
from dialtone.sip.calling import OutgoingSession, referring_uri
from dialtone.sip.dialog import Dialog, DialogKey
from dialtone.sip.digest import Credentials, DigestClient
from dialtone.sip.endpoint import Endpoint, Options
from dialtone.sip.errors import ParseError, UnknownCallError, WrongStateError
from dialtone.sip.events import Account, Cause, Event, LoginRefused, OutgoingCall
from dialtone.sip.flow import Flow, SocketAddress, Target, Transport
from dialtone.sip.incoming import Incoming
from dialtone.sip.message import Request
from dialtone.sip.pace import Pace
from dialtone.sip.parameters import parse_parameters
from dialtone.sip.peers import PeerOrder, Peers
from dialtone.sip.registration import Registration, RegistrationOrder
from dialtone.sip.sdp import Direction, with_direction
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.session import Session
from dialtone.sip.uri import parse_uri

RETRY_SECONDS = 5
"""When a caller may try again whom we have no room for."""
MAX_ACCOUNTS = 1000
"""Whose nonces are remembered."""


class UserAgent:
    """Places and takes calls.

    `on_event` is told what happens, from within the event loop; it may give commands at once. `admit` says who may
    come in. All commands take effect without waiting; what comes of them is told by events.
    """

    def __init__(self, options: Options, on_event: Callable[[Event], None], admit: Admit) -> None:
        self._on_event = on_event
        loop = asyncio.get_running_loop()
        self._incoming = Incoming(lambda: self.endpoint, self, admit, loop.time)
        self.endpoint: Endpoint = Endpoint(options, self._incoming.receive, self._lost)
        self._sessions: dict[str, Session] = {}
        self._dialogs: dict[DialogKey, tuple[Dialog, Session]] = {}
        self._invites: dict[int, IncomingSession] = {}
        """Unanswered calls by the identity of their transaction."""
        self._digests: dict[Account, DigestClient] = {}
        self._registrations: dict[str, Registration] = {}
        self._peers = Peers(self.endpoint, self.emit)
        self.draining = False
        self._pace = Pace(options.new_calls_per_second, loop.time)

    # --- life

    async def open(self) -> None:
        """Listen. Raises `OSError` where an address cannot be had."""
        await self.endpoint.open()

    def listening_on(self) -> list[tuple[Transport, SocketAddress]]:
        return self.endpoint.transports.listening_on()

    def address_for(self, host: str) -> str:
        """Our IP address as a peer at this one sees it, for its media. Raises `TransportError` where no way leads
        there.
        """
        return self.endpoint.transports.address_for(host)

    async def find(self, uri: str) -> list[Target]:
        """The servers of a SIP URI that can be reached from here, best first. Raises `ParseError`, `TransportError`."""
        return await self.endpoint.find(parse_uri(uri))

    async def learn_public_address(self, stun_server: SocketAddress) -> SocketAddress:
        """Ask a STUN server, given by IP address, how others see us over UDP. Raises `TransportError`."""
        return await self.endpoint.transports.learn_public_address(stun_server)

    async def drain(self) -> None:
        """Take no new calls any more, and unregister. Calls go on."""
        self.draining = True
        self._peers.stop()
        await asyncio.gather(*(registration.stop() for registration in self._registrations.values()))

    async def close(self) -> None:
        """Hang up every call and stop. Waits until that was acknowledged, or as long as a request may take."""
        await self.drain()
        for session in list(self._sessions.values()):
            session.hangup(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.endpoint.options.timers.timeout):
                while self._sessions or self.endpoint.busy:
                    self.endpoint.changed.clear()
                    await self.endpoint.changed.wait()
        for session in list(self._sessions.values()):
            session.end("us", 0, "")
        await self.endpoint.close()

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return len(self._sessions)

    # --- commands

    def invite(self, order: OutgoingCall) -> str:
        """Place a call; returns its name. Raises `ParseError` or `ValueError` for an order that makes no sense."""
        if self.draining:
            raise WrongStateError("the user agent is about to close")
        call = secrets.token_hex(8)
        session = OutgoingSession(self, call, order, self._digest(order.account))
        self._sessions[call] = session
        return call

    def ring(self, call: str, description: str | None = None, status: int = 180) -> None:
        """Tell the caller that it rings; with a description, the caller hears us already (180 or 183)."""
        self._incoming_session(call).ring(status, description)

    def answer(self, call: str, description: str) -> None:
        """Take a call: with the answer to the caller's offer, or with an offer where there was none."""
        self._incoming_session(call).answer(description)

    def reject(
        self,
        call: str,
        status: int = 486,
        reason: str | None = None,
        *,
        retry_after: int | None = None,
        contacts: tuple[str, ...] = (),
        cause: Cause | None = None,
    ) -> None:
        """Do not take a call; a 3xx names in `contacts` where else to call."""
        session = self._incoming_session(call)
        session.reject(status, reason, retry_after=retry_after, contacts=contacts, cause=cause)

    def hangup(self, call: str, cause: Cause | None = None) -> None:
        """End a call in whatever state it is; a call that is over already is left alone."""
        session = self._sessions.get(call)
        if session is not None:
            session.hangup(cause)

    def offer(self, call: str, description: str) -> None:
        """Offer other media within a call. Raises `WrongStateError` while another offer is open."""
        self._session(call).offers.offer(description)

    def hold(self, call: str, direction: Direction = "sendonly") -> None:
        """Offer our last description in another direction."""
        self._redirect(call, direction)

    def resume(self, call: str) -> None:
        """Offer our last description in both directions."""
        self._redirect(call, "sendrecv")

    def _redirect(self, call: str, direction: Direction) -> None:
        offers = self._session(call).offers
        if offers.local is None:
            raise WrongStateError("there is no description yet")
        offers.offer(with_direction(offers.local, direction))

    def answer_offer(self, call: str, description: str, fork: str = "") -> None:
        """Our answer where an event wants one; `fork` as the event names it."""
        self._session(call).offers_of(fork).answer(description)

    def refuse_offer(self, call: str, status: int = 488, fork: str = "") -> None:
        self._session(call).offers_of(fork).refuse(status)

    def refer(
        self, call: str, target: str | None = None, *, replaces: str | None = None, referred_by: str | None = None
    ) -> None:
        """Ask the other side to call `target`; with `replaces`, the name of another call of ours, in its place. Then
        the far end of that call is the target unless one is given.
        """
        replaced = None
        if replaces is not None:
            dialog = self._session(replaces).dialog
            if dialog is None:
                raise WrongStateError("the call to replace has no dialog yet")
            replaced, target = dialog.replaces, target or str(dialog.target)
        if target is None:
            raise ValueError("a transfer needs a target")
        self._session(call).transfers.refer(referring_uri(target, replaced), referred_by)

    def abandon_refer(self, call: str) -> None:
        """Wait no longer for what comes of our `refer`, so that another one can be tried."""
        session = self._sessions.get(call)
        if session is not None:
            session.transfers.abandon()

    def can_connect(self, call: str, other: str) -> bool:
        """Whether the far ends of two calls say that they can be connected with one another (REFER with Replaces)."""
        one, two = self._session(call), self._session(other)
        return "refer" in one.peer_methods and "replaces" in two.peer_extensions

    def accept_refer(self, call: str) -> None:
        """Say that we try the transfer; `notify_refer` tells how it goes."""
        self._session(call).transfers.accept()

    def reject_refer(self, call: str, status: int = 603) -> None:
        self._session(call).transfers.reject(status)

    def notify_refer(self, call: str, status: int, reason: str | None = None) -> None:
        """Tell the other side how its transfer goes; a status of 200 or above is the last word."""
        self._session(call).transfers.notify(status, reason)

    def send_info(self, call: str, content_type: str, body: bytes) -> None:
        self._session(call).send_info(content_type, body)

    def register(self, order: RegistrationOrder) -> None:
        """Register, and stay registered until `unregister`. Raises `ParseError` or `ValueError`."""
        if order.name in self._registrations:
            raise ValueError("a registration of this name is there already")
        registration = Registration(self.endpoint, order, self.emit)
        self._registrations[order.name] = registration
        registration.start()

    async def unregister(self, name: str) -> None:
        registration = self._registrations.pop(name, None)
        if registration is not None:
            await registration.stop()

    def watch(self, order: PeerOrder) -> None:
        """Ask a peer by OPTIONS from time to time. Raises `ParseError` or `ValueError`."""
        self._peers.watch(order)

    def unwatch(self, name: str) -> None:
        self._peers.unwatch(name)

    # --- what sessions ask

    def emit(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # an owner's mistake must not leave a call half taken apart
            loop = asyncio.get_running_loop()
            message = f"the owner of the SIP user agent failed at {type(event).__name__}"
            loop.call_exception_handler({"message": message, "exception": error})

    def add_dialog(self, dialog: Dialog, session: Session) -> None:
        self._dialogs[dialog.key] = (dialog, session)

    def remove_dialog(self, dialog: Dialog) -> None:
        self._dialogs.pop(dialog.key, None)

    def forget(self, session: Session) -> None:
        self._sessions.pop(session.call, None)
        self.endpoint.changed.set()
        if isinstance(session, IncomingSession):
            self._invites.pop(id(session.transaction), None)

    # --- what comes in, or breaks

    def _lost(self, flow: Flow) -> None:
        for registration in self._registrations.values():
            registration.lost(flow)

    def has_dialog(self, request: Request) -> bool:
        return _key_of(request) in self._dialogs

    def receive_in_dialog(self, request: Request, transaction: ServerTransaction) -> bool:
        found = self._dialogs.get(_key_of(request))
        if found is None:
            return False
        dialog, session = found
        session.receive(request, transaction, dialog)
        return True

    def receive_ack(self, request: Request) -> None:
        found = self._dialogs.get(_key_of(request))
        if found is not None:
            found[1].receive_ack(request)

    def tag_of(self, invite: ServerTransaction) -> str | None:
        session = self._invites.get(id(invite))
        if session is not None:
            return session.tag
        return invite.request.to.tag or None

    def receive_cancel(self, cancel: Request, invite: ServerTransaction) -> None:
        session = self._invites.get(id(invite))
        if session is not None:
            session.receive_cancel(cancel)
            return
        found = self._dialogs.get(_key_of(invite.request))
        if found is not None:
            found[1].offers.cancel(invite)

    def receive_invite(self, transaction: ServerTransaction, tag: str) -> None:
        refusal = self._no_room(transaction.flow.remote[0])
        if refusal is not None:
            self._refuse(transaction, *refusal)
            return
        request = transaction.request
        call = secrets.token_hex(8)
        try:
            replaced, status = self._replaced_by(request)
            if status:
                self._refuse(transaction, status)
                return
            session = IncomingSession(self, call, transaction, replaced)
        except UnsupportedBodyError:
            self._refuse(transaction, 415)
            return
        except ParseError:
            self._refuse(transaction, 400)
            return
        if not session.timer.acceptable(request, transaction):
            session.take_apart()
            return
        transaction.respond(request.response(100))
        self._sessions[call] = session
        self._invites[id(transaction)] = session
        self.emit(session.event(tag))

    def login_refused(self, tag: str, source: SocketAddress) -> None:
        self.emit(LoginRefused(tag, *source))

    def _no_room(self, source: str) -> tuple[int, int] | None:
        """Status and seconds to wait for a caller who must be turned away."""
        is_full = self.draining or len(self._sessions) >= self.endpoint.options.max_calls
        return (503, RETRY_SECONDS) if is_full or not self._pace.take(source) else None

    def _refuse(self, transaction: ServerTransaction, status: int, retry_after: int | None = None) -> None:
        response = self.endpoint.prepared(
            transaction.request.response(status, to_tag=secrets.token_hex(4)), transaction.flow
        )
        if retry_after is not None:
            response.set("retry-after", str(retry_after))
        if status == 415:
            response.set("accept", "application/sdp")
        transaction.respond(response)

    def _replaced_by(self, request: Request) -> tuple[Session | None, int]:
        """The call that an INVITE takes the place of, or the status to refuse it with (RFC 3891 section 3)."""
        lines = request.lines("replaces")
        if not lines:
            return None, 0
        call_id, semicolon, rest = lines[0].partition(";")
        params = parse_parameters(semicolon + rest)
        key = (call_id.strip(), params.get("to-tag") or "", params.get("from-tag") or "")
        found = self._dialogs.get(key)
        if len(lines) > 1:
            return None, 400
        if found is None or (not found[1].confirmed and not found[1].is_caller):
            return None, 481
        if found[1].confirmed and "early-only" in params:
            return None, 486
        return found[1], 0

    # --- finding

    def _session(self, call: str) -> Session:
        session = self._sessions.get(call)
        if session is None:
            raise UnknownCallError("no such call")
        return session

    def _incoming_session(self, call: str) -> IncomingSession:
        session = self._session(call)
        if not isinstance(session, IncomingSession):
            raise WrongStateError("this call is one of ours")
        return session

    def _digest(self, account: Account | None) -> DigestClient | None:
        if account is None:
            return None
        digest = self._digests.get(account)
        if digest is None:
            while len(self._digests) >= MAX_ACCOUNTS:
                del self._digests[next(iter(self._digests))]
            digest = self._digests[account] = DigestClient(Credentials(account.username, account.password))
        return digest


def _key_of(request: Request) -> DialogKey:
    return (request.call_id, request.to.tag, request.from_.tag)
