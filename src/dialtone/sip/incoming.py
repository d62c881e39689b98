"""Requests that belong to no transaction yet: who may ask, and to which call it goes (RFC 3261 section 8.2)."""

from collections.abc import Callable
from typing import Protocol

from dialtone.sip.admission import Accept, Admission, Admit, Challenge, RequestFacts, Silence
from dialtone.sip.digest_server import DigestServer
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.errors import ParseError
from dialtone.sip.flow import Flow, SocketAddress
from dialtone.sip.message import Request
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.transports import response_flow, trust_connection
from dialtone.sip.validation import METHODS, Fault, answerable, fault_of, unsupported_extensions

MAX_ADMISSIONS = 200
"""Questions to the owner under way; what comes beyond is dropped, and repeated by its sender."""


class Calls(Protocol):
    """Where requests go that were let in."""

    draining: bool
    """No new calls are taken, and whoever asks by OPTIONS shall look for another server."""

    def receive_in_dialog(self, request: Request, transaction: ServerTransaction) -> bool:
        """False where there is no such dialog."""

    def has_dialog(self, request: Request) -> bool: ...

    def receive_ack(self, request: Request) -> None: ...

    def tag_of(self, invite: ServerTransaction) -> str | None:
        """Our tag of the call that an INVITE without a final answer belongs to; None where it is no call yet."""

    def receive_cancel(self, cancel: Request, invite: ServerTransaction) -> None: ...

    def receive_invite(self, transaction: ServerTransaction, tag: str) -> None: ...

    def login_refused(self, tag: str, source: SocketAddress) -> None:
        """A user who was known did not know the password."""


class Incoming:
    """Decides what becomes of a new request. Strangers are not answered, whatever they send."""

    def __init__(self, endpoint: Callable[[], Endpoint], calls: Calls, admit: Admit, now: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._calls = calls
        self._admit = admit
        self._digest = DigestServer(now)
        self._admissions = 0

    def receive(self, request: Request, flow: Flow) -> None:
        endpoint, source = self._endpoint(), flow.remote[0]
        fault = fault_of(request)
        if fault is not None:
            self._refuse_malformed(request, flow, fault)
        elif request.method == "ACK":
            self._calls.receive_ack(request)
        elif request.method == "CANCEL":
            self._receive_cancel(request, flow)
        elif request.to.tag:
            if self._calls.has_dialog(request):
                endpoint.guard.trust(source)
                self._calls.receive_in_dialog(request, endpoint.layer.new_server(request, flow))
            elif endpoint.guard.is_trusted(source):
                self._respond(endpoint.layer.new_server(request, flow), 481)
            else:
                endpoint.guard.refuse(source)
        else:
            self._ask(request, flow)

    def _refuse_malformed(self, request: Request, flow: Flow, fault: Fault) -> None:
        endpoint = self._endpoint()
        if not endpoint.guard.is_trusted(flow.remote[0]) or request.method == "ACK" or not answerable(request):
            endpoint.guard.refuse(flow.remote[0])
            return
        response = endpoint.prepared(request.response(fault.status, fault.reason, "malformed"), flow)
        response_flow(request, flow).send(response.to_bytes())

    def _receive_cancel(self, cancel: Request, flow: Flow) -> None:
        endpoint = self._endpoint()
        invite = endpoint.layer.invite_to_cancel(cancel)
        if invite is None:
            if endpoint.guard.is_trusted(flow.remote[0]):
                self._respond(endpoint.layer.new_server(cancel, flow), 481)
            return
        tag = invite.final.to.tag if invite.final is not None else self._calls.tag_of(invite)
        if tag is None:
            invite.cancelled = True
        if tag is not None or endpoint.guard.is_trusted(flow.remote[0]):
            self._respond(endpoint.layer.new_server(cancel, flow), 200, tag or "cancelled")
        self._calls.receive_cancel(cancel, invite)

    # --- strangers

    def _ask(self, request: Request, flow: Flow) -> None:
        if self._admissions >= MAX_ADMISSIONS:
            return
        self._admissions += 1
        endpoint = self._endpoint()
        transaction = endpoint.layer.new_server(request, flow)
        endpoint.spawn(self._admitted(transaction))

    async def _admitted(self, transaction: ServerTransaction) -> None:
        request, flow = transaction.request, transaction.flow
        claimed = self._digest.claimed(request)
        username, realm = claimed if claimed is not None else (None, None)
        facts = RequestFacts(
            request.method,
            flow.remote[0],
            flow.remote[1],
            flow.transport,
            request.uri_text,
            str(request.to.uri),
            username,
            realm,
        )
        admission: Admission = Silence()
        try:
            admission = await self._admit(facts)
        finally:
            self._admissions -= 1
            if isinstance(admission, Silence):
                self._endpoint().guard.refuse(flow.remote[0])
                transaction.abandon()
        if isinstance(admission, Challenge):
            self._check_password(transaction, admission)
        elif isinstance(admission, Accept):
            self._let_in(transaction, admission.tag)

    def _check_password(self, transaction: ServerTransaction, challenge: Challenge) -> None:
        request, stale = transaction.request, False
        claimed = self._digest.claimed(request)
        if claimed is not None and challenge.password is not None:
            verdict = self._digest.verify(request, challenge.realm, challenge.password, challenge.algorithms)
            if verdict == "right":
                self._let_in(transaction, challenge.tag)
                return
            stale = verdict == "stale"
        source = transaction.flow.remote[0]
        if claimed is not None and not stale:
            self._endpoint().guard.refuse(source)
            if challenge.password is not None:
                self._calls.login_refused(challenge.tag, transaction.flow.remote)
        response = self._endpoint().prepared(request.response(401, to_tag="challenge"), transaction.flow)
        for line in self._digest.challenges(challenge.realm, challenge.algorithms, stale=stale):
            response.add("www-authenticate", line)
        transaction.respond(response)

    def _let_in(self, transaction: ServerTransaction, tag: str) -> None:
        endpoint, request = self._endpoint(), transaction.request
        endpoint.guard.trust(transaction.flow.remote[0])
        trust_connection(transaction.flow)
        unsupported = unsupported_extensions(request)
        if transaction.cancelled:
            self._respond(transaction, 487)
        elif endpoint.layer.is_merged(transaction):
            self._respond(transaction, 482)
        elif unsupported:
            response = endpoint.prepared(request.response(420, to_tag="refused"), transaction.flow)
            response.set("unsupported", ", ".join(sorted(unsupported)))
            transaction.respond(response)
        elif request.method == "INVITE":
            self._calls.receive_invite(transaction, tag)
        elif request.method == "OPTIONS":
            status = 503 if self._calls.draining else 200
            response = endpoint.prepared(request.response(status, to_tag="options"), transaction.flow, contact_user="")
            response.set("accept", "application/sdp")
            transaction.respond(response)
        else:
            self._refuse_method(transaction)

    def _refuse_method(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        known = request.method in (*METHODS, "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH")
        outside = request.method in METHODS  # known, and at home only within a dialog
        status = 481 if outside else 405 if known else 501
        response = self._endpoint().prepared(
            request.response(status, to_tag="refused"), transaction.flow, contact_user=""
        )
        transaction.respond(response)

    def _respond(self, transaction: ServerTransaction, status: int, tag: str = "refused") -> None:
        try:
            response = transaction.request.response(status, to_tag=tag)
        except ParseError:
            return
        transaction.respond(self._endpoint().prepared(response, transaction.flow))
