"""The catalog as JSON Schema, for the API's description."""

from collections.abc import Mapping
from typing import Any

from dialtone.providers.catalog import FREE_FIELDS, PROVIDERS, rules
from dialtone.providers.catalog_descriptions import DESCRIPTIONS
from dialtone.providers.catalog_types import Block, Provider, Rule


def block_schema(block: Block, **free_fields: Rule) -> dict[str, Any]:
    """One alternative per vendor. `free_fields` describes the fields that the catalog does not know."""
    return {
        "type": "object",
        "discriminator": {"propertyName": "provider"},
        "oneOf": [_alternative(block, provider, free_fields) for provider in PROVIDERS[block]],
    }


def _alternative(block: Block, provider: Provider, free_fields: dict[str, Rule]) -> dict[str, Any]:
    fields: dict[str, Rule] = {"provider": {"type": "string", "enum": [provider.id, *provider.aliases]}}
    if provider.models:
        model: dict[str, Any] = {"type": "string", "enum": list(provider.models), "default": provider.default_model}
        if provider.legacy:
            model["description"] = f"Should not be chosen any more: {', '.join(provider.legacy)}."
        fields["model"] = model
    fields |= {name: _also_as_elsewhere(block, name, rule) for name, rule in rules(block, provider).items()}
    fields |= {name: free_fields[name] for name in sorted(FREE_FIELDS.get(block, ())) if name in free_fields}
    properties = _public_fields(fields)
    required = {"stt": ["model", "language"], "tts": ["voice_id"]}.get(block, ["model"])
    return {
        "title": provider.label,
        "type": "object",
        "properties": properties,
        "required": ["provider", *(name for name in required if name in properties)],
    }


def _also_as_elsewhere(block: Block, name: str, rule: Rule) -> Rule:
    """A value that is left from another vendor, which means something else by the same name, is taken too."""
    others = [other.fields[name] for other in PROVIDERS[block] if name in other.fields and other.fields[name] != rule]
    return {"anyOf": [rule, *others]} if others else rule


def _public_fields(fields: Mapping[str, Rule]) -> dict[str, Any]:
    """The rules of fields, each with what the field means."""
    public = {name: _public(rule) for name, rule in fields.items()}
    for name, rule in public.items():
        rule["description"] = " ".join(filter(None, (DESCRIPTIONS.get(name), rule.get("description"))))
    return public


def _public(rule: Rule) -> dict[str, Any]:
    """A rule without our own keyword: clamped numbers are accepted whatever they are."""
    if "properties" in rule:
        return {**rule, "properties": _public_fields(rule["properties"])}
    if isinstance(rule.get("items"), dict):
        return {**rule, "items": _public(rule["items"])}
    for choice in ("anyOf", "oneOf"):
        if choice in rule:
            return {**rule, choice: [_public(each) for each in rule[choice]]}
    if rule.get("x-clamp"):
        limits = f"Moved into {rule['minimum']} to {rule['maximum']}."
        kept = {key: value for key, value in rule.items() if key not in ("x-clamp", "minimum", "maximum")}
        return {**kept, "description": limits}
    return dict(rule)
