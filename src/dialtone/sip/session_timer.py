"""Session timers: a call whose other side is gone is noticed and ended (RFC 4028)."""

import asyncio
from typing import TYPE_CHECKING

from dialtone.sip.bodies import set_description
from dialtone.sip.errors import ParseError
from dialtone.sip.exchange import Exchange
from dialtone.sip.headers import parse_number
from dialtone.sip.message import Message, Request, Response
from dialtone.sip.parameters import parse_parameters
from dialtone.sip.server_transactions import ServerTransaction

if TYPE_CHECKING:
    from dialtone.sip.session import Session

SMALLEST_SECONDS = 90
"""RFC 4028 section 4."""
LONGEST_SECONDS = 24 * 3600


class SessionTimer:
    """Refreshes the session long before its time is over, or ends it when the other side did not."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._seconds = max(SMALLEST_SECONDS, session.endpoint.options.session_seconds)
        self._smallest = SMALLEST_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._refreshing = False
        self._refresher = ""
        """As our next request names who gives the signs of life: "uac" is whoever sends it; empty where nobody does."""

    # --- requests of ours

    def ask(self, request: Request) -> None:
        """Say in an INVITE or UPDATE how long the session may go on without a sign of life. Within a call that is what
        was agreed on, and by whom (RFC 4028 section 7.4).
        """
        refresher = f";refresher={self._refresher}" if self._refresher else ""
        request.set("session-expires", f"{self._seconds}{refresher}")
        request.set("min-se", str(self._smallest))

    def too_small(self, response: Response) -> bool:
        """A 422: take what they want at least. False where that makes no sense."""
        wanted = response.number("min-se", 0)
        if not self._seconds < wanted <= LONGEST_SECONDS:
            return False
        self._seconds = self._smallest = wanted
        return True

    def agreed(self, response: Response) -> None:
        """Their 2xx to a request that asked."""
        self._refreshing = False
        found = _session_expires(response)
        if found is None:
            self._schedule(None, ours=False)
        else:
            self._schedule(found[0], ours=found[1] != "uas")

    # --- requests of theirs

    def acceptable(self, request: Request, transaction: ServerTransaction) -> bool:
        """Answers an interval that is too small with 422."""
        found = _session_expires(request)
        if found is None or found[0] >= SMALLEST_SECONDS:
            return True
        response = request.response(422)
        response.set("min-se", str(SMALLEST_SECONDS))
        transaction.respond(response)
        return False

    def accept(self, request: Request, response: Response) -> None:
        """Say in our 2xx who refreshes and how often. Without a wish of theirs, we do (RFC 4028 section 9)."""
        found = _session_expires(request)
        if found is None:
            seconds, ours = max(self._seconds, request.number("min-se", 0, LONGEST_SECONDS)), True
        else:
            seconds, ours = found[0], found[1] == "uas" or "timer" not in request.tokens("supported")
        response.set("session-expires", f"{seconds};refresher={'uas' if ours else 'uac'}")
        if not ours:
            response.set("require", "timer")
        self._schedule(seconds, ours=ours)

    # --- time

    def _schedule(self, seconds: int | None, *, ours: bool) -> None:
        self.stop()
        self._refresher = ""
        if seconds is None or not SMALLEST_SECONDS <= seconds <= LONGEST_SECONDS:
            return
        self._seconds = seconds
        self._refresher = "uac" if ours else "uas"
        if ours:
            wait = seconds * self._session.endpoint.options.refresh_share
            self._timer = self._session.later(wait, lambda: self._refresh(seconds - wait))
        else:
            self._timer = self._session.later(seconds - min(32, seconds / 3), self._expire)

    def _refresh(self, left: float) -> None:
        session = self._session
        self._timer = session.later(max(1.0, left - min(32, left / 3)), self._expire)
        if self._refreshing or session.dialog is None:
            return
        if "update" in session.peer_methods:
            request = session.request("UPDATE")
        elif session.offers.open is None and session.unacknowledged is None and session.offers.local is not None:
            request = session.request("INVITE")
            set_description(request, session.offers.local)
        else:
            return  # an offer is under way, and its answer is a sign of life as well
        self._refreshing = True
        self.ask(request)
        session.send(request, self._refreshed)

    def _refreshed(self, response: Response, exchange: Exchange) -> None:
        session = self._session
        if response.status < 200:
            return
        self._refreshing = False
        if response.status == 422 and self.too_small(response):
            self._refresh(self._seconds / 2)
        elif response.status < 300 and session.dialog is not None:
            session.dialog.refresh_target(response)
            if exchange.request.method == "INVITE":
                ack = session.dialog.ack(exchange.request.cseq[0])
                session.endpoint.send_once(session.outgoing(ack, session.dialog))
            self.agreed(response)

    def _expire(self) -> None:
        self._session.fail("no sign of life")

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _session_expires(message: Message) -> tuple[int, str] | None:
    """Seconds and refresher; None where the header is absent or malformed."""
    value = message.get("session-expires")
    if value is None:
        return None
    try:
        _, semicolon, rest = value.partition(";")
        refresher = parse_parameters(semicolon + rest).get("refresher") or ""
        return parse_number(value, LONGEST_SECONDS), refresher.lower()
    except ParseError:
        return None
