"""Session timers: a call whose other side is gone is noticed and ended (RFC 4028)."""

import asyncio
from typing import TYPE_CHECKING

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
RETRY_SECONDS = 2.0
"""After a refusal, which doubles with each; and while an offer is open."""


class SessionTimer:
    """Refreshes the session long before its time is over, or ends it when the other side did not."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._seconds = max(SMALLEST_SECONDS, session.endpoint.options.session_seconds)
        self._smallest = SMALLEST_SECONDS
        self._next: asyncio.TimerHandle | None = None
        """Until our next sign of life."""
        self._end: asyncio.TimerHandle | None = None
        """Until the call ends for want of one."""
        self._refusals = 0
        """Of the sign of life that is due."""
        self._update_refused = False
        """They allow UPDATE and refuse it all the same: from then on by re-INVITE."""
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
        self._refusals = 0
        wait = seconds * self._session.endpoint.options.refresh_share if ours else 0.0
        left = seconds - wait
        self._end = self._session.later(wait + max(1.0, left - min(32, left / 3)), self._expire)
        if ours:
            self._refresh_in(wait)

    def _refresh_in(self, seconds: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._session.later(seconds, self._refresh)

    def _refresh(self) -> None:
        session = self._session
        if "update" in session.peer_methods and not self._update_refused:
            request = session.request("UPDATE")
            self.ask(request)
            session.send(request, self._update_answered)
        elif not session.offers.refresh(self._refused):
            # The answer to the offer that is open is a sign of life as well, unless it is a refusal.
            self._refresh_in(RETRY_SECONDS)

    def _update_answered(self, response: Response, exchange: Exchange) -> None:
        if 200 <= response.status < 300:
            assert self._session.dialog is not None
            self._session.dialog.refresh_target(response)
            self.agreed(response)
        elif response.status >= 300:
            # 422, 491 and whoever says when to ask again refuse this one UPDATE, others refuse any.
            if response.status not in (422, 491) and not response.lines("retry-after"):
                self._update_refused = True
            self._refused(response)

    def _refused(self, response: Response) -> None:
        """Try again while there is time, with growing pauses (RFC 4028 section 10). An answer that says that the call
        is gone does not come here: it has ended the call.
        """
        if response.status == 422:
            self.too_small(response)
        pause = self._session.offers.pause() if response.status == 491 else RETRY_SECONDS
        pause *= 2**self._refusals
        self._refusals += 1
        self._refresh_in(max(pause, response.number("retry-after", 0, LONGEST_SECONDS)))

    def _expire(self) -> None:
        self._session.fail("no sign of life")

    def stop(self) -> None:
        for timer in (self._next, self._end):
            if timer is not None:
                timer.cancel()
        self._next = self._end = None


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
