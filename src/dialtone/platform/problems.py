"""How a broken rule is told: field path, rule, value given."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_SHOWN_CHARACTERS = 80
"""Length to which a refused value is cut in a message."""

SECRET_FIELDS = frozenset(
    {"webhook_secret", "secret", "api_key", "password", "auth_password", "headers", "authorization", "token"}
)
"""Fields whose values a message never repeats."""

_NO_VALUE: Any = object()


def problem(path: str, rule: str, value: Any = _NO_VALUE) -> str:
    """One detail: `llm_config.temperature: must be between 0 and 2 (got 7)`."""
    names = path.replace("[", ".").split(".")
    if value is _NO_VALUE or not SECRET_FIELDS.isdisjoint(name.lower() for name in names):
        return f"{path}: {rule}"
    return f"{path}: {rule} (got {_shown(value)})"


def _shown(value: Any) -> str:
    """A value as a message shows it: short, on one line, without what objects and lists hold."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        value = value[: MAX_SHOWN_CHARACTERS + 1]
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**MAX_SHOWN_CHARACTERS:
        return "a very large number"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


_RULES = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be one of {expected}",
    "extra_forbidden": "is not known",
}
"""Our words for pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/)."""

_LENGTHS = {"string_too_short", "string_too_long", "too_short", "too_long"}


def field_path(location: Sequence[int | str]) -> str:
    """`("llm_config", "tools", 0, "name")` as `llm_config.tools[0].name`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def validation_details(found: Iterable[Mapping[str, Any]], prefix: Sequence[str | int] = ()) -> list[str]:
    """One detail per problem that pydantic found (`error.errors()`), below the field path `prefix`. Without one, the
    first step may name the part of a request that FastAPI read.
    """
    details = []
    for one in found:
        begins_in_request = not prefix and one["loc"][:1] in (("body",), ("query",))
        location = [*prefix, *one["loc"][begins_in_request:]]
        details.append(_detail(field_path(location) or "body", one))
    return details


def _detail(path: str, found: Mapping[str, Any]) -> str:
    kind, context, value = found["type"], found.get("ctx", {}), found.get("input")
    if kind == "missing":
        return problem(path, _RULES[kind])
    if kind in _LENGTHS and isinstance(value, str | list):
        unit = "characters" if isinstance(value, str) else "items"
        return f"{path}: {_RULES[kind].format(**context)} (got {len(value)} {unit})"
    rule = _RULES[kind].format(**context) if kind in _RULES else str(found["msg"]).removeprefix("Value error, ")
    return problem(path, rule, value)


def number(value: float) -> str:
    """A limit as people write it: `2`, not `2.0`."""
    return str(int(value)) if math.isfinite(value) and float(value).is_integer() else str(value)


def range_words(minimum: float | None, maximum: float | None) -> str:
    """`must be between 0 and 2`."""
    if minimum is None and maximum is not None:
        return f"must be at most {number(maximum)}"
    if maximum is None and minimum is not None:
        return f"must be at least {number(minimum)}"
    assert minimum is not None
    assert maximum is not None
    return f"must be between {number(minimum)} and {number(maximum)}"
