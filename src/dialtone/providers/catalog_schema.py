"""The catalog as JSON Schema, for the API's description."""

from typing import Any

from dialtone.providers.catalog import FREE_FIELDS, PROVIDERS, rules
from dialtone.providers.catalog_types import Block, Provider, Rule


def block_schema(block: Block, **free_fields: Rule) -> dict[str, Any]:
    """One alternative per vendor. `free_fields` describes the fields that the catalog does not know."""
    return {
        "type": "object",
        "discriminator": {"propertyName": "provider"},
        "oneOf": [_alternative(block, provider, free_fields) for provider in PROVIDERS[block]],
    }


def _alternative(block: Block, provider: Provider, free_fields: dict[str, Rule]) -> dict[str, Any]:
    properties: dict[str, Any] = {"provider": {"type": "string", "enum": [provider.id, *provider.aliases]}}
    if provider.models:
        legacy = f"Should not be chosen any more: {', '.join(provider.legacy)}." if provider.legacy else None
        properties["model"] = {"type": "string", "enum": list(provider.models), "default": provider.default_model}
        if legacy:
            properties["model"]["description"] = legacy
    properties |= {name: _public(rule) for name, rule in rules(block, provider).items()}
    properties |= {name: free_fields[name] for name in FREE_FIELDS.get(block, ()) if name in free_fields}
    required = {"stt": ["model", "language"], "tts": ["voice_id"]}.get(block, ["model"])
    return {
        "title": provider.label,
        "type": "object",
        "properties": properties,
        "required": ["provider", *(name for name in required if name in properties)],
    }


def _public(rule: Rule) -> dict[str, Any]:
    """A rule without our own keyword: clamped numbers are accepted whatever they are."""
    if "properties" in rule:
        return {**rule, "properties": {name: _public(inner) for name, inner in rule["properties"].items()}}
    if rule.get("x-clamp"):
        limits = f"Moved into {rule['minimum']} to {rule['maximum']}."
        kept = {key: value for key, value in rule.items() if key not in ("x-clamp", "minimum", "maximum")}
        return {**kept, "description": limits}
    return dict(rule)
