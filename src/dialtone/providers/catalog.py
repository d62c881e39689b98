"""What an assistant can be made of: the vendors, and whether a config block fits them.

A block may carry fields of other vendors (people switch a provider and leave the rest): they are stored and shown,
and have no effect. Fields that no vendor of the block knows are dropped.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dialtone.platform.fields import whole
from dialtone.platform.json_rules import rule_problems
from dialtone.platform.problems import problem
from dialtone.providers import catalog_data as data
from dialtone.providers.catalog_types import Block, Provider, Rule

PROVIDERS: Mapping[Block, tuple[Provider, ...]] = {
    "stt": data.STT,
    "llm": data.LLM,
    "tts": data.TTS,
    "postcall_stt": data.POST_CALL_STT,
    "postcall_llm": data.POST_CALL_LLM,
}

DEFAULTS: Mapping[Block, str] = {"stt": "deepgram", "llm": "openai", "tts": "elevenlabs"}
"""Who serves an assistant that does not say, where the deployment has that vendor's key; else `local`."""

FREE_FIELDS: Mapping[Block, frozenset[str]] = {"llm": frozenset({"messages", "tools"})}
"""Fields with rules of their own, checked elsewhere."""

_NAME: Rule = {"type": "string", "minLength": 1, "maxLength": 200}
_VOICE_FIELD: Mapping[Block, str] = {"llm": "voice", "tts": "voice_id"}


@dataclass(slots=True)
class Checked:
    """A block after the check."""

    config: dict[str, Any]
    """Without unknown fields, aliases resolved, clamped."""
    problems: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Paths of fields that were dropped."""


def find(block: Block, name: object) -> Provider | None:
    """The vendor with this id or alias."""
    return next((one for one in PROVIDERS[block] if name == one.id or name in one.aliases), None)


def is_realtime(llm_config: Mapping[str, Any]) -> bool:
    """Does this model hear and speak by itself?"""
    provider = find("llm", llm_config.get("provider"))
    return provider is not None and provider.kind == "realtime"


def realtime_vendors() -> list[str]:
    """How the vendors are called whose models hear and speak by themselves."""
    realtime = [provider for provider in PROVIDERS["llm"] if provider.kind == "realtime"]
    return [name for provider in realtime for name in (provider.id, *provider.aliases)]


def rules(block: Block, provider: Provider) -> dict[str, Rule]:
    """Rule of every field of a vendor's block, but for `provider`, `model` and `FREE_FIELDS`."""
    own = {**data.COMMON_FIELDS[block], **provider.fields}
    voice = _VOICE_FIELD.get(block)
    if voice and provider.voices:
        own[voice] = {"enum": list(provider.voices), "default": provider.default_voice}
    elif voice == "voice_id":
        own[voice] = _NAME
    return own


def check(block: Block, config: Mapping[str, Any], path: str, any_model: Collection[str] = ()) -> Checked:
    """Check a block against the catalog. `any_model` names vendors whose models are not ours to know, because
    they are served from the deployment's own address.
    """
    provider = find(block, config.get("provider"))
    if provider is None:
        known = ", ".join(one.id for one in PROVIDERS[block])
        if "provider" not in config:
            return Checked({}, [problem(f"{path}.provider", f"is required: one of {known}")])
        return Checked({}, [problem(f"{path}.provider", f"must be one of {known}", config["provider"])])
    checked = Checked({"provider": provider.id})
    own = rules(block, provider)
    known_elsewhere = _fields_of_all(block)
    for name, value in config.items():
        if name in own:
            checked.config[name] = clamped(own[name], value)
            found = rule_problems(own[name], checked.config[name], f"{path}.{name}")
            if found and not _fits_another(block, name, value):
                checked.problems += found
        elif name in known_elsewhere or name in FREE_FIELDS.get(block, ()) or name == "model":
            checked.config[name] = value
        elif name != "provider":
            checked.ignored.append(f"{path}.{name}")
    checked.problems += _model_problems(provider, config, path, any_model)
    for name in _required(block, provider):
        if name not in config:
            checked.problems.append(problem(f"{path}.{name}", "is required"))
    return checked


def effective(block: Block, config: Mapping[str, Any]) -> dict[str, Any]:
    """A checked block as its vendor should see it: own, fitting fields only, defaults filled in."""
    provider = find(block, config.get("provider"))
    if provider is None:
        return dict(config)
    own = rules(block, provider)
    honoured = provider.model_fields.get(config.get("model") or "", ())
    result: dict[str, Any] = {name: rule["default"] for name, rule in own.items() if "default" in rule}
    if provider.default_model is not None:
        result["model"] = provider.default_model
    for name, value in config.items():
        if name in own:
            skipped = honoured and name in provider.fields and name not in honoured
            if not skipped and not rule_problems(own[name], value, name):
                result[name] = value
        elif name in ("provider", "model") or name in FREE_FIELDS.get(block, ()):
            result[name] = value
    return result


def default_config(block: Block, available: Collection[str]) -> dict[str, Any]:
    """The block of an assistant that gives none. `available` names the vendors whose key is at hand."""
    preferred = DEFAULTS[block]
    provider = find(block, preferred if preferred in available else "local")
    assert provider is not None
    config: dict[str, Any] = {"provider": provider.id, "model": provider.default_model}
    if block == "stt":
        config["language"] = "en"
    if block == "llm":
        config |= {"temperature": data.COMMON_FIELDS["llm"]["temperature"]["default"], "messages": [], "tools": []}
    if block == "tts":
        config["voice_id"] = provider.default_voice
    return config


def uses_key_of(block: Block, config: Mapping[str, Any] | None, vendors: Collection[str]) -> bool:
    """Is a block's vendor reached with a key of one of `vendors` (ids as in `BYOK_PROVIDERS`)?"""
    provider = find(block, (config or {}).get("provider"))
    if config is None or provider is None:
        return False
    needed = provider.model_secrets.get(config.get("model") or "")
    names = provider.secrets if needed is None else [needed]
    return any(name.removesuffix("_secret_id") in vendors for name in names)


def post_call_llm(llm_config: Mapping[str, Any], secret: str | None = None) -> dict[str, Any] | None:
    """The model for the work after a call, for an assistant that names none: its own vendor's. `secret` is the
    name of the key in use, where the vendor's choice depends on that.
    """
    provider = find("llm", llm_config.get("provider"))
    if provider is None or provider.post_call_model is None:
        return None
    model = provider.post_call_model
    if not isinstance(model, str):
        model = model.get(secret or "") or next(iter(model.values()))
    return {"provider": provider.post_call_provider or provider.id, "model": model}


def clamped(rule: Rule, value: Any) -> Any:
    """`value` with the numbers in range whose rules say that they are moved there rather than refused, and with whole
    numbers as such: in JSON `8.0` is one, and vendors want `8`.
    """
    if isinstance(value, dict) and "properties" in rule:
        return {
            name: clamped(rule["properties"][name], item) if name in rule["properties"] else item
            for name, item in value.items()
        }
    if rule.get("type") == "integer" or "enum" in rule:
        return whole(value)
    if rule.get("x-clamp") and isinstance(value, int | float) and not isinstance(value, bool):
        return min(max(value, rule["minimum"]), rule["maximum"])
    return value


def _fields_of_all(block: Block) -> set[str]:
    return {name for provider in PROVIDERS[block] for name in (*rules(block, provider), *_required(block, provider))}


def _fits_another(block: Block, name: str, value: Any) -> bool:
    """Two vendors use one name with other meanings; a value left from the other one does no harm."""
    others = (provider.fields[name] for provider in PROVIDERS[block] if name in provider.fields)
    return any(not rule_problems(rule, value, name) for rule in others)


def _required(block: Block, provider: Provider) -> tuple[str, ...]:
    match block:
        case "stt":
            return ("model", "language")
        case "tts":
            return ("voice_id",)
    return ("model",)


def _model_problems(provider: Provider, config: Mapping[str, Any], path: str, any_model: Collection[str]) -> list[str]:
    if "model" not in config or not provider.models:
        return []
    model, place = config["model"], f"{path}.model"
    if found := rule_problems(_NAME, model, place):
        return found
    if model in provider.models or provider.id in any_model:
        return []
    return [problem(place, f"must be one of {', '.join(provider.models)}", model)]
