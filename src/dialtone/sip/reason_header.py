"""The Reason header: why a call was ended or given up (RFC 3326)."""

from dialtone.sip.errors import ParseError
from dialtone.sip.events import Cause
from dialtone.sip.message import Message
from dialtone.sip.parameters import is_token, parse_parameters, quoted, unquote

_LONGEST_TEXT = 200


def cause_of(message: Message) -> Cause | None:
    """The first Reason with a number; None where there is none that can be read."""
    try:
        values = message.values("reason")
        for value in values:
            protocol, semicolon, rest = value.partition(";")
            params = parse_parameters(semicolon + rest)
            code = params.get("cause") or ""
            if code.isascii() and code.isdigit() and len(code) <= 4:
                return Cause(protocol.strip(), int(code), unquote(params.get("text") or "")[:_LONGEST_TEXT])
    except ParseError:
        return None
    return None


def print_cause(cause: Cause) -> str:
    """The value of a Reason header. Raises `ValueError` for a protocol that is no word."""
    if not is_token(cause.protocol):
        raise ValueError("the protocol of a cause is one word")
    text = f";text={quoted(cause.text[:_LONGEST_TEXT])}" if cause.text else ""
    return f"{cause.protocol};cause={cause.code}{text}"
