"""`{{name}}` in what customers write, filled anew for each call."""

import re

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]{0,127})\s*\}\}")
"""Its first group is the name."""

BUILT_INS = (*("caller_number", "assistant_number", "forwarded_from", "forwarding_reason", "call_id", "now", "date"),)
"""What every call knows by itself; these names win over all others."""

VARIABLE_PREFIX = "variables."
"""Stands before the name of one of the call's variables in a tool's request, where a bare name is an argument's."""


def is_of_the_call(name: str) -> bool:
    """Whether a placeholder of a tool's request names something of the call, and no argument."""
    return name in BUILT_INS or name.startswith(VARIABLE_PREFIX)
