"""Placing telephone calls through a SIP trunk."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from dialtone.lines.base import Line
from dialtone.lines.outbound import DialError, DialFailure, DialRequest, OutboundTrunk, Route
from dialtone.lines.sip.line import SipLine, in_words
from dialtone.lines.sip.negotiation import Negotiation, NoCommonAudioError
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.media.rtp.ports import MediaPorts, NoPortsError
from dialtone.sip.errors import SipError
from dialtone.sip.events import Account, Answered, Ended, Event, Identity, OutgoingCall, Ringing
from dialtone.sip.locating import locate
from dialtone.sip.offer_answer import SrtpPolicy
from dialtone.sip.uri import escape_user, parse_uri

RINGING = range(180, 184)
NOT_ACCEPTABLE = 488

_BY_STATUS: dict[int, DialFailure] = {
    403: "declined",
    408: "no_answer",
    480: "no_answer",
    486: "busy",
    487: "no_answer",
    600: "busy",
    603: "declined",
    607: "declined",
    608: "declined",
}
"""RFC 3261 section 21, RFC 8197, RFC 8688. All others: unreachable."""
_BY_CAUSE: dict[int, DialFailure] = {
    1: "unreachable",
    17: "busy",
    18: "no_answer",
    19: "no_answer",
    21: "declined",
    27: "unreachable",
    28: "unreachable",
}
"""ITU-T Q.850, where the telephone network says why (Reason header): more exact than the status that it became."""
_WORDS: dict[DialFailure, str] = {
    "busy": "The line is busy",
    "no_answer": "Nobody answered",
    "declined": "The call was declined",
    "unreachable": "The destination can't be reached",
}


class SipDialer:
    """A `Dialer` over the telephone of this process."""

    def __init__(self, phone: SipPhone) -> None:
        self._phone = phone

    def can_dial(self, route: Route) -> bool:
        """See `Dialer.can_dial`."""
        return isinstance(route, OutboundTrunk) and self._phone.speaks(route.transport)

    async def dial(self, request: DialRequest, on_ringing: Callable[[], None]) -> Line:
        """See `Dialer.dial`. Over TLS the audio is encrypted: many servers take nothing else there. One that does no
        SRTP refuses that (488), and is asked once more, with the encryption as a mere wish.
        """
        if request.trunk.transport != "tls":
            return await self._dial(request, _Attempt(on_ringing), "off")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.ring_seconds
        attempt = _Attempt(on_ringing)
        try:
            return await self._dial(request, attempt, "required")
        except DialError as error:
            if error.status != NOT_ACCEPTABLE or attempt.has_rung or loop.time() >= deadline:
                raise
        return await self._dial(replace(request, ring_seconds=deadline - loop.time()), _Attempt(on_ringing), "optional")

    async def _dial(self, request: DialRequest, attempt: "_Attempt", encryption: SrtpPolicy) -> Line:
        seconds = min(request.ring_seconds, request.patience_seconds or request.ring_seconds)
        try:
            async with asyncio.timeout(seconds):
                ports, negotiation = await self._audio(request.trunk, encryption)
        except TimeoutError:
            raise _no_way("The trunk's address was not found in time.") from None
        with ExitStack() as undo:
            undo.callback(ports.close)
            try:
                call = self._phone.invite(_order(request, negotiation.offer()), attempt)
            except (SipError, ValueError) as error:
                raise DialError("unreachable", f"The call could not be placed ({type(error).__name__}).") from None
            undo.callback(self._phone.agent.hangup, call)
            answer = await attempt.answered
            line = self._line(request, call, ports, negotiation, answer)
            undo.pop_all()
            return line

    async def _audio(self, trunk: OutboundTrunk, encryption: SrtpPolicy) -> tuple[MediaPorts, Negotiation]:
        """Ports for the call. Only over TLS are keys for SRTP offered; elsewhere anybody on the way could read them."""
        try:
            targets = await locate(parse_uri(_server(trunk).uri), self._phone.agent.endpoint.options.resolver)
            return self._phone.bind(targets[0].host, encryption)
        except NoPortsError as error:
            raise DialError("unreachable", f"The server has no port for the call's audio: {error}.") from None
        except (SipError, OSError, IndexError):
            raise _no_way("The trunk's address can't be found, or there is no way to it.") from None

    def _line(
        self, request: DialRequest, call: str, ports: MediaPorts, negotiation: Negotiation, answer: str | None
    ) -> SipLine:
        ports.discard(asyncio.get_running_loop().time())  # sound before the answer is not listened to
        try:
            parameters = negotiation.answered(answer)
            return self._phone.line(call, ports, negotiation, parameters, _server(request.trunk))
        except NoCommonAudioError as error:
            words = f"The call was answered, but has no audio in common with this server: {error}."
            raise DialError("unreachable", words) from None


class _Attempt:
    """Follows the call until it is answered, or over."""

    def __init__(self, on_ringing: Callable[[], None]) -> None:
        self._on_ringing = on_ringing
        self.has_rung = False
        self.answered: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """The far end's description."""

    def take(self, event: Event) -> None:
        if self.answered.done():
            return
        if isinstance(event, Ringing):
            if event.status in RINGING and not self.has_rung:
                self.has_rung = True
                self._on_ringing()
        elif isinstance(event, Answered):
            self.answered.set_result(event.description)
        elif isinstance(event, Ended):
            self.answered.set_exception(failure_of(event))


def failure_of(ended: Ended) -> DialError:
    """Why nobody answered, for the call's record."""
    if ended.by == "unanswered":
        return DialError("no_answer", "Nobody answered in time.")
    if ended.by == "failed":
        return _no_way(f"The trunk did not answer ({in_words(ended.status)}).", ended.status)
    if ended.status in (401, 407):
        return _no_way(f"The trunk refused this server's login ({in_words(ended.status)}).", ended.status)
    if ended.status == NOT_ACCEPTABLE:
        words = f"The trunk takes none of this server's codecs ({in_words(ended.status)})."
        return DialError("unreachable", words, status=ended.status)
    reason: DialFailure = _BY_STATUS.get(ended.status, "unreachable")
    cause = ended.cause
    of_callee = cause is not None and cause.protocol == "Q.850" and cause.code in _BY_CAUSE
    if cause is not None and of_callee:
        reason = _BY_CAUSE[cause.code]
    if 500 <= ended.status < 600 and not of_callee:
        return _no_way(f"The trunk could not carry the call ({in_words(ended.status)}).", ended.status)
    return DialError(reason, f"{_WORDS[reason]} ({in_words(ended.status)}).")


def _no_way(words: str, status: int | None = None) -> DialError:
    return DialError("unreachable", words, route_failed=True, status=status)


def _order(request: DialRequest, offer: str) -> OutgoingCall:
    trunk, server = request.trunk, _server(request.trunk)
    number = server.user(trunk.caller_number or request.caller_number)
    account = None
    if trunk.username and trunk.password is not None:
        account = Account(trunk.username, trunk.password)
    caller = shown = f"sip:{number}@{server.domain}"
    if trunk.from_account and trunk.username:
        shown = f"sip:{escape_user(trunk.username)}@{server.domain}"
    is_uri = ":" in request.destination
    return OutgoingCall(
        target=request.destination if is_uri else server.uri_of(request.destination),
        caller=Identity(shown, number=number),
        offer=offer,
        account=account,
        proxy=server.uri if is_uri else None,
        contact_user=number,
        asserted=caller,
        preferred=None if shown == caller else caller,
        ring_seconds=request.ring_seconds,
        patience=request.patience_seconds,
    )


def _server(trunk: OutboundTrunk) -> SipServer:
    return SipServer(trunk.host, trunk.port, trunk.transport, trunk.numbering)
