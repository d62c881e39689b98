"""The secrets inside an assistant: encrypted where stored, masked where shown, unchanged where the mask comes back."""

from collections.abc import Callable, Mapping
from typing import Any

from dialtone.assistants.tools import tool_name
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.problems import problem
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed


def map_tool_secrets(llm_config: Mapping[str, Any], change: Callable[[str | None, int, str], str]) -> dict[str, Any]:
    """A copy of the block with every tool's `server.secret` replaced by `change(tool name, index, secret)`."""
    result = dict(llm_config)
    if isinstance(tools := result.get("tools"), list):
        result["tools"] = [_with_secret(tool, index, change) for index, tool in enumerate(tools)]
    return result


def _with_secret(tool: dict[str, Any], index: int, change: Callable[[str | None, int, str], str]) -> dict[str, Any]:
    return map_server_secret(tool, lambda secret: change(tool_name(tool), index, secret))


def map_server_secret(tool: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The tool with its `server.secret`, if it has one, replaced by `change(secret)`."""
    server = tool.get("server") or {}
    secret = server.get("secret")
    return tool if secret is None else {**tool, "server": {**server, "secret": change(secret)}}


def masked(llm_config: Mapping[str, Any]) -> dict[str, Any]:
    return map_tool_secrets(llm_config, lambda _name, _index, _secret: MASK)


def opened(llm_config: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """With tool secrets decrypted. Raises `crypto.SecretKeyError`."""
    return map_tool_secrets(llm_config, lambda _name, _index, stored: secrets.decrypt(stored))


class Sealer:
    """Encrypts what a client sent, keeping the stored secret where the mask or the same secret came back."""

    def __init__(self, secrets: Secrets, stored_webhook_secret: str | None, stored_llm: Mapping[str, Any] | None):
        self.problems: list[str] = []
        self._secrets = secrets
        self._webhook_secret = stored_webhook_secret
        self._tool_secrets: dict[str | None, str] = {}
        map_tool_secrets(stored_llm or {}, self._remember)

    def _remember(self, name: str | None, _index: int, stored: str) -> str:
        self._tool_secrets[name] = stored
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
                lambda name, index, secret: self._sealed(
                    secret, self._tool_secrets.get(name), f"{place}[{index}].server.secret"
                ),
            )

    def _sealed(self, secret: str, stored: str | None, path: str) -> str:
        kept = sealed(self._secrets, secret, stored)
        if kept is None:
            self.problems.append(problem(path, MASK_WITHOUT_SECRET))
        return kept or ""
