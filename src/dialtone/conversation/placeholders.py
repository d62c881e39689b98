"""Fills `{{name}}` in what the assistant says and is told."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from dialtone.conversation.plan import CallPlan

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]{0,63})\s*\}\}")


def fill(text: str, values: Mapping[str, str], on_unknown: Callable[[str], None]) -> str:
    """`text` with its placeholders filled; an unknown one is left empty and told to `on_unknown`."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            on_unknown(name)
        return values.get(name, "")

    return _PLACEHOLDER.sub(value, text)


def values_of(plan: CallPlan, now: datetime) -> dict[str, str]:
    """What placeholders of this call may name: the call's variables, and the built-ins, which win."""
    return {
        **plan.variables,
        "caller_number": plan.caller_number or "",
        "assistant_number": plan.assistant_number or "",
        "call_id": plan.call_id,
        "now": now.isoformat(timespec="seconds"),
        "date": now.date().isoformat(),
    }
