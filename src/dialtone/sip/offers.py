"""Offers and answers within a call: re-INVITE, UPDATE, and who may ask when (RFC 3261, 3311 and 6337)."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from dialtone.sip.bodies import description_of, description_or_none, set_description
from dialtone.sip.errors import WrongStateError
from dialtone.sip.events import Event, OfferAnswered, OfferReceived, OfferRefused
from dialtone.sip.exchange import Exchange
from dialtone.sip.message import Request, Response
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.unacknowledged import UnacknowledgedAnswer

if TYPE_CHECKING:
    from dialtone.sip.session import Session

MAX_GLARES = 5
"""How often an offer that met another one is made again."""


class Offers:
    """At most one offer is open at a time. `local` and `remote` are the descriptions in force."""

    def __init__(self, session: "Session", fork: str = "") -> None:
        """`fork`: with whom, where the call may ring several."""
        self._session = session
        self.fork = fork
        self.open: Literal["ours", "theirs"] | None = None
        self.local: str | None = None
        self.remote: str | None = None
        self.is_answerer = False
        """`local` is the answer, `remote` was the offer."""
        self._reply: Callable[[str], None] | None = None
        self._refuse: Callable[[int], None] | None = None
        self._asked: ServerTransaction | None = None
        """The last re-INVITE, which a CANCEL may mean."""
        self._deadline: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._glares = 0
        self._is_refresh = False
        """What is open is a sign of life of ours."""

    # --- theirs

    def ask(self, event: Event, reply: Callable[[str], None], refuse: Callable[[int], None]) -> None:
        """Ask the owner for a description, and wait for it within bounds."""
        self.open, self._reply, self._refuse = "theirs", reply, refuse
        seconds = self._session.endpoint.options.owner_seconds
        self._deadline = self._session.later(seconds, lambda: self.refuse(500))
        self._session.host.emit(event)

    def answer(self, description: str) -> None:
        """The owner's answer to their offer, or the offer that they asked for."""
        reply = self._reply
        if reply is None:
            raise WrongStateError("no offer waits for an answer")
        self._settle()
        self.local, self.is_answerer = description, True
        reply(description)

    def refuse(self, status: int) -> None:
        refuse = self._refuse
        if refuse is None:
            raise WrongStateError("no offer waits for an answer")
        self._settle()
        refuse(status)

    def _settle(self) -> None:
        self.open = self._reply = self._refuse = None
        if self._deadline is not None:
            self._deadline.cancel()

    def receive_invite(self, request: Request, transaction: ServerTransaction) -> None:
        """A re-INVITE: other media, a new address of theirs, or a sign of life."""
        session = self._session
        if session.confirmed and self.open == "ours":
            session.respond(transaction, 491)
            return
        if not session.confirmed or self.open == "theirs" or session.unacknowledged is not None:
            session.respond(transaction, 500, retry_after=random.randint(0, 10))
            return
        if not session.timer.acceptable(request, transaction):
            return
        offer = description_of(request)
        session.respond(transaction, 100)
        self._asked = transaction
        if offer is not None and offer == self.remote and self.local is not None:
            self._accept_invite(transaction, self.local, offer)  # nothing changes: a sign of life
            return
        self.ask(
            OfferReceived(session.call, offer),
            lambda description: self._accept_invite(transaction, description, offer),
            lambda status: session.respond(transaction, status),
        )

    def _accept_invite(self, transaction: ServerTransaction, description: str, offer: str | None) -> None:
        session = self._session
        if offer is not None:
            self.remote = offer
        self._accept(transaction, description)
        if offer is None:
            self.offered(description)

        def acknowledged(ack: Request) -> None:
            if offer is None:
                self.answered(description_or_none(ack))

        session.unacknowledged = UnacknowledgedAnswer(
            transaction, session.endpoint.options.timers, acknowledged, session.no_acknowledgement
        )

    def _accept(self, transaction: ServerTransaction, description: str | None) -> None:
        session, request = self._session, transaction.request
        dialog = session.dialog_with(request.from_.tag)
        if dialog is not None:
            dialog.refresh_target(request)
        response = session.endpoint.prepared(request.response(200), transaction.flow, contact_user=session.contact_user)
        set_description(response, description)
        session.timer.accept(request, response)
        transaction.respond(response)

    def cancel(self, invite: ServerTransaction) -> None:
        """The other side takes its re-INVITE back; too late once it was answered."""
        if invite is self._asked and invite.final is None and self._refuse is not None:
            self.refuse(487)

    def receive_update(self, request: Request, transaction: ServerTransaction) -> None:
        """An UPDATE: like a re-INVITE, also before the answer, and without waiting for people."""
        session = self._session
        offer = description_of(request)
        if offer is not None and self.open == "ours":
            session.respond(transaction, 491)
            return
        if offer is not None and self.open == "theirs":
            session.respond(transaction, 500, retry_after=random.randint(0, 10))
            return
        if not session.timer.acceptable(request, transaction):
            return
        if offer is None or (offer == self.remote and self.local is not None):
            self._accept(transaction, self.local if offer is not None else None)
            return

        def reply(description: str) -> None:
            self.remote = offer
            self._accept(transaction, description)

        event = OfferReceived(session.call, offer, "" if session.confirmed else self.fork)
        self.ask(event, reply, lambda status: session.respond(transaction, status))

    # --- ours

    def offered(self, description: str) -> None:
        """An offer of ours is on its way."""
        self.open, self.local, self.is_answerer = "ours", description, False

    def answered(self, description: str | None) -> None:
        """It was taken; tells the owner."""
        self.open = None
        if description is not None:
            self.remote = description
        self._session.host.emit(OfferAnswered(self._session.call, description))

    def offer(self, description: str) -> None:
        """Offer other media within the call, after a sign of life of ours that is open. Raises `WrongStateError` while
        another offer is.
        """
        session = self._session
        busy = self.open is not None and not self._is_refresh
        if busy or session.unacknowledged is not None or self._retry is not None:
            raise WrongStateError("another offer is open")
        if not session.confirmed and "update" not in session.peer_methods:
            raise WrongStateError("before the answer, only a peer that takes UPDATE can be offered anything")
        self._glares = 0
        self._offer_when_free(description)

    def refresh(self, refused: Callable[[Response], None]) -> bool:
        """Offer again what is in force, by a re-INVITE that is a sign of life (RFC 4028 section 7.4). The owner is told
        where the answer brings other media. False while another offer is open, or before the call is answered.
        """
        session = self._session
        is_free = self.open is None and session.unacknowledged is None and self._retry is None
        if not is_free or not session.confirmed or self.local is None:
            return False
        self._send(self.local, self._refreshed, refused)
        self._is_refresh = True
        return True

    def _refreshed(self, description: str | None) -> None:
        if description is None or description == self.remote:
            self.open = None
        else:
            self.answered(description)

    def _offer_when_free(self, description: str) -> None:
        self._retry = None
        if self.open is None and self._session.unacknowledged is None:
            self._send(description, self.answered, lambda response: self._refused(description, response))
        else:
            self._retry = self._session.later(self.pause(), lambda: self._offer_when_free(description))

    def _refused(self, description: str, response: Response) -> None:
        session = self._session
        if response.status == 491 and self._glares < MAX_GLARES:
            self._glares += 1
            self._retry = session.later(self.pause(), lambda: self._offer_when_free(description))
        else:
            session.host.emit(OfferRefused(session.call, response.status, response.reason))

    def pause(self) -> float:
        """After a glare, who made the call waits longer, so that the two do not meet again (RFC 3261 section 14.1)."""
        return random.uniform(2.1, 4.0) if self._session.is_caller else random.uniform(0.0, 2.0)

    def _send(self, description: str, taken: Callable[[str | None], None], refused: Callable[[Response], None]) -> None:
        session, before, is_open = self._session, (self.local, self.is_answerer), True
        request = session.request("INVITE" if session.confirmed else "UPDATE")
        set_description(request, description)
        session.timer.ask(request)
        self.offered(description)

        def on_response(response: Response, exchange: Exchange) -> None:
            nonlocal is_open
            if response.status < 200:
                return
            first, is_open = is_open, False
            if response.status < 300:
                self._acknowledge(response, exchange)
            if not first:
                return  # a repeated 2xx only wants its ACK again
            self._is_refresh = False
            if response.status < 300:
                session.timer.agreed(response)
                taken(description_or_none(response))
            else:
                self.open, (self.local, self.is_answerer) = None, before
                refused(response)

        session.send(request, on_response)

    def _acknowledge(self, response: Response, exchange: Exchange) -> None:
        session = self._session
        dialog = session.dialog_with(exchange.request.to.tag)
        assert dialog is not None
        dialog.refresh_target(response)
        session.acknowledge(exchange, dialog)

    def stop(self) -> None:
        """The call ends; whoever waits for an answer of ours is told so."""
        if self._refuse is not None:
            self.refuse(487)
        if self._retry is not None:
            self._retry.cancel()
