"""A call, whoever placed it: the requests within its dialog, and its one end (RFC 3261 sections 12 to 15)."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from dialtone.sip.bodies import UnsupportedBodyError
from dialtone.sip.dialog import Dialog, DialogKey
from dialtone.sip.digest import DigestClient
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.errors import ParseError, WrongStateError
from dialtone.sip.events import Cause, Ended, EndedBy, Event, InfoReceived, NoAnswer
from dialtone.sip.exchange import Exchange, OnResponse, Outgoing
from dialtone.sip.message import Message, Request, Response
from dialtone.sip.offers import Offers
from dialtone.sip.reason_header import cause_of, print_cause
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.session_timer import SessionTimer
from dialtone.sip.transfers import Transfers
from dialtone.sip.unacknowledged import UnacknowledgedAnswer
from dialtone.sip.validation import unsupported_extensions

GONE = (408, 481)
"""Answers to a request within a dialog that say that the dialog is no more (RFC 3261 section 12.2.1.2)."""


class SessionHost(Protocol):
    """The user agent that a call belongs to."""

    endpoint: Endpoint

    def emit(self, event: Event) -> None: ...

    def add_dialog(self, dialog: Dialog, session: "Session") -> None: ...

    def remove_dialog(self, dialog: Dialog) -> None: ...

    def forget(self, session: "Session") -> None: ...


class Session:
    """What both directions have in common."""

    def __init__(self, host: SessionHost, call: str, contact_user: str, digest: DigestClient | None) -> None:
        self.host = host
        self.endpoint = host.endpoint
        self.call = call
        self.contact_user = contact_user
        self.digest = digest
        self.dialog: Dialog | None = None
        self.confirmed = False
        """Answered by either side with a 2xx."""
        self.ended = False
        self.is_caller = False
        self.peer_methods: set[str] = set()
        """Of their Allow, in lower case."""
        self.peer_extensions: set[str] = set()
        self.unacknowledged: UnacknowledgedAnswer | None = None
        self.offers = Offers(self)
        self.timer = SessionTimer(self)
        self.transfers = Transfers(self)
        self._dialogs: dict[DialogKey, Dialog] = {}
        self._number = 0
        self._exchanges: dict[Exchange, Dialog] = {}

    # --- requests of ours

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def request(self, method: str) -> Request:
        """A request within the dialog. Raises `WrongStateError` where there is none."""
        if self.dialog is None or self.ended:
            raise WrongStateError("there is no dialog yet, or no more")
        return self.dialog.request(method)

    def send(self, request: Request, on_response: OnResponse | None = None, dialog: Dialog | None = None) -> Exchange:
        """Send a request made by `request`. An answer that says that the call is gone ends it."""
        dialog = dialog or self.dialog
        assert dialog is not None

        def answered(response: Response, exchange: Exchange) -> None:
            if self.ended:
                self.acknowledge(exchange, dialog)  # the answer and our BYE have crossed
                return
            if response.status >= 200:
                self._exchanges.pop(exchange, None)
                # A transfer that nobody knows of says nothing of the call (RFC 5057).
                if response.status in GONE and request.method not in ("REFER", "NOTIFY"):
                    self._gone(response, dialog)
            if on_response is not None and not self.ended:
                on_response(response, exchange)

        exchange = self.endpoint.send(self.outgoing(request, dialog), answered)
        self._exchanges[exchange] = dialog
        return exchange

    def _gone(self, response: Response, dialog: Dialog) -> None:
        if self.is_caller and not self.confirmed:
            return  # one of those whom the call rings; the INVITE's own answer tells its end
        if response.status == 408 and self.confirmed:
            self.send_bye(dialog, None)
        self.end("failed", 0, response.reason)

    def outgoing(self, request: Request, dialog: Dialog) -> Outgoing:
        names_contact = request.method in ("INVITE", "UPDATE", "REFER", "NOTIFY")
        return Outgoing(
            request, dialog.next_hop, self.next_number, self.digest, self.contact_user if names_contact else None,
            flow=dialog.flow,
        )  # fmt: skip

    def acknowledge(self, exchange: Exchange, dialog: Dialog) -> None:
        """Our ACK of a 2xx; that to an UPDATE gets none."""
        if exchange.request.method == "INVITE":
            ack = dialog.ack(exchange.request.cseq[0])
            self.endpoint.send_once(self.outgoing(ack, dialog))

    def send_bye(self, dialog: Dialog, cause: Cause | None) -> None:
        bye = dialog.request("BYE")
        if cause is not None:
            bye.set("reason", print_cause(cause))
        self.endpoint.send(self.outgoing(bye, dialog))

    def send_info(self, content_type: str, body: bytes) -> None:
        request = self.request("INFO")
        request.set("content-type", content_type)
        request.body = body
        request.to_bytes()  # raises where the type would begin a new line
        self.send(request)

    # --- dialogs

    def add_dialog(self, dialog: Dialog) -> None:
        self._dialogs[dialog.key] = dialog
        self.dialog = dialog
        self.host.add_dialog(dialog, self)

    def abandon(self, dialog: Dialog) -> None:
        """What becomes of our requests in this dialog says nothing of the call any more."""
        for exchange in [exchange for exchange, within in self._exchanges.items() if within is dialog]:
            del self._exchanges[exchange]
            exchange.abandon()

    def drop_dialog(self, dialog: Dialog) -> None:
        self._dialogs.pop(dialog.key, None)
        self.host.remove_dialog(dialog)

    def dialog_with(self, tag: str) -> Dialog | None:
        return next((dialog for dialog in self._dialogs.values() if dialog.remote_tag == tag), None)

    @property
    def dialogs(self) -> list[Dialog]:
        return list(self._dialogs.values())

    def offers_of(self, fork: str) -> Offers:
        """Of the dialog with this tag of theirs: a call that rings several has an own negotiation with each."""
        return self.offers

    def note_peer(self, message: Message) -> None:
        """What the other side says to understand."""
        if message.lines("allow"):
            self.peer_methods = message.tokens("allow")
        if message.lines("supported"):
            self.peer_extensions = message.tokens("supported")

    # --- requests of theirs

    def respond(
        self, transaction: ServerTransaction, status: int, reason: str | None = None, *, retry_after: int | None = None
    ) -> None:
        """A bare response."""
        response = self.endpoint.prepared(transaction.request.response(status, reason), transaction.flow)
        if retry_after is not None:
            response.set("retry-after", str(retry_after))
        transaction.respond(response)

    def receive(self, request: Request, transaction: ServerTransaction, dialog: Dialog) -> None:
        """A request within one of this call's dialogs."""
        if not dialog.in_order(request):
            self.respond(transaction, 500, "An old CSeq")
            return
        dialog.flow = transaction.flow
        unsupported = unsupported_extensions(request)
        if unsupported:
            response = transaction.request.response(420)
            response.set("unsupported", ", ".join(sorted(unsupported)))
            transaction.respond(response)
            return
        self.note_peer(request)
        handle = self._handler(request.method, self.offers_of(dialog.remote_tag))
        if handle is None:
            response = self.endpoint.prepared(request.response(405), transaction.flow, contact_user=self.contact_user)
            transaction.respond(response)
            return
        try:
            handle(request, transaction)
        except UnsupportedBodyError:
            response = request.response(415)
            response.set("accept", "application/sdp")
            transaction.respond(response)
        except ParseError as error:
            self.respond(transaction, 400, f"Bad Request: {error}")

    def _handler(self, method: str, offers: Offers) -> Callable[[Request, ServerTransaction], None] | None:
        handlers: dict[str, Callable[[Request, ServerTransaction], None]] = {
            "BYE": self._receive_bye,
            "INVITE": offers.receive_invite,
            "UPDATE": offers.receive_update,
            "PRACK": self.receive_prack,
            "INFO": self._receive_info,
            "REFER": self.transfers.receive_refer,
            "NOTIFY": self.transfers.receive_notify,
            "OPTIONS": self._receive_options,
        }
        return handlers.get(method)

    def receive_ack(self, request: Request) -> None:
        """An ACK within the dialog: of our 2xx to the INVITE with its number."""
        if self.unacknowledged is not None and self.unacknowledged.number == request.cseq[0]:
            waiting, self.unacknowledged = self.unacknowledged, None
            waiting.acknowledged(request)

    def receive_prack(self, request: Request, transaction: ServerTransaction) -> None:
        """Only who answers a call sends what a PRACK acknowledges."""
        self.respond(transaction, 481)

    def _receive_bye(self, request: Request, transaction: ServerTransaction) -> None:
        self.respond(transaction, 200)
        if self.is_caller and not self.confirmed:
            return  # one branch of a forked call; the INVITE's own answer tells its end
        self.transfers.they_hung_up()
        self.end("them", 0, "", cause_of(request))

    def _receive_info(self, request: Request, transaction: ServerTransaction) -> None:
        self.respond(transaction, 200)
        if request.body:
            self.host.emit(InfoReceived(self.call, request.content_type, request.body))

    def _receive_options(self, request: Request, transaction: ServerTransaction) -> None:
        response = self.endpoint.prepared(request.response(200), transaction.flow, contact_user=self.contact_user)
        response.set("accept", "application/sdp")
        transaction.respond(response)

    # --- the end

    def hangup(self, cause: Cause | None) -> None:
        """End the call, answered or not."""
        raise NotImplementedError

    def no_acknowledgement(self) -> None:
        """Our 2xx was never acknowledged (RFC 3261 section 13.3.1.4)."""
        self.fail("the answer was never acknowledged")

    def fail(self, reason: str) -> None:
        """End a call that cannot go on."""
        if not self.ended and self.dialog is not None and self.confirmed:
            self.send_bye(self.dialog, None)
        self.end("failed", 0, reason)

    def end(
        self,
        by: EndedBy,
        status: int,
        reason: str,
        cause: Cause | None = None,
        retry_after: int | None = None,
        contacts: tuple[str, ...] = (),
        no_answer: NoAnswer | None = None,
    ) -> None:
        """Take the call apart and tell so, once."""
        if self.ended:
            return
        self.ended = True
        self.take_apart()
        self.host.forget(self)
        self.host.emit(Ended(self.call, by, status, reason, cause, retry_after, contacts, no_answer))

    def take_apart(self) -> None:
        """Let go of all timers and dialogs."""
        if self.unacknowledged is not None:
            self.unacknowledged.stop()
        self.offers.stop()
        self.timer.stop()
        self.transfers.stop()
        for exchange in list(self._exchanges):
            exchange.abandon()
        for dialog in self.dialogs:
            self.drop_dialog(dialog)

    def later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, action)
