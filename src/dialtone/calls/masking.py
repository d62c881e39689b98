"""Phone numbers as they are kept of calls whose content is not kept: the country code and the last two digits."""

from collections.abc import Sequence
from typing import Any

from dialtone.platform.forwarding import Forwarding
from dialtone.tools.envelope import CallContext

ONE_DIGIT = frozenset("17")
TWO_DIGITS = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 "
    "90 91 92 93 94 95 98".split()
)
"""Country codes of ITU-T E.164 (list of assigned codes, E.164D); all others have three digits."""


def who_called(context: CallContext, *, masks: bool) -> dict[str, Any]:
    """The columns of a call that name whoever called, or was called first."""
    caller, forwarded_from = context.customer_number, context.forwarded_from
    if not masks:
        return {"caller_phone": caller, "forwarded_from": list(forwarded_from) or None}
    return {
        "caller_phone": None if caller is None else masked(caller),
        "forwarded_from": masked_forwardings(forwarded_from) or None,
    }


def masked_forwardings(forwarded_from: Sequence[Forwarding]) -> list[Forwarding]:
    """The same with whoever sent a call on."""
    return [
        Forwarding(number=None if each["number"] is None else masked(each["number"]), reason=each["reason"])
        for each in forwarded_from
    ]


def masked(number: str) -> str:
    """`+31623731537` as `+31*******37`; of a SIP URI nothing but that it is one."""
    scheme, is_uri, _ = number.partition(":")
    if is_uri:
        return f"{scheme.lower()}:***"
    digits = number.removeprefix("+")
    code = 1 if digits[:1] in ONE_DIGIT else 2 if digits[:2] in TWO_DIGITS else 3
    hidden = max(0, len(digits) - code - 2)
    return f"+{digits[:code]}{'*' * hidden}{digits[code + hidden :]}"
