"""The config blocks of an assistant: checked against the catalog, and filled in where absent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dialtone.assistants.schemas import PromptMessage
from dialtone.assistants.tools import check_tools
from dialtone.platform.fields import given, ignored_fields
from dialtone.platform.json_rules import schema_problems
from dialtone.platform.json_text import to_json
from dialtone.platform.problems import problem, validation_details
from dialtone.providers import catalog
from dialtone.providers.catalog_types import Block
from dialtone.settings import Settings

MAX_MESSAGES = 100
MAX_OBJECT_BYTES = 256 * 1024
"""Size of a whole assistant as JSON."""

FIELDS: Mapping[str, Block] = {
    "stt_config": "stt",
    "llm_config": "llm",
    "tts_config": "tts",
    "postcall_stt": "postcall_stt",
    "postcall_llm": "postcall_llm",
}

_MESSAGES = TypeAdapter(list[PromptMessage])


@dataclass(frozen=True, slots=True)
class Vendors:
    """What this deployment can use."""

    available: frozenset[str]
    """Ids of vendors whose key, or own server, is configured."""
    any_model: frozenset[str]
    """Ids of vendors that are served from another address than their own, with models we can't know."""
    own_keys_elsewhere: bool = False
    """An organization's own keys go to those other addresses too."""

    def with_own_keys(self, own: frozenset[str]) -> "Vendors":
        """With the vendors of which an organization has keys of its own."""
        any_model = self.any_model if self.own_keys_elsewhere else self.any_model - own
        return Vendors(self.available | own, any_model, self.own_keys_elsewhere)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Vendors":
        elsewhere = {
            name
            for name in ("openai", "xai", "mistral")
            if getattr(settings, f"{name}_base_url").rstrip("/")
            != type(settings).model_fields[f"{name}_base_url"].default
        }
        keyed = {
            name
            for name in ("openai", "xai", "mistral", "deepgram", "elevenlabs")
            if getattr(settings, f"{name}_api_key") is not None
        }
        return cls(frozenset(keyed | elsewhere), frozenset(elsewhere), settings.byok_to_base_urls)


@dataclass(slots=True)
class Findings:
    problems: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def check_blocks(values: dict[str, Any], findings: Findings, any_model: Collection[str], prefix: str = "") -> None:
    """Check the blocks among `values`, in place, below the field path `prefix` (which ends with a dot)."""
    for name, block in FIELDS.items():
        config = values.get(name)
        if config is None:
            continue
        checked = catalog.check(block, config, f"{prefix}{name}", any_model)
        findings.problems += checked.problems
        findings.ignored += checked.ignored
        values[name] = checked.config
        if block == "llm":
            _check_prompt(checked.config, findings, f"{prefix}{name}")
    plan = (values.get("analysis_plan") or {}).get("structured_data_plan") or {}
    if plan.get("schema") is not None:
        place = f"{prefix}analysis_plan.structured_data_plan.schema"
        findings.problems += schema_problems(plan["schema"], place)


def _check_prompt(config: dict[str, Any], findings: Findings, path: str) -> None:
    if "messages" in config:
        config["messages"] = _checked_messages(config["messages"], findings, f"{path}.messages")
    if "tools" in config:
        kept, problems, ignored = check_tools(config["tools"], f"{path}.tools")
        config["tools"] = kept
        findings.problems += problems
        findings.ignored += ignored


def _checked_messages(messages: Any, findings: Findings, path: str) -> list[dict[str, Any]]:
    if isinstance(messages, list) and len(messages) > MAX_MESSAGES:
        findings.problems.append(f"{path}: must have at most {MAX_MESSAGES} items (got {len(messages)} items)")
        return []
    try:
        checked = _MESSAGES.validate_python(messages)
    except ValidationError as error:
        findings.problems += validation_details(error.errors(), [path])
        return []
    findings.ignored += ignored_fields(checked, path)
    return [given(message) for message in checked]


def fill_in(values: dict[str, Any], available: Collection[str]) -> None:
    """Give a whole assistant the blocks it lacks. A realtime model hears and speaks by itself."""
    if not values.get("llm_config"):
        values["llm_config"] = catalog.default_config("llm", available)
    if catalog.is_realtime(values["llm_config"]):
        values["tts_config"] = None
        return
    if values.get("stt_config") is None:
        values["stt_config"] = catalog.default_config("stt", available)
    if values.get("tts_config") is None:
        values["tts_config"] = catalog.default_config("tts", available)


def check_size(values: Mapping[str, Any]) -> list[str]:
    size = len(to_json(values))
    if size <= MAX_OBJECT_BYTES:
        return []
    return [problem("body", f"an assistant must have at most {MAX_OBJECT_BYTES} bytes of JSON", size)]
