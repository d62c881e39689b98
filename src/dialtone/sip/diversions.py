"""Who was called before us, and why they sent the call on: Diversion (RFC 5806), or History-Info (RFC 7044)."""

import itertools
from collections.abc import Sequence

from dialtone.sip.errors import ParseError
from dialtone.sip.events import Diversion, Identity
from dialtone.sip.headers import NameAddr, parse_name_addr
from dialtone.sip.message import Request
from dialtone.sip.parameters import parse_parameters, unquote

MAX_DIVERSIONS = 16
UNKNOWN = "unknown"
REASONS = frozenset(
    "unknown user-busy no-answer unavailable unconditional time-of-day do-not-disturb deflection follow-me "
    "out-of-service away".split()
)
"""RFC 5806 section 9.1. What else stands there may be anybody's words."""
_BY_STATUS = {
    302: "unconditional",
    404: UNKNOWN,
    408: "no-answer",
    480: "deflection",
    486: "user-busy",
    487: "deflection",
    503: "unavailable",
}
"""The causes of RFC 4458 in the words of Diversion (RFC 7544 section 7.1)."""
_BY_Q850 = {17: "user-busy", 18: "no-answer", 19: "no-answer", 20: "unavailable", 21: "deflection"}


def diversions_of(request: Request) -> tuple[Diversion, ...]:
    """Whoever sent the call on, the first one first. What can't be read is left out: the call goes on without it."""
    return tuple(_of_diversion(request) or _of_history(request))[:MAX_DIVERSIONS]


def _addresses(request: Request, header: str) -> list[NameAddr]:
    try:
        values = request.values(header)
    except ParseError:
        return []
    found = []
    for value in values[: 2 * MAX_DIVERSIONS]:
        try:
            found.append(parse_name_addr(value))
        except ParseError:
            continue
    return found


def _of_diversion(request: Request) -> list[Diversion]:
    """The topmost is the last who sent it on (RFC 5806 section 3)."""
    found = []
    for address in reversed(_addresses(request, "diversion")):
        reason = unquote(address.params.get("reason") or "").lower()
        privacy = unquote(address.params.get("privacy") or "off").lower()
        is_private = privacy not in ("off", "no", "name")
        found.append(_diversion(address, reason if reason in REASONS else UNKNOWN, is_private=is_private))
    return found


def _of_history(request: Request) -> list[Diversion]:
    """RFC 7544 section 7: an entry with a cause was sent on to by the one that its `mp` names, else by the one before
    it. Of older systems (RFC 4244) it is the one that sent it on that says why.
    """
    entries = _addresses(request, "history-info")
    by_index = {entry.params.get("index"): entry for entry in entries}
    found = []
    for before, entry in itertools.pairwise(entries):
        cause = entry.uri.params.get("cause")
        if cause is not None:
            found.append(_in_history(by_index.get(entry.params.get("mp"), before), _reason(cause, _BY_STATUS)))
    return found or _by_reasons(entries)


def _by_reasons(entries: Sequence[NameAddr]) -> list[Diversion]:
    found = []
    for before, entry in itertools.pairwise(entries):
        protocol, semicolon, rest = before.uri.header_fields.get("reason", "").partition(";")
        if not semicolon or before.uri.user_name == entry.uri.user_name:
            continue
        try:
            cause = parse_parameters(semicolon + rest).get("cause")
        except ParseError:
            continue
        found.append(_in_history(before, _reason(cause, _BY_Q850 if protocol.strip() == "Q.850" else _BY_STATUS)))
    return found


def _reason(cause: str | None, words: dict[int, str]) -> str:
    is_number = cause is not None and cause.isascii() and cause.isdigit() and len(cause) < 4
    return words.get(int(cause or 0), UNKNOWN) if is_number else UNKNOWN


def _in_history(entry: NameAddr, reason: str) -> Diversion:
    wishes = entry.uri.header_fields.get("privacy", "").lower().split(";")
    return _diversion(entry, reason, is_private=any(wish.strip() in ("history", "header", "id") for wish in wishes))


def _diversion(address: NameAddr, reason: str, *, is_private: bool) -> Diversion:
    by = Identity(str(address.uri.without_headers()), address.display_name, address.uri.user_name)
    return Diversion(by, reason, is_private)
