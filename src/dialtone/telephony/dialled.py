"""Telephone numbers in SIP addresses, in their one form (E.164)."""

from dialtone.platform.forwarding import Forwarding
from dialtone.platform.numbering import Numbering
from dialtone.sip.errors import ParseError
from dialtone.sip.events import Identity, IncomingCall
from dialtone.sip.uri import parse_uri

DIALLED_CHARACTERS = 40
"""Kept of what was dialled."""
_HIDDEN_HOST = "anonymous.invalid"
"""RFC 3323 section 4.1.1.3."""
_HIDDEN_USERS = frozenset(("anonymous", "restricted", "unavailable"))
_WITHHOLDING = frozenset(("id", "user", "header"))
"""Values of Privacy after which nobody beyond the trunk may learn who calls (RFC 3323 section 4.2, RFC 3325 section
9.3).
"""


def called_numbers(numbering: Numbering, *uris: str | None) -> list[str]:
    """What may have been dialled, the likeliest first: trunks that log in have their user name in the request's URI,
    and the number in To.
    """
    numbers = (numbering.e164(user_of(uri)) for uri in uris if uri is not None)
    return list(dict.fromkeys(number for number in numbers if number is not None))


def as_dialled(*uris: str | None) -> str | None:
    """What was dialled as the trunk wrote it, cut; None where nothing was."""
    written = next((user for uri in uris if uri is not None and (user := user_of(uri))), "")
    shown = "".join(each if each.isprintable() else "?" for each in written)
    if not shown:
        return None
    return shown if len(shown) <= DIALLED_CHARACTERS else f"{shown[:DIALLED_CHARACTERS]}..."


def caller_of(invitation: IncomingCall, numbering: Numbering) -> str | None:
    """The caller's number; None where it is withheld, or no number. What the trunk asserts (RFC 3325) counts more than
    what the caller says.
    """
    if _is_withheld(invitation):
        return None
    said: list[Identity] = [invitation.caller]
    if invitation.asserted is not None:
        said.insert(0, invitation.asserted)
    numbers = (numbering.e164(identity.number) for identity in said)
    return next((number for number in numbers if number is not None), None)


def _is_withheld(invitation: IncomingCall) -> bool:
    """Not every trunk writes an anonymous address: where From has to name an account, only Privacy or the display name
    tells (RFC 3323 section 4.1.1.1).
    """
    caller = invitation.caller
    return (
        bool(invitation.privacy & _WITHHOLDING)
        or caller.uri.partition("@")[2].partition(":")[0].partition(";")[0] == _HIDDEN_HOST
        or caller.number.lower() in _HIDDEN_USERS
        or caller.display_name.lower() == "anonymous"
    )


def forwarded_from(invitation: IncomingCall, numbering: Numbering) -> tuple[Forwarding, ...]:
    """Whose telephones sent the call on, the first one first; of whoever does not want to be shown only why."""
    return tuple(
        Forwarding(number=None if each.is_private else numbering.e164(each.by.number), reason=each.reason)
        for each in invitation.diversions
    )


def user_of(uri: str) -> str:
    """The user part without escapes; empty where there is none."""
    try:
        return parse_uri(uri).user_name
    except ParseError:
        return ""
