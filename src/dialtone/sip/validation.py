"""What is wrong with a request that could be parsed, as the status that tells its sender (RFC 3261 section 8.2)."""

from typing import NamedTuple

from dialtone.sip.errors import ParseError
from dialtone.sip.message import VERSION, Request, Response
from dialtone.sip.parameters import is_token

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY")
"""What this user agent understands."""

EXTENSIONS = frozenset({"100rel", "timer", "replaces", "norefersub", "tdialog"})
"""What a request may Require of it."""

MAX_IDENTIFIER = 512
"""Characters of a Call-ID, a tag or a branch: they are kept as long as the call."""


class Fault(NamedTuple):
    status: int
    reason: str


def answerable(request: Request) -> bool:
    """Whether an answer can be addressed: there is a Via to send it to and all that it has to copy."""
    try:
        via = request.via
    except ParseError:
        return False
    present = all(request.lines(name) for name in ("from", "to", "call-id", "cseq"))
    return present and len(via.branch) <= MAX_IDENTIFIER


def fault_of(request: Request) -> Fault | None:
    """The reason not to process a request, or None. For requests that are `answerable`."""
    if request.version != VERSION:
        return Fault(505, "Version Not Supported")
    if request.length_fault:
        return Fault(400, "Bad Content-Length")
    try:
        method = request.cseq[1]
        identifiers = (request.call_id, request.from_.tag, request.to.tag)
        _ = request.contacts
        for header in ("route", "record-route"):
            request.values(header)
    except ParseError as error:
        return Fault(400, f"Bad Request: {error}")
    if method != request.method or not is_token(method):
        return Fault(400, "CSeq does not match the method")
    if max(map(len, identifiers)) > MAX_IDENTIFIER:
        return Fault(400, "An identifier that is too long")
    hops = request.get("max-forwards")
    if hops is not None and not (hops.isascii() and hops.isdigit() and len(hops) <= 4 and int(hops) <= 255):
        return Fault(400, "Bad Max-Forwards")
    return _uri_fault(request)


def _uri_fault(request: Request) -> Fault | None:
    try:
        uri = request.uri
    except ParseError:
        return Fault(400, "Bad Request-URI")
    if not uri.is_sip and uri.scheme != "tel":
        return Fault(416, "Unsupported URI Scheme")
    return None


def unsupported_extensions(request: Request) -> set[str]:
    return request.tokens("require") - EXTENSIONS


def usable(response: Response) -> bool:
    """Whether a response can be matched and used; the others are dropped without a word."""
    try:
        _ = response.cseq, response.call_id, response.from_, response.to
        if len(response.values("via")) != 1 or not response.via.branch:
            return False  # meant for somebody else (RFC 3261 section 8.1.3.3)
        return not response.length_fault and max(len(response.to.tag), len(response.from_.tag)) <= MAX_IDENTIFIER
    except ParseError:
        return False
