"""The body of a chat completion request, in the dialect of each server that speaks OpenAI's protocol.

Sources: OpenAI's API reference "Create chat completion" and guide "Using the latest model" (parameter compatibility),
xAI's "Chat completions" reference, Mistral's "Chat completion" reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dialtone.providers.base import Message, ToolSpec

DROPPABLE = frozenset(
    {"temperature", "reasoning_effort", "stream_options", "store", "max_tokens", "max_completion_tokens"}
)
"""Parameters a reply can do without where a server refuses them."""

_WITHOUT_REASONING = ("gpt-5.4", "gpt-5.6-", "grok-4.3")
"""Models that are told not to reason: a caller waits on the line."""

_OPTIONAL_REASONING = ("gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.6-", "gpt-5-chat")
"""GPT-5 models that accept a temperature while they don't reason; the others refuse any but the default."""

_REASONING = ("gpt-5", "o1", "o3", "o4")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server takes for one model."""

    limit_name: str
    """Name of the parameter that bounds the reply, in tokens."""
    reasoning_effort: str | None
    takes_temperature: bool
    takes_stream_options: bool
    takes_store: bool


def dialect(provider: str, base_url: str, model: str) -> Dialect:
    """The dialect by provider id, address and model name (of which the part after the last slash counts)."""
    family = model.rpartition("/")[2]
    host = urlsplit(base_url).hostname or ""
    at_openai = host == "api.openai.com" or host.endswith(".api.openai.com")
    reasoning = family.startswith(_REASONING)
    new_limit = at_openai or provider == "xai" or reasoning
    return Dialect(
        limit_name="max_completion_tokens" if new_limit else "max_tokens",
        reasoning_effort="none" if family.startswith(_WITHOUT_REASONING) else None,
        takes_temperature=not reasoning or family.startswith(_OPTIONAL_REASONING),
        takes_stream_options=provider != "mistral",
        takes_store=at_openai,
    )


def request_body(
    dialect: Dialect,
    model: str,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    *,
    temperature: float | None,
    max_tokens: int | None,
) -> dict[str, Any]:
    """The JSON body of `POST /chat/completions`, streaming."""
    body: dict[str, Any] = {"model": model, "stream": True, "messages": [_message(each) for each in messages]}
    if dialect.takes_stream_options:
        body["stream_options"] = {"include_usage": True}
    if dialect.takes_store:
        body["store"] = False
    if dialect.reasoning_effort is not None:
        body["reasoning_effort"] = dialect.reasoning_effort
    if temperature is not None and dialect.takes_temperature:
        body["temperature"] = temperature
    if max_tokens is not None:
        body[dialect.limit_name] = max_tokens
    if tools:
        body["tools"] = [_tool(each) for each in tools]
    return body


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
