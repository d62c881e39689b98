"""Session descriptions in the bodies of messages, also within a multipart body (RFC 5621)."""

from dialtone.sip.errors import SipError
from dialtone.sip.message import Message
from dialtone.sip.parameters import parse_parameters, unquote

SDP_TYPE = "application/sdp"
_MAX_PARTS = 8


class UnsupportedBodyError(SipError):
    """A body that nobody here understands and that must be understood: 415."""


def description_of(message: Message) -> str | None:
    """The session description in a message; None where there is none. Raises `UnsupportedBodyError`."""
    if not message.body:
        return None
    encoding = (message.get("content-encoding") or "identity").strip().lower()
    kind = message.content_type
    if encoding != "identity":
        raise UnsupportedBodyError("an encoded body")
    if kind in (SDP_TYPE, ""):
        return message.body.decode("utf-8", "replace")
    if kind.startswith("multipart/"):
        found = _part_of(message)
        if found is not None:
            return found
    if "handling=optional" in (message.get("content-disposition") or "").lower():
        return None
    raise UnsupportedBodyError("a body of an unknown type")


def description_or_none(message: Message) -> str | None:
    """The same, where a body that nobody understands can be left aside."""
    try:
        return description_of(message)
    except UnsupportedBodyError:
        return None


def _part_of(message: Message) -> str | None:
    _, _, parameters = (message.get("content-type") or "").partition(";")
    try:
        boundary = unquote(parse_parameters(";" + parameters).get("boundary") or "")
    except ValueError:
        return None
    if not 0 < len(boundary) <= 70:
        return None
    delimiter = b"--" + boundary.encode("utf-8", "surrogateescape")
    for part in message.body.split(delimiter, _MAX_PARTS)[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        if b"application/sdp" in head.lower():
            return body.removesuffix(b"\r\n").decode("utf-8", "replace")
    return None


def set_description(message: Message, description: str | None) -> None:
    """Put a session description into a message."""
    if description is not None:
        message.set("content-type", SDP_TYPE)
        message.body = description.encode()
