"""The secrets inside an assistant: encrypted where stored, masked where shown, unchanged where the mask comes back."""

from collections.abc import Callable, Mapping
from typing import Any

from dialtone.assistants.tools import tool_name
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.problems import problem
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed

ToolSecret = tuple[str | None, str]
"""The name of a secret's tool, and the secret's place within it; names of headers are told apart without their case."""


def map_tool_secrets(llm_config: Mapping[str, Any], change: Callable[[ToolSecret, str, str], str]) -> dict[str, Any]:
    """A copy of the block with every secret of its tools replaced by `change(which, path, secret)`; `path` is the
    field's, below that of the list of tools.
    """
    result = dict(llm_config)
    if isinstance(tools := result.get("tools"), list):
        result["tools"] = [_with_secrets(tool, index, change) for index, tool in enumerate(tools)]
    return result


def _with_secrets(tool: dict[str, Any], index: int, change: Callable[[ToolSecret, str, str], str]) -> dict[str, Any]:
    name = tool_name(tool)
    return map_secrets(tool, lambda place, secret: change((name, place.lower()), f"[{index}].{place}", secret))


def map_secrets(tool: dict[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """The tool with its secrets, `server.secret` and the values of `headers`, replaced by `change(place, secret)`."""
    server = tool.get("server") or {}
    if (secret := server.get("secret")) is not None:
        tool = {**tool, "server": {**server, "secret": change("server.secret", secret)}}
    if headers := tool.get("headers"):
        tool = {**tool, "headers": {name: change(f"headers.{name}", value) for name, value in headers.items()}}
    return tool


def masked(llm_config: Mapping[str, Any]) -> dict[str, Any]:
    return map_tool_secrets(llm_config, lambda _which, _path, _secret: MASK)


def opened(llm_config: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """With tool secrets decrypted. Raises `crypto.SecretKeyError`."""
    return map_tool_secrets(llm_config, lambda _which, _path, stored: secrets.decrypt(stored))


class Sealer:
    """Encrypts what a client sent, keeping the stored secret where the mask or the same secret came back."""

    def __init__(self, secrets: Secrets, stored_webhook_secret: str | None, stored_llm: Mapping[str, Any] | None):
        self.problems: list[str] = []
        self._secrets = secrets
        self._webhook_secret = stored_webhook_secret
        self._tool_secrets: dict[ToolSecret, str] = {}
        map_tool_secrets(stored_llm or {}, self._remember)

    def _remember(self, which: ToolSecret, _path: str, stored: str) -> str:
        self._tool_secrets[which] = stored
        return stored

    def seal(self, values: dict[str, Any], prefix: str = "") -> None:
        """Encrypt the secrets among `values`, in place."""
        if values.get("webhook_secret") is not None:
            path = f"{prefix}webhook_secret"
            values["webhook_secret"] = self._sealed(values["webhook_secret"], self._webhook_secret, path)
        if values.get("llm_config"):
            place = f"{prefix}llm_config.tools"
            values["llm_config"] = map_tool_secrets(
                values["llm_config"],
                lambda which, path, secret: self._sealed(secret, self._tool_secrets.get(which), place + path),
            )

    def _sealed(self, secret: str, stored: str | None, path: str) -> str:
        kept = sealed(self._secrets, secret, stored)
        if kept is None:
            self.problems.append(problem(path, MASK_WITHOUT_SECRET))
        return kept or ""
