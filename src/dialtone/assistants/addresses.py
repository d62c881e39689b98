"""The addresses in an assistant to which requests are sent."""

from collections.abc import Iterator, Mapping
from typing import Any


def assistant_addresses(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Field paths and URLs of the webhook and of all tools."""
    yield f"{prefix}webhook_url", values.get("webhook_url")
    for index, tool in enumerate((values.get("llm_config") or {}).get("tools") or []):
        yield from tool_addresses(tool, f"{prefix}llm_config.tools[{index}]")


def tool_addresses(tool: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The same of one tool, or of the config of a template."""
    yield f"{path}.url", tool.get("url")
    yield f"{path}.server.url", (tool.get("server") or {}).get("url")
