"""JSON templates: values of a call put into the places that a customer chose for them."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from dialtone.platform.placeholders import PLACEHOLDER

MISSING: Final = object()
"""What a template comes to that needs a value which is not there."""


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """`template` with the placeholders in its texts filled.

    A text that is nothing but one placeholder becomes the value itself, of whatever type; within a longer text a value
    is written out. What needs a value that is not there is left out, with its key.
    """
    if isinstance(template, str):
        return _filled_text(template, values)
    if isinstance(template, Mapping):
        entries = {key: filled(inner, values) for key, inner in template.items()}
        return {key: value for key, value in entries.items() if value is not MISSING}
    if isinstance(template, list):
        return [value for inner in template if (value := filled(inner, values)) is not MISSING]
    return template


def _filled_text(template: str, values: Mapping[str, Any]) -> Any:
    whole = PLACEHOLDER.fullmatch(template)
    if whole is not None:
        return values.get(whole[1], MISSING)
    if any(values.get(name) is None for name in PLACEHOLDER.findall(template)):
        return MISSING
    return PLACEHOLDER.sub(lambda found: written(values[found[1]]), template)


def written(value: Any) -> str:
    """A value within a text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def names_in(text: str) -> set[str]:
    """The names of the placeholders in a text."""
    return set(re.findall(PLACEHOLDER, text))
