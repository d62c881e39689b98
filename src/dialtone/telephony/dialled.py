"""Telephone numbers in SIP addresses, in their one form (E.164)."""

from dialtone.platform.phone_numbers import canonical
from dialtone.sip.errors import ParseError
from dialtone.sip.events import Identity, IncomingCall
from dialtone.sip.uri import parse_uri

SHORTEST_WITHOUT_PLUS = 8
"""Fewer digits than this are an extension or a service, not a number with its country's code."""
_HIDDEN_HOST = "anonymous.invalid"
"""RFC 3323 section 4.1.1.3."""


def number_of(user: str) -> str | None:
    """The number that a user part means: `+31201234567`, `0031201234567`, or the digits alone, as many trunks send it.

    None for anything else: a national number could be anybody's.
    """
    number = canonical(user)
    if number is None and user.isascii() and user.isdigit() and not user.startswith("0"):
        number = canonical(f"+{user}") if len(user) >= SHORTEST_WITHOUT_PLUS else None
    return number


def called_numbers(*uris: str) -> list[str]:
    """What may have been dialled, the likeliest first: trunks that log in have their user name in the request's URI,
    and the number in To.
    """
    numbers = (number_of(_user(uri)) for uri in uris)
    return list(dict.fromkeys(number for number in numbers if number is not None))


def caller_of(invitation: IncomingCall) -> str | None:
    """The caller's number; None where it is withheld, or no international one. What the trunk asserts (RFC 3325) counts
    more than what the caller says.
    """
    if invitation.caller.uri.partition("@")[2].partition(":")[0].partition(";")[0] == _HIDDEN_HOST:
        return None
    if invitation.caller.number.lower() in ("anonymous", "restricted", "unavailable"):
        return None
    said: list[Identity] = [invitation.caller]
    if invitation.asserted is not None:
        said.insert(0, invitation.asserted)
    return next((number for identity in said if (number := number_of(identity.number)) is not None), None)


def _user(uri: str) -> str:
    try:
        return parse_uri(uri).user_name
    except ParseError:
        return ""
