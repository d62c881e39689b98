"""What the catalog says of a vendor. Field rules are JSON Schema, so that the API's description shows them too."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

Rule = Mapping[str, Any]
"""A JSON Schema (2020-12) for one field. Our own keyword `x-clamp`: a number out of range is moved into it."""

Block = Literal["stt", "llm", "tts", "postcall_stt", "postcall_llm"]


@dataclass(frozen=True, slots=True)
class Provider:
    """One vendor in one role."""

    id: str
    label: str
    _: KW_ONLY
    kind: Literal["text", "realtime"] | None = None
    """For language models: does it need speech-to-text and text-to-speech beside it?"""
    aliases: Sequence[str] = ()
    secrets: Sequence[str] = ()
    """Names of the keys, one of which it needs; empty where it needs none."""
    models: Sequence[str] = ()
    """The first is the default; empty where the vendor has no choice of models."""
    legacy: Sequence[str] = ()
    """Models that still work and should not be chosen any more."""
    pricing: Sequence[str] = ()
    """Units in which the vendor bills."""
    model_pricing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    voices: Sequence[str] = ()
    """Empty = any voice id."""
    default_voice: str | None = None
    fields: Mapping[str, Rule] = field(default_factory=dict)
    model_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Models that honour only these of `fields`."""
    model_secrets: Mapping[str, str] = field(default_factory=dict)
    """Models that need one certain key of `secrets`."""
    locations: Mapping[str, str] = field(default_factory=dict)
    """Models that are served from one region."""
    no_reasoning: Sequence[str] = ()
    """Models that are asked to answer without reasoning first: a caller is waiting."""
    post_call_provider: str | None = None
    """Who does the work after a call, where that is not this vendor under the same id."""
    post_call_model: str | Mapping[str, str] | None = None
    """Model for the work after a call; by key where it depends on that."""

    @property
    def default_model(self) -> str | None:
        return self.models[0] if self.models else None


def number(minimum: float, maximum: float, *, default: float | None = None, clamp: bool = False) -> Rule:
    rule: dict[str, Any] = {"type": "number", "minimum": minimum, "maximum": maximum}
    if default is not None:
        rule["default"] = default
    return rule | {"x-clamp": True} if clamp else rule


def integer(minimum: int, maximum: int) -> Rule:
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def boolean() -> Rule:
    return {"type": "boolean"}


def string(max_length: int) -> Rule:
    return {"type": "string", "maxLength": max_length}


def one_of(*values: str | int) -> Rule:
    return {"enum": list(values)}


def listing(items: Rule, max_items: int) -> Rule:
    return {"type": "array", "maxItems": max_items, "items": items}


def strings() -> Rule:
    """A list of words or names, bounded as generously as any vendor's own limit."""
    return listing(string(200), 500)


def object_of(**properties: Rule) -> Rule:
    return {"type": "object", "properties": properties}


def words(text: str) -> list[str]:
    """A long list of names, written as one text."""
    return text.split()
