"""The rules of a tool template: which config fits which type, and what older clients mean by their fields."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dialtone.assistants.rest_tools import request_problems
from dialtone.assistants.secrets import map_secrets
from dialtone.assistants.tools import FunctionName, parameters_problems
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.errors import invalid
from dialtone.platform.fields import Part, given, ignored_fields
from dialtone.platform.problems import problem, validation_details
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed
from dialtone.templates.tool_schemas import EndCallConfig, FunctionConfig, SendDtmfConfig, TransferCallConfig

MAX_CONFIG_BYTES = 64 * 1024
"""Size of a `tool_config` as JSON."""

_CONFIGS: Mapping[str, type[Part]] = {
    "function": FunctionConfig,
    "end_call": EndCallConfig,
    "transfer_call": TransferCallConfig,
    "send_dtmf": SendDtmfConfig,
}
_OLDER = ("url", "async", "parameters", "function_definition", "server_url", "server_secret")
_FUNCTION_NAME = TypeAdapter(FunctionName)


@dataclass(frozen=True, slots=True)
class Checked:
    config: dict[str, Any]
    """As it is to be stored, its secrets encrypted."""
    ignored: list[str]
    """Paths of fields that were dropped."""


def masked(config: dict[str, Any]) -> dict[str, Any]:
    return map_secrets(config, lambda _place, _secret: MASK)


def modern(changes: Mapping[str, Any], stored: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """`changes` by today's names, and the older names that had no effect because today's was given too.

    `stored` is the template that changes. Older fields change its config one by one, as they did.
    """
    values = {name: value for name, value in changes.items() if name not in (*_OLDER, "type")}
    older = {name: changes[name] for name in _OLDER if name in changes}
    ignored = []
    if changes.get("type") is not None and "tool_type" in changes:
        ignored.append("type")
    elif changes.get("type") is not None or (older and "tool_type" not in changes):
        values.setdefault("tool_type", changes.get("type") or "function")
    if "tool_config" in changes:
        ignored += list(older)
    elif older:
        same_type = stored is not None and stored["tool_type"] == values["tool_type"]
        values["tool_config"] = _older_config(older, masked(stored["tool_config"]) if stored and same_type else {})
    return values, ignored


def _older_config(older: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    config = {**stored, **(older.get("function_definition") or {})}
    config |= {name: older[name] for name in ("url", "async", "parameters") if name in older}
    server = {name: older[f"server_{name}"] for name in ("url", "secret") if f"server_{name}" in older}
    if server:
        config["server"] = {**(stored.get("server") or {}), **server}
    return config


def check_config(
    secrets: Secrets, tool_type: str, config: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> Checked:
    """`config` against the rules of `tool_type`. `stored` is the config it replaces. Raises `ApiError` (400)."""
    if (size := len(json.dumps(config, ensure_ascii=False).encode())) > MAX_CONFIG_BYTES:
        raise invalid([problem("tool_config", f"must have at most {MAX_CONFIG_BYTES} bytes of JSON", size)])
    try:
        checked = _CONFIGS[tool_type].model_validate(config)
    except ValidationError as error:
        raise invalid(validation_details(error.errors(), ["tool_config"])) from None
    values = given(checked)
    if isinstance(checked, FunctionConfig) and (
        found := parameters_problems(checked.parameters, "tool_config.parameters")
        or request_problems(values, checked.parameters, "tool_config")
    ):
        raise invalid(found)
    return Checked(_sealed(secrets, values, dict(stored or {})), ignored_fields(checked, "tool_config"))


def _sealed(secrets: Secrets, config: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """The config with its secrets encrypted, or kept where their mask came back."""
    known: dict[str, str] = {}
    map_secrets(stored, lambda place, secret: known.setdefault(place.lower(), secret))
    lacking: list[str] = []

    def seal(place: str, secret: str) -> str:
        kept = sealed(secrets, secret, known.get(place.lower()))
        if kept is None:
            lacking.append(problem(f"tool_config.{place}", MASK_WITHOUT_SECRET))
        return kept or ""

    result = map_secrets(config, seal)
    if lacking:
        raise invalid(lacking)
    return result


def check_name(template: Mapping[str, Any]) -> None:
    """A function is called by its config's name, or else by the template's. Raises `ApiError` (400)."""
    if template["tool_type"] != "function" or template["tool_config"].get("name") is not None:
        return
    try:
        _FUNCTION_NAME.validate_python(template["name"])
    except ValidationError as error:
        details = validation_details(error.errors(), ["name"])
        raise invalid(f"{detail}, or tool_config.name must be given" for detail in details) from None
