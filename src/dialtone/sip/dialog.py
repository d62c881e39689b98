"""A dialog: what two user agents remember of one another (RFC 3261 section 12)."""

import secrets
from collections.abc import Callable

from dialtone.sip.errors import ParseError
from dialtone.sip.flow import Flow
from dialtone.sip.headers import parse_name_addr
from dialtone.sip.message import Request, Response
from dialtone.sip.uri import Uri, parse_uri

DialogKey = tuple[str, str, str]
"""Call-ID, our tag, their tag."""

MAX_ROUTES = 32


def new_tag() -> str:
    return secrets.token_hex(8)


class Dialog:
    """One side of a dialog. Requests in it are made here, so that their numbers are in order."""

    def __init__(
        self,
        call_id: str,
        local: str,
        remote: str,
        tags: tuple[str, str],
        target: Uri,
        routes: list[str],
        flow: Flow,
        next_number: Callable[[], int],
    ) -> None:
        self.call_id = call_id
        self.local_tag, self.remote_tag = tags
        self.target = target
        """Their Contact."""
        self.flow = flow
        """The way of the last message from them."""
        self.remote_number = -1
        """CSeq of their last request; -1 before the first."""
        self._local = local
        self._remote = remote
        self._routes = routes
        self._next_number = next_number

    @property
    def key(self) -> DialogKey:
        return (self.call_id, self.local_tag, self.remote_tag)

    @property
    def replaces(self) -> str:
        """What a Replaces header names this dialog by, seen from them (RFC 3891)."""
        return f"{self.call_id};to-tag={self.remote_tag};from-tag={self.local_tag}"

    def request(self, method: str) -> Request:
        """The next request of ours, without Via and Contact."""
        return self._request(method, self._next_number())

    def ack(self, number: int) -> Request:
        """The ACK of a 2xx to the INVITE with this number."""
        return self._request("ACK", number)

    def _request(self, method: str, number: int) -> Request:
        uri, routes = str(self.target), self._routes
        if routes and not _is_loose(routes[0]):
            # A strict router wants to be the Request-URI itself (RFC 3261 section 12.2.1.1).
            uri, routes = str(parse_name_addr(routes[0]).uri), [*routes[1:], f"<{self.target}>"]
        fields = {
            "max-forwards": ["70"],
            "from": [self._local],
            "to": [self._remote],
            "call-id": [self.call_id],
            "cseq": [f"{number} {method}"],
        }
        if routes:
            fields = {"route": list(routes), **fields}
        return Request(method, uri, fields)

    @property
    def next_hop(self) -> Uri:
        """Where requests go: the first proxy that wants to see them, or the other side itself."""
        return parse_name_addr(self._routes[0]).uri if self._routes else self.target

    def in_order(self, request: Request) -> bool:
        """Take the number of a request of theirs. False for one that is older than the last (RFC 3261 12.2.2)."""
        number = request.cseq[0]
        if number <= self.remote_number:
            return False
        self.remote_number = number
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """Take over a new Contact (RFC 3261 section 12.2.1.2)."""
        contact = contact_of(message)
        if contact is not None:
            self.target = contact

    def confirm(self, response: Response) -> None:
        """The 2xx: its Record-Route replaces that of the provisional responses (RFC 3261 section 13.2.2.4)."""
        self._routes = _routes(response, backwards=True)
        self.refresh_target(response)


def contact_of(message: Request | Response) -> Uri | None:
    try:
        contacts = message.contacts
    except ParseError:
        return None
    return contacts[0].uri.without_headers() if contacts and contacts[0].uri.is_sip else None


def as_caller(request: Request, response: Response, flow: Flow, next_number: Callable[[], int]) -> Dialog:
    """The dialog that a response with a To tag to our INVITE makes. Raises `ParseError`."""
    target = contact_of(response) or parse_uri(request.uri_text)
    tags = (request.from_.tag, response.to.tag)
    local, remote = request.lines("from")[0], response.lines("to")[0]
    return Dialog(request.call_id, local, remote, tags, target, _routes(response, backwards=True), flow, next_number)


def as_called(request: Request, tag: str, flow: Flow, next_number: Callable[[], int]) -> Dialog:
    """The dialog that our answer to an INVITE makes. Raises `ParseError` for one without a Contact."""
    target = contact_of(request)
    if target is None:
        raise ParseError("an INVITE without a Contact")
    local = f"{request.lines('to')[0]};tag={tag}"
    tags = (tag, request.from_.tag)
    remote = request.lines("from")[0]
    dialog = Dialog(request.call_id, local, remote, tags, target, _routes(request, backwards=False), flow, next_number)
    dialog.remote_number = request.cseq[0]
    return dialog


def _routes(message: Request | Response, *, backwards: bool) -> list[str]:
    """The proxies that want to see all requests, nearest first. Raises `ParseError`."""
    routes = message.values("record-route")
    if len(routes) > MAX_ROUTES:
        raise ParseError("too many proxies")
    for route in routes:
        parse_name_addr(route)
    return routes[::-1] if backwards else routes


def _is_loose(route: str) -> bool:
    return "lr" in parse_name_addr(route).uri.params
