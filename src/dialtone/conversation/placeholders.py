"""Fills `{{name}}` in what the assistant says and is told."""

from collections.abc import Callable, Mapping
from datetime import datetime
from re import Match

from dialtone.conversation.plan import CallPlan
from dialtone.platform.placeholders import PLACEHOLDER, VARIABLE_PREFIX


def fill(text: str, values: Mapping[str, str], on_unknown: Callable[[str], None]) -> str:
    """`text` with its placeholders filled; an unknown one is left empty and told to `on_unknown`."""

    def value(match: Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            on_unknown(name)
        return values.get(name, "")

    return PLACEHOLDER.sub(value, text)


def values_of(plan: CallPlan, now: datetime) -> dict[str, str]:
    """What placeholders of this call may name: the call's variables, and the built-ins, which win."""
    return {**plan.variables, **_built_ins(plan, now)}


def tool_values_of(plan: CallPlan, now: datetime) -> dict[str, str]:
    """What placeholders of a tool's request may name beside its arguments; a number that is not known is left out."""
    variables = {f"{VARIABLE_PREFIX}{name}": value for name, value in plan.variables.items()}
    return variables | {name: value for name, value in _built_ins(plan, now).items() if value}


def _built_ins(plan: CallPlan, now: datetime) -> dict[str, str]:
    first = plan.forwarded_from[0] if plan.forwarded_from else None
    return {
        "caller_number": plan.caller_number or "",
        "assistant_number": plan.assistant_number or "",
        "forwarded_from": (first and first["number"]) or "",
        "forwarding_reason": first["reason"] if first else "",
        "call_id": plan.call_id,
        "now": now.isoformat(timespec="seconds"),
        "date": now.date().isoformat(),
    }
