"""From the chunks of a streamed chat completion to the events of a reply.

Source: OpenAI's API reference "Chat completion chunk object"; what other servers do differently is said where it is
allowed for.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from dialtone.providers.base import ProviderError, ReplyDone, ReplyEvent, TextDelta, ToolCall
from dialtone.providers.refusal import quote, vendor_message

_MAX_TOOL_CALLS = 64
_MAX_ARGUMENT_CHARACTERS = 256 * 1024


@dataclass(slots=True)
class _PartialCall:
    id: str
    name: str
    arguments: str


class ReplyAssembler:
    """Takes the chunks of one reply. Anything in them that is not understood is ignored."""

    def __init__(self, provider: str, secret: str) -> None:
        self._provider = provider
        self._secret = secret
        self._calls: list[_PartialCall] = []
        self._slots: dict[int, _PartialCall] = {}
        self._reason: str | None = None
        self._usage: dict[str, Any] = {}
        self.understood = False
        """A chunk of the protocol has come."""
        self.progressed = False
        """Text, a piece of a tool call or the finish reason has come; the reader resets it."""
        self.ended = False
        """`[DONE]` has come."""

    @property
    def has_reason(self) -> bool:
        """The model has finished; only the usage may still come."""
        return self._reason is not None

    def feed(self, data: str) -> list[ReplyEvent]:
        """The events of one chunk. Raises `ProviderError` where the server reports a failure."""
        if data.strip() == "[DONE]":
            self.ended = True
            return []
        try:
            chunk = orjson.loads(data)
        except (ValueError, RecursionError):
            return []
        if not isinstance(chunk, dict):
            return []
        if chunk.get("error"):
            said = vendor_message(data.encode(), self._secret) or "no reason given"
            raise ProviderError(self._provider, "the reply failed", said=said)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return []
        self.understood = True
        return self._choice(choices[0]) if choices and isinstance(choices[0], dict) else []

    def finish(self) -> list[ReplyEvent]:
        """The tool calls, now whole, and the end of the reply."""
        events: list[ReplyEvent] = [
            ToolCall(call.id or f"call_{uuid.uuid4().hex}", call.name, call.arguments or "{}")
            for call in self._calls
            if call.name
        ]
        reason = self._reason or "stop"
        if events and reason == "stop":
            reason = "tool_calls"
        done = ReplyDone(reason, self._tokens("prompt_tokens"), self._tokens("completion_tokens"))
        return [*events, done]

    def _tokens(self, name: str) -> int | None:
        value = self._usage.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _choice(self, choice: dict[str, Any]) -> list[ReplyEvent]:
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._reason = quote(reason)
            self.progressed = True
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return []
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._call(call)
                self.progressed = True
        text = _text(delta.get("content")) + _text(delta.get("refusal"))
        if not text:
            return []
        self.progressed = True
        return [TextDelta(text)]

    def _call(self, delta: dict[str, Any]) -> None:
        call = self._slot(delta.get("index"), delta.get("id"))
        function = delta.get("function")
        if not isinstance(function, dict):
            return
        if isinstance(function.get("name"), str) and not call.name:
            call.name = function["name"]
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            call.arguments += arguments
        elif isinstance(arguments, dict):
            call.arguments += json.dumps(arguments)
        if len(call.arguments) > _MAX_ARGUMENT_CHARACTERS:
            raise ProviderError(self._provider, "a tool call's arguments are too long", retryable=False)

    def _slot(self, index: object, call_id: object) -> _PartialCall:
        """The call a delta belongs to. Some servers give no index, or the same one to calls of different ids."""
        number = index if isinstance(index, int) else len(self._calls) - (0 if call_id else 1)
        found = self._slots.get(number)
        if found is None or (isinstance(call_id, str) and call_id and found.id and found.id != call_id):
            if len(self._calls) >= _MAX_TOOL_CALLS:
                raise ProviderError(self._provider, f"more than {_MAX_TOOL_CALLS} tool calls at once", retryable=False)
            found = _PartialCall("", "", "")
            self._calls.append(found)
            self._slots[number] = found
        if isinstance(call_id, str) and call_id:
            found.id = call_id
        return found


def _text(content: object) -> str:
    """A string, or a list of parts of which those of type text count (Mistral's models that think aloud)."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(part for part in parts if isinstance(part, str))
