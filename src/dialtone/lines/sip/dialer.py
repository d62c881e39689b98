"""Placing telephone calls through a SIP trunk."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from dialtone.lines.base import Line
from dialtone.lines.outbound import DialError, DialFailure, DialRequest, OutboundTrunk, Route
from dialtone.lines.sip.line import SipLine, in_words
from dialtone.lines.sip.negotiation import Negotiation, NoCommonAudioError
from dialtone.lines.sip.no_answer import why
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts, NoPortsError
from dialtone.sip.errors import SipError, TransportError
from dialtone.sip.events import (
    Account,
    Answered,
    Ended,
    Event,
    Identity,
    NoAnswer,
    OfferReceived,
    OutgoingCall,
    Ringing,
)
from dialtone.sip.flow import Target
from dialtone.sip.offer_answer import SrtpPolicy
from dialtone.sip.uri import escape_user

RINGING = range(180, 184)
NOT_ACCEPTABLE = 488
UNREACHED = (None, 408, 503)
"""Statuses with which a server may be passed over for another one (RFC 3263 section 4.3)."""

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

        Where the trunk's servers have addresses of both families, those of one are called first, and where none of
        them answers those of the other: what we describe is an address of one family.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.ring_seconds
        # Elsewhere than over TLS anybody on the way could read the keys.
        encryption: SrtpPolicy = "required" if request.trunk.transport == "tls" else "off"
        ringing = _Ringing(on_ringing)
        families = await self._find(request)
        while True:
            try:
                return await self._dial(request, families[0], encryption, ringing)
            except DialError as error:
                if ringing.heard or loop.time() >= deadline:
                    raise
                if error.status == NOT_ACCEPTABLE and encryption == "required":
                    encryption = "optional"
                elif error.route_failed and error.status in UNREACHED and len(families) > 1:
                    families = families[1:]
                else:
                    raise
            request = replace(request, ring_seconds=deadline - loop.time())

    async def _find(self, request: DialRequest) -> list[tuple[Target, ...]]:
        """The trunk's servers, best first, by family of addresses."""
        seconds = min(request.ring_seconds, request.patience_seconds or request.ring_seconds)
        try:
            async with asyncio.timeout(seconds):
                servers = await self._phone.agent.find(_server(request.trunk).uri)
        except TransportError as error:
            raise _not_reached(NoAnswer(error.obstacle, request.trunk.host)) from None
        except (SipError, OSError):
            raise _not_reached(NoAnswer("name_not_found", request.trunk.host)) from None
        if not servers:
            raise _not_reached(NoAnswer("no_route", request.trunk.host))
        families = (tuple(server for server in servers if (":" in server.host) == is_ipv6) for is_ipv6 in (False, True))
        return sorted(filter(None, families), key=lambda family: servers.index(family[0]))

    async def _dial(
        self, request: DialRequest, servers: tuple[Target, ...], encryption: SrtpPolicy, ringing: "_Ringing"
    ) -> Line:
        with ExitStack() as undo:
            try:
                ports, negotiation = self._phone.bind(servers[0].host, encryption)
            except NoPortsError as error:
                words = f"The server has no port for the call's audio: {error}."
                raise DialError("unreachable", words) from None
            except (SipError, OSError):
                raise _not_reached(NoAnswer("no_route", request.trunk.host)) from None
            undo.callback(ports.close)
            attempt = _Attempt(self._phone, request.trunk, ports, negotiation, ringing)
            try:
                call = self._phone.invite(_order(request, servers, negotiation.offer()), attempt)
            except (SipError, ValueError) as error:
                raise DialError("unreachable", f"The call could not be placed ({type(error).__name__}).") from None
            undo.callback(self._phone.agent.hangup, call)
            line = await attempt.line
            if isinstance(line, DialError):
                raise line
            undo.pop_all()
            return line


class _Ringing:
    """Tells once that it rings, however often the call is placed."""

    def __init__(self, on_ringing: Callable[[], None]) -> None:
        self._on_ringing = on_ringing
        self.heard = False

    def hear(self) -> None:
        if not self.heard:
            self.heard = True
            self._on_ringing()


class _Attempt:
    """Follows the call until it is answered, or over."""

    def __init__(
        self, phone: SipPhone, trunk: OutboundTrunk, ports: MediaPorts, negotiation: Negotiation, ringing: _Ringing
    ) -> None:
        self._phone = phone
        self._trunk = trunk
        self._ports = ports
        self._negotiation = negotiation
        """Our offer, for whoever answers it."""
        self._offered: dict[str, tuple[Negotiation, RtpParameters]] = {}
        """What came of offers of theirs before the answer, by whom of those whom the call rings."""
        self._ringing = ringing
        self.line: asyncio.Future[SipLine | DialError] = asyncio.get_running_loop().create_future()
        """What came of the call."""

    def take(self, event: Event) -> None:
        """What the user agent tells of the call. The line is made here, not by who waits for it: a BYE or a re-INVITE
        may come right behind the answer, and is the line's.
        """
        if self.line.done():
            return
        if isinstance(event, Ringing):
            if event.status in RINGING:
                self._ringing.hear()
        elif isinstance(event, OfferReceived):
            self._answer_offer(event)
        elif isinstance(event, Answered):
            self.line.set_result(self._line_to(event))
        elif isinstance(event, Ended):
            self.line.set_result(failure_of(event, logs_in=self._trunk.logs_in))

    def _answer_offer(self, event: OfferReceived) -> None:
        """Whoever is called moves its audio while it rings (UPDATE, RFC 3311 section 5.1)."""
        assert event.description is not None  # what asks for our offer is a re-INVITE, after the answer
        known = self._offered.get(event.fork)
        negotiation = replace(self._negotiation) if known is None else known[0]
        try:
            description, parameters = negotiation.answer(event.description)
        except NoCommonAudioError:
            self._phone.agent.refuse_offer(event.call, fork=event.fork)
            return
        negotiation.keep(description)
        self._offered[event.fork] = negotiation, parameters
        self._phone.agent.answer_offer(event.call, description, event.fork)

    def _line_to(self, event: Answered) -> SipLine | DialError:
        self._ports.discard(asyncio.get_running_loop().time())  # sound before the answer is not listened to
        try:
            if event.description is None and event.fork in self._offered:
                negotiation, parameters = self._offered[event.fork]
                negotiation.peer = event.source
                parameters = replace(parameters, signalling_host=event.source)
            else:
                negotiation = self._negotiation
                negotiation.peer = event.source
                parameters = negotiation.answered(event.description)
            return self._phone.line(event.call, self._ports, negotiation, parameters, _server(self._trunk))
        except NoCommonAudioError as error:
            words = f"The call was answered, but has no audio in common with this server: {error}."
            return DialError("unreachable", words)


def failure_of(ended: Ended, *, logs_in: bool) -> DialError:
    """Why nobody answered, for the call's record. `logs_in`: the trunk has a user name and a password."""
    if ended.by == "unanswered":
        return DialError("no_answer", "Nobody answered in time.")
    if ended.no_answer is not None:
        return _not_reached(ended.no_answer)
    if ended.by == "failed":
        return _no_way("The trunk did not go on with the call.")
    if ended.status in (401, 407) and not logs_in:
        words = "The trunk's server asks for a login, and the trunk lacks auth_username or auth_password"
        return _no_way(f"{words} ({in_words(ended.status)}).", ended.status)
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


def _not_reached(no_answer: NoAnswer) -> DialError:
    return _no_way(f"The trunk was not reached: {why(no_answer)}.")


def _no_way(words: str, status: int | None = None) -> DialError:
    return DialError("unreachable", words, route_failed=True, status=status)


def _order(request: DialRequest, servers: tuple[Target, ...], offer: str) -> OutgoingCall:
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
        servers=servers,
        contact_user=number,
        asserted=caller,
        preferred=None if shown == caller else caller,
        ring_seconds=request.ring_seconds,
        patience=request.patience_seconds,
    )


def _server(trunk: OutboundTrunk) -> SipServer:
    return SipServer(trunk.host, trunk.port, trunk.transport, trunk.numbering)
