"""A call that comes in, until it is answered or refused (RFC 3261 section 13.3)."""

import asyncio

from dialtone.sip.bodies import description_of, description_or_none, set_description
from dialtone.sip.dialog import as_called, new_tag
from dialtone.sip.diversions import diversions_of
from dialtone.sip.errors import ParseError, WrongStateError
from dialtone.sip.events import Cause, Confirmed, Identity, IncomingCall
from dialtone.sip.headers import NameAddr, parse_name_addr
from dialtone.sip.message import Request
from dialtone.sip.reason_header import cause_of, print_cause
from dialtone.sip.reliable import ReliableResponses
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.session import Session, SessionHost
from dialtone.sip.unacknowledged import UnacknowledgedAnswer
from dialtone.sip.uri import parse_uri

_MAX_IDENTITIES = 16
_MAX_EXTRA_HEADERS = 32


class IncomingSession(Session):
    """Raises `ParseError` for an INVITE that makes no dialog, and `UnsupportedBodyError`."""

    def __init__(self, host: SessionHost, call: str, transaction: ServerTransaction, replaced: Session | None) -> None:
        request = transaction.request
        super().__init__(host, call, request.uri.user if request.uri.is_sip else "", None)
        self.transaction = transaction
        self.replaced = replaced
        self._offer = description_of(request)
        self.tag = new_tag()
        self._answer: str | None = None
        self._told_early: str | None = None
        """The description that the caller has acknowledged before the answer."""
        self._is_acknowledged = False
        """The caller's ACK of our answer has come."""
        self._hangup_when_acknowledged = False
        self._hangup_cause: Cause | None = None
        self.note_peer(request)
        self.offers.remote = self._offer
        self.offers.open = "theirs"  # or they wait for ours
        self.add_dialog(as_called(request, self.tag, transaction.flow, self.next_number))
        options = self.endpoint.options
        self._reliable = ReliableResponses(transaction, options.timers, self._never_acknowledged_early)
        seconds = min(options.ring_seconds, request.number("expires", int(options.ring_seconds)))
        self._deadline: asyncio.TimerHandle = self.later(seconds, self._rang_too_long)

    def event(self, tag: str) -> IncomingCall:
        """What the owner is told of the call."""
        request, transaction = self.transaction.request, self.transaction
        replaced = self.replaced.call if self.replaced is not None else None
        return IncomingCall(
            self.call,
            tag,
            transaction.flow.remote[0],
            transaction.flow.transport,
            identity_of(request.from_),
            identity_of(request.to),
            request.uri_text,
            next(iter(_identities(request, "p-asserted-identity")), None),
            diversions_of(request),
            self._offer,
            replaced,
            next((identity.uri for identity in _identities(request, "referred-by")), None),
            request.number("max-forwards", 70),
            _extra_headers(request),
            next(iter(_identities(request, "p-called-party-id")), None),
            _privacy(request),
        )

    def ring(self, status: int, description: str | None) -> None:
        """A provisional answer; with a description the caller hears us before we answer."""
        if self._answer is not None or self.confirmed:
            raise WrongStateError("the call was answered already")
        if not 101 <= status <= 199:
            raise ValueError("a provisional status is between 101 and 199")
        request = self.transaction.request
        if self._offer is None:
            description = None  # it would be an offer, which only the final answer makes
        response = self.endpoint.prepared(
            request.response(status, to_tag=self.tag), self.transaction.flow, contact_user=self.contact_user
        )
        for line in request.lines("record-route"):
            response.add("record-route", line)
        if description is not None and self._told_early is None:
            set_description(response, description)
            self.offers.local = description
        wanted = "100rel" in request.tokens("require")
        if wanted or (description is not None and "100rel" in self.peer_extensions):
            if description is not None:
                self._told_early, self.offers.open = description, None
            self._reliable.send(response)
        else:
            self.transaction.respond(response)

    def answer(self, description: str) -> None:
        """Take the call."""
        if self._answer is not None or self.confirmed:
            raise WrongStateError("the call was answered already")
        self._answer = description
        self._reliable.after(self._send_answer)

    def _send_answer(self) -> None:
        if self._answer is None or self.ended:
            return
        description = self._answer
        self._deadline.cancel()
        request, late = self.transaction.request, self._offer is None
        response = self.endpoint.prepared(
            request.response(200, to_tag=self.tag), self.transaction.flow, contact_user=self.contact_user
        )
        for line in request.lines("record-route"):
            response.add("record-route", line)
        if self._told_early is None:
            set_description(response, description)
            self.offers.local = description
        self.offers.open = "ours" if late else None
        self.timer.accept(request, response)
        self.confirmed = True
        self.transaction.respond(response)
        self.unacknowledged = UnacknowledgedAnswer(
            self.transaction, self.endpoint.options.timers, self._acknowledged, self.no_acknowledgement
        )
        if self.replaced is not None:
            self.replaced.hangup(None)

    def _acknowledged(self, ack: Request) -> None:
        self._is_acknowledged = True
        if self._hangup_when_acknowledged:
            self._bye_and_end(self._hangup_cause)
            return
        description = None
        if self._offer is None:
            self.offers.open = None
            description = description_or_none(ack)
            self.offers.remote = description
        self.host.emit(Confirmed(self.call, description))

    def reject(
        self,
        status: int,
        reason: str | None = None,
        *,
        retry_after: int | None = None,
        contacts: tuple[str, ...] = (),
        cause: Cause | None = None,
    ) -> None:
        """Do not take the call; with a 3xx, `contacts` are where else to call."""
        if not 300 <= status <= 699:
            raise ValueError("a refusal has a status between 300 and 699")
        self._refuse(status, reason, retry_after=retry_after, contacts=contacts, cause=cause)
        self.end("us", status, reason or "", cause)

    def _refuse(
        self,
        status: int,
        reason: str | None = None,
        *,
        retry_after: int | None = None,
        contacts: tuple[str, ...] = (),
        cause: Cause | None = None,
    ) -> None:
        if self.confirmed:
            raise WrongStateError("the call was answered already")
        response = self.endpoint.prepared(
            self.transaction.request.response(status, reason, to_tag=self.tag), self.transaction.flow
        )
        if retry_after is not None:
            response.set("retry-after", str(retry_after))
        if cause is not None:
            response.set("reason", print_cause(cause))
        for contact in contacts:
            response.add("contact", f"<{parse_uri(contact)}>")
        self.transaction.respond(response)

    def receive_cancel(self, cancel: Request) -> None:
        """The caller gave up; too late once we have answered (RFC 3261 section 9.2)."""
        if not self.confirmed and not self.ended:
            self._refuse(487)
            self.end("cancelled", 487, "", cause_of(cancel))

    def receive_prack(self, request: Request, transaction: ServerTransaction) -> None:
        if description_of(request) is not None:
            self.respond(transaction, 488)  # an offer within a PRACK: nobody makes one
        elif self._reliable.acknowledge(request):
            self.respond(transaction, 200)
        else:
            self.respond(transaction, 481)

    def hangup(self, cause: Cause | None) -> None:
        if self.ended:
            return
        if not self.confirmed:
            self._refuse(603, cause=cause)
            self.end("us", 603, "", cause)
        elif not self._is_acknowledged:
            # Not before its ACK, so that the BYE does not overtake the answer (RFC 3261 section 15).
            self._hangup_when_acknowledged, self._hangup_cause = True, cause
        else:
            self._bye_and_end(cause)

    def _bye_and_end(self, cause: Cause | None) -> None:
        if self.dialog is not None:
            self.send_bye(self.dialog, cause)
        self.end("us", 0, "", cause)

    def _rang_too_long(self) -> None:
        if not self.confirmed and not self.ended:
            self._refuse(480)
            self.end("unanswered", 480, "")

    def _never_acknowledged_early(self) -> None:
        if not self.confirmed and not self.ended:
            self._refuse(504)
            self.end("failed", 504, "a provisional answer was never acknowledged")

    def take_apart(self) -> None:
        if not self.confirmed and self.transaction.final is None:
            self._refuse(487)  # its dialog ended first, by a BYE for example (RFC 3261 section 15.1.2)
        self._deadline.cancel()
        self._reliable.stop()
        super().take_apart()


def identity_of(address: NameAddr) -> Identity:
    """An address as plain data."""
    return Identity(str(address.uri), address.display_name, address.uri.user_name)


def _identities(request: Request, header: str) -> list[Identity]:
    """The addresses in a header that a call can do without: what cannot be read is left out."""
    found = []
    try:
        values = request.values(header)[:_MAX_IDENTITIES]
    except ParseError:
        return []
    for value in values:
        try:
            found.append(identity_of(parse_name_addr(value)))
        except ParseError:
            continue
    return found


def _privacy(request: Request) -> frozenset[str]:
    """Wishes are divided by semicolons (RFC 3323 section 4.2); some write commas."""
    wishes = ";".join(request.lines("privacy")[:_MAX_IDENTITIES]).replace(",", ";").split(";")
    return frozenset(wish.strip().lower() for wish in wishes if wish.strip())


def _extra_headers(request: Request) -> dict[str, tuple[str, ...]]:
    names = [name for name in request.header_names() if name.startswith("x-")][:_MAX_EXTRA_HEADERS]
    return {name: tuple(request.lines(name)) for name in names}
