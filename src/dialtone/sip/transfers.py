"""Handing a call over: REFER, and the NOTIFYs that tell what came of it (RFC 3515, RFC 3892, RFC 4488)."""

import asyncio
import re
from typing import TYPE_CHECKING

from dialtone.sip.errors import ParseError, WrongStateError
from dialtone.sip.events import ReferReceived, TransferOutcome, TransferProgress
from dialtone.sip.exchange import Exchange
from dialtone.sip.headers import parse_name_addr
from dialtone.sip.message import Request, Response
from dialtone.sip.parameters import parse_parameters
from dialtone.sip.reasons import REASON_PHRASES
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.uri import parse_uri

if TYPE_CHECKING:
    from dialtone.sip.session import Session

SUBSCRIPTION_SECONDS = 180
"""How long a transfer may be told about."""

_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]{0,200}))?")


class Transfers:
    """Both sides of a transfer of one call."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._asked: ServerTransaction | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._telling: str | None = None
        """The Event that our NOTIFYs carry; None while there is no transfer to tell about."""
        self._refer: Exchange | None = None
        """Our REFER, while its outcome is awaited."""
        self._is_tried = False
        """The other side took it."""
        self._abandoned: set[str] = set()
        """By which `id` NOTIFYs name REFERs of ours that nobody waits for any more (RFC 3515 section 2.4.6)."""
        self._last = (100, "Trying")

    # --- ours

    def refer(self, target: str, referred_by: str | None) -> None:
        """Ask the other side to call `target`, a URI that may carry a Replaces. `TransferProgress` tells the rest."""
        session = self._session
        if self._refer is not None or not session.confirmed:
            raise WrongStateError("a transfer is under way, or the call is not answered")
        request = session.request("REFER")
        request.set("refer-to", f"<{target}>")
        if referred_by is not None:
            request.set("referred-by", f"<{parse_uri(referred_by)}>")
        self._is_tried, self._last = False, (100, "Trying")
        self._refer = session.send(request, self._refer_answered)

    def abandon(self) -> None:
        """Wait no longer for what comes of our REFER. NOTIFYs of it are refused from now on, which ends what sends them
        (RFC 6665 section 4.2.2).
        """
        if self._refer is not None:
            self._abandoned.add(str(self._refer.request.cseq[0]))
            self._refer = None

    def _refer_answered(self, response: Response, exchange: Exchange) -> None:
        if exchange is not self._refer:
            return
        if 200 <= response.status < 300:
            self._is_tried = True
            # 202 says only that it will be tried; without NOTIFYs nothing more would come (RFC 4488).
            if (response.get("refer-sub") or "").strip().lower() == "false":
                self._progress(200, "Accepted", "succeeded")
        elif response.status >= 300:
            self._progress(response.status, response.reason, "refused")

    def receive_notify(self, request: Request, transaction: ServerTransaction) -> None:
        event, semicolon, rest = (request.get("event") or "").partition(";")
        if event.strip().lower() != "refer":
            self._session.respond(transaction, 489)
            return
        if self._refer is None or parse_parameters(semicolon + rest).get("id") in self._abandoned:
            self._session.respond(transaction, 481)
            return
        self._session.respond(transaction, 200)
        self._is_tried = True
        match = _STATUS_LINE.match(request.body.lstrip()[:300])
        if match is not None:
            self._last = (int(match[1]), (match[2] or b"").decode("utf-8", "replace").strip())
        state = (request.get("subscription-state") or "").partition(";")[0].strip().lower()
        self._progress(*self._last, _outcome_of(self._last[0], is_last_word=state == "terminated"))

    def _progress(self, status: int, reason: str, outcome: TransferOutcome | None) -> None:
        if outcome is not None:
            self._refer = None
        self._session.host.emit(TransferProgress(self._session.call, status, reason, outcome))

    def they_hung_up(self) -> None:
        """Many telephone systems do as soon as it works, without a last NOTIFY. One that had not even taken the REFER
        says only that the call is over.
        """
        if self._refer is not None and self._is_tried:
            self._progress(self._last[0], "the call ended", "succeeded")

    # --- theirs

    def receive_refer(self, request: Request, transaction: ServerTransaction) -> None:
        session = self._session
        lines = request.lines("refer-to")
        if len(lines) != 1:
            session.respond(transaction, 400, "One Refer-To is needed")
            return
        if self._asked is not None or self._telling is not None or not session.confirmed:
            session.respond(transaction, 491)
            return
        target = parse_name_addr(lines[0]).uri
        self._asked = transaction
        seconds = session.endpoint.options.owner_seconds
        self._deadline = session.later(seconds, lambda: self.reject(603))
        replaces = target.header_fields.get("replaces")
        by = _address_or_none(request.get("referred-by"))
        session.host.emit(ReferReceived(session.call, str(target.without_headers()), replaces, by))

    def accept(self) -> None:
        """The owner tries it."""
        transaction = self._take_asked()
        session = self._session
        response = session.endpoint.prepared(
            transaction.request.response(202), transaction.flow, contact_user=session.contact_user
        )
        silent = (transaction.request.get("refer-sub") or "").strip().lower() == "false"
        if silent:
            response.set("refer-sub", "false")
        transaction.respond(response)
        if not silent:
            self._telling = f"refer;id={transaction.request.cseq[0]}"
            self.notify(100, "Trying")

    def reject(self, status: int) -> None:
        self._session.respond(self._take_asked(), status)

    def _take_asked(self) -> ServerTransaction:
        transaction, self._asked = self._asked, None
        if transaction is None:
            raise WrongStateError("nobody asked for a transfer")
        if self._deadline is not None:
            self._deadline.cancel()
        return transaction

    def notify(self, status: int, reason: str | None = None) -> None:
        """Tell the other side how the transfer goes; 200 and above end it. Nothing if it did not want to be told."""
        if self._telling is None:
            return
        request = self._session.request("NOTIFY")
        final = status >= 200
        request.set("event", self._telling)
        state = "terminated;reason=noresource" if final else f"active;expires={SUBSCRIPTION_SECONDS}"
        request.set("subscription-state", state)
        request.set("content-type", "message/sipfrag;version=2.0")
        phrase = REASON_PHRASES.get(status, "") if reason is None else reason
        request.body = f"SIP/2.0 {status} {phrase}\r\n".encode()
        if final:
            self._telling = None
        self._session.send(request, self._notified)

    def _notified(self, response: Response, exchange: Exchange) -> None:
        if response.status >= 300:
            self._telling = None

    def stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._asked is not None:
            self._session.respond(self._asked, 481)
            self._asked = None


def _outcome_of(status: int, *, is_last_word: bool) -> TransferOutcome | None:
    """What a NOTIFY says: a subscription may end without a final status (RFC 6665 section 4.1.3)."""
    if status >= 200:
        return "succeeded" if status < 300 else "failed"
    return "failed" if is_last_word else None


def _address_or_none(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(parse_name_addr(value).uri)
    except ParseError:
        return None
