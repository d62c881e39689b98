"""A call that we place, until it is answered or refused (RFC 3261 section 13.2)."""

import asyncio
import secrets
from functools import partial
from urllib.parse import quote

from dialtone.sip.bodies import description_or_none, set_description
from dialtone.sip.dialog import Dialog, as_caller, new_tag
from dialtone.sip.digest import DigestClient
from dialtone.sip.errors import ParseError
from dialtone.sip.events import Answered, Cause, EndedBy, OutgoingCall, Ringing
from dialtone.sip.exchange import Exchange, Outgoing
from dialtone.sip.headers import NameAddr
from dialtone.sip.message import Request, Response
from dialtone.sip.offers import Offers
from dialtone.sip.parameters import is_token
from dialtone.sip.reason_header import cause_of, print_cause
from dialtone.sip.session import Session, SessionHost
from dialtone.sip.uri import escape_user, parse_uri

MAX_FORKS = 16
"""Early dialogs of one call; what rings beyond is not listened to."""
MAX_INTERVAL_TRIES = 3
LONGEST_RETRY_SECONDS = 24 * 3600


class OutgoingSession(Session):
    """Raises `ParseError` or `ValueError` where the order to call cannot be carried out."""

    def __init__(self, host: SessionHost, call: str, order: OutgoingCall, digest: DigestClient | None) -> None:
        if order.max_forwards < 1:
            raise ValueError("a call that has come through too many hands")
        super().__init__(host, call, escape_user(order.contact_user), digest)
        self.is_caller = True
        self._order = order
        self._target = parse_uri(order.target).without_headers()
        self._proxy = parse_uri(order.proxy) if order.proxy is not None else None
        self._caller = NameAddr(parse_uri(order.caller.uri), order.caller.display_name, {"tag": new_tag()})
        self._call_id = secrets.token_hex(16)
        self._acks: dict[str, Outgoing] = {}
        """By the tag of who answered, to acknowledge again what is answered again."""
        self._reliable: dict[str, int] = {}
        """The last RSeq, by tag."""
        self._forks: dict[str, Offers] = {}
        """By tag, until one of them answers: our one offer begins another negotiation with each whom it reaches."""
        self._hung_up: Cause | None = None
        self._gave_up: EndedBy | None = None
        self._invite: Exchange | None = None
        self._intervals = 0
        self._deadline: asyncio.TimerHandle = self.later(order.ring_seconds, partial(self._give_up, "unanswered"))
        self._first_invite()

    # --- the INVITE

    def _first_invite(self) -> None:
        self.offers = self._negotiation("")
        request = self._new_invite()
        next_hop = self._proxy or self._target
        outgoing = Outgoing(
            request, next_hop, self.next_number, self.digest, self.contact_user,
            servers=self._order.servers, patience=self._order.patience,
        )  # fmt: skip
        self._invite = self.endpoint.send(outgoing, self._invite_answered)

    def _negotiation(self, fork: str) -> Offers:
        offers = Offers(self, fork)
        if self._order.offer is not None:
            offers.offered(self._order.offer)
        return offers

    def _new_invite(self) -> Request:
        order = self._order
        fields = {
            "max-forwards": [str(order.max_forwards)],
            "from": [str(self._caller)],
            "to": [f"<{self._target}>"],
            "call-id": [self._call_id],
            "cseq": [f"{self.next_number()} INVITE"],
        }
        if self._proxy is not None:
            proxy = self._proxy.without_headers()
            proxy.params["lr"] = None
            fields = {"route": [f"<{proxy}>"], **fields}
        request = Request("INVITE", self._target, fields)
        self.timer.ask(request)
        if order.asserted is not None:
            request.set("p-asserted-identity", f"<{parse_uri(order.asserted)}>")
        if order.preferred is not None:
            request.set("p-preferred-identity", f"<{parse_uri(order.preferred)}>")
        if order.privacy:
            request.set("privacy", "id")
        if order.diversion is not None:
            request.set("diversion", f"<{parse_uri(order.diversion)}>")
        if order.referred_by is not None:
            request.set("referred-by", f"<{parse_uri(order.referred_by)}>")
        if order.replaces is not None:
            request.set("replaces", order.replaces)
            request.set("require", "replaces")
        for name, value in order.headers.items():
            if not name.lower().startswith("x-") or not is_token(name):
                raise ValueError("more headers begin with X-")
            request.set(name.lower(), value)
        set_description(request, order.offer)
        request.to_bytes()  # raises where a value would begin a new line
        return request

    def _invite_answered(self, response: Response, exchange: Exchange) -> None:
        if 200 <= response.status < 300:
            self._answered(response, exchange)
        elif self.ended or self.confirmed:
            return
        elif response.status < 200:
            self._provisional(response, exchange)
        elif response.status == 422 and self._intervals < MAX_INTERVAL_TRIES and self.timer.too_small(response):
            self._intervals += 1
            self._keep_only(None)
            self._first_invite()
        else:
            self._refused(response, exchange)

    # --- before the answer

    def _provisional(self, response: Response, exchange: Exchange) -> None:
        dialog = self._early_dialog(response, exchange)
        description = description_or_none(response)
        if dialog is None:
            self._tell_ringing(response, description)
            return
        offers = self.offers_of(dialog.remote_tag)
        if not self._is_reliable(response):
            if description is not None and offers.open == "ours":
                offers.remote = description  # of their answer to come, which some leave out then
            self._tell_ringing(response, description, offers.fork)
            return
        number = response.number("rseq", 0)
        last = self._reliable.get(dialog.remote_tag)
        if number == 0 or (last is not None and number != last + 1):
            return  # repeated, or one before it was lost and comes again first
        self._reliable[dialog.remote_tag] = number
        rack = f"{number} {response.cseq[0]} INVITE"
        if description is not None and self._order.offer is None and offers.remote is None:
            self._ask_for_answer_early(response, dialog, description, rack)
            return
        self._acknowledge_early(dialog, rack, None)
        if description is not None and offers.open == "ours":
            offers.open, offers.remote = None, description
        self._tell_ringing(response, description, offers.fork)

    def _tell_ringing(self, response: Response, description: str | None, fork: str = "") -> None:
        if self._gave_up is None:
            self.host.emit(Ringing(self.call, response.status, response.reason, description, fork=fork))

    @staticmethod
    def _is_reliable(response: Response) -> bool:
        return "100rel" in response.tokens("require") and bool(response.lines("rseq"))

    def _ask_for_answer_early(self, response: Response, dialog: Dialog, description: str, rack: str) -> None:
        offers = self.offers_of(dialog.remote_tag)
        offers.remote = description
        offers.ask(
            Ringing(self.call, response.status, response.reason, description, wants_answer=True, fork=offers.fork),
            lambda answer: self._acknowledge_early(dialog, rack, answer),
            lambda status: self._give_up("failed"),
        )

    def _acknowledge_early(self, dialog: Dialog, rack: str, description: str | None) -> None:
        request = dialog.request("PRACK")
        request.set("rack", rack)
        set_description(request, description)
        self.send(request, None, dialog)

    def _early_dialog(self, response: Response, exchange: Exchange) -> Dialog | None:
        """The dialog that a provisional response belongs to; None for one without a tag, or one too many."""
        self.note_peer(response)
        tag = response.to.tag
        known = self.dialog_with(tag) if tag else None
        if known is not None:
            known.refresh_target(response)
            return known
        if not tag or len(self.dialogs) >= MAX_FORKS:
            return None
        try:
            dialog = as_caller(exchange.request, response, exchange.flow, self.next_number)
        except ParseError:
            return None
        self.add_dialog(dialog)
        return dialog

    def add_dialog(self, dialog: Dialog) -> None:
        """See `Session.add_dialog`. Its offers are those of the call from here on."""
        super().add_dialog(dialog)
        tag = dialog.remote_tag
        self.offers = self._forks[tag] = self._forks.get(tag) or self._negotiation(tag)

    def offers_of(self, fork: str) -> Offers:
        """See `Session.offers_of`."""
        return self._forks.get(fork, self.offers)

    def _keep_only(self, kept: Dialog | None) -> None:
        """Leave all the others whom the call has reached; their servers end them."""
        for dialog in self.dialogs:
            if dialog is not kept:
                self.abandon(dialog)
                self.drop_dialog(dialog)
        for tag, offers in self._forks.items():
            if kept is None or tag != kept.remote_tag:
                offers.stop()
        self._forks.clear()

    # --- the answer

    def _answered(self, response: Response, exchange: Exchange) -> None:
        tag = response.to.tag
        repeated = self._acks.get(tag)
        if repeated is not None:
            self.endpoint.send_once(Outgoing(repeated.request.copy(), repeated.next_hop, self.next_number,
                                             self.digest, flow=repeated.flow))  # fmt: skip
            return
        try:
            dialog = self.dialog_with(tag) or as_caller(exchange.request, response, exchange.flow, self.next_number)
            dialog.confirm(response)
        except ParseError:
            return  # it cannot be reached: it gives up when no ACK comes
        if self.ended or self.confirmed or self._gave_up is not None:
            self._acknowledge(dialog, exchange, None)
            self.send_bye(dialog, self._hung_up)
            if not self.ended and not self.confirmed:
                self.end(self._gave_up or "us", 487, "", self._hung_up)
            return
        self._take(response, exchange, dialog)

    def _take(self, response: Response, exchange: Exchange, dialog: Dialog) -> None:
        self._deadline.cancel()
        self.confirmed = True
        self.note_peer(response)
        self.add_dialog(dialog)
        self._keep_only(dialog)
        description, offers, source = description_or_none(response), self.offers, exchange.flow.remote[0]
        if self._order.offer is None and offers.remote is None:
            if description is None:
                self._acknowledge(dialog, exchange, None)
                self.fail("an answer without an offer")
                return
            offers.remote = description
            offers.ask(
                Answered(self.call, description, wants_answer=True, fork=offers.fork, source=source),
                lambda answer: self._acknowledge(dialog, exchange, answer),
                lambda status: self._cannot_answer(dialog, exchange),
            )
        else:
            self._acknowledge(dialog, exchange, None)
            if offers.open == "ours":
                offers.open, offers.remote = None, description or offers.remote
            answer = None if offers.is_answerer else offers.remote
            self.host.emit(Answered(self.call, answer, fork=offers.fork, source=source))
        if not self.ended:
            self.timer.agreed(response)

    def _cannot_answer(self, dialog: Dialog, exchange: Exchange) -> None:
        self._acknowledge(dialog, exchange, None)
        if not self.ended:
            self.fail("their offer was not answered")

    def _acknowledge(self, dialog: Dialog, exchange: Exchange, description: str | None) -> None:
        ack = dialog.ack(exchange.request.cseq[0])
        set_description(ack, description)
        outgoing = Outgoing(ack, dialog.next_hop, self.next_number, self.digest, flow=dialog.flow)
        if len(self._acks) < 2 * MAX_FORKS:
            self._acks[dialog.remote_tag] = outgoing
        self.endpoint.send_once(outgoing)

    # --- no answer

    def _refused(self, response: Response, exchange: Exchange) -> None:
        by: EndedBy = self._gave_up or ("failed" if exchange.failure is not None else "refused")
        cause = self._hung_up if self._gave_up is not None else cause_of(response)
        retry_after = response.number("retry-after", -1, LONGEST_RETRY_SECONDS)
        contacts: tuple[str, ...] = ()
        if 300 <= response.status < 400:
            contacts = _contacts(response)
        wait = retry_after if retry_after >= 0 else None
        self.end(by, response.status, response.reason, cause, wait, contacts, exchange.no_answer)

    def hangup(self, cause: Cause | None) -> None:
        self._hung_up = cause
        if self.confirmed:
            if not self.ended and self.dialog is not None:
                self.send_bye(self.dialog, cause)
            self.end("us", 0, "", cause)
        else:
            self._give_up("us")

    def _give_up(self, by: EndedBy) -> None:
        """Cancel; the end is told once the other side has taken note, or did not in time."""
        if self._gave_up is None and not self.ended and not self.confirmed and self._invite is not None:
            self._gave_up = by
            self._invite.cancel(print_cause(self._hung_up) if self._hung_up is not None else None)

    def take_apart(self) -> None:
        if self._invite is not None:
            self._invite.cancel()  # of no effect once it has its final answer
        self._deadline.cancel()
        for offers in self._forks.values():
            offers.stop()
        super().take_apart()


def _contacts(response: Response) -> tuple[str, ...]:
    """Where a 3xx says to call, best first."""
    try:
        contacts = response.contacts[:MAX_FORKS]
    except ParseError:
        return ()
    return tuple(str(contact.uri) for contact in sorted(contacts, key=_preference, reverse=True))


def _preference(contact: NameAddr) -> float:
    try:
        return float(contact.params.get("q") or 1.0)
    except ValueError:
        return 0.0


def referring_uri(target: str, replaces: str | None) -> str:
    """The URI of a Refer-To, with the Replaces of an attended transfer in it (RFC 3891)."""
    uri = parse_uri(target).without_headers()
    if replaces is not None:
        uri.headers = f"Replaces={quote(replaces, safe='')}"
    return str(uri)
