"""A tool that lives on a customer's server: the `tool-calls` event goes out, the answer goes to the model."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError, GuardedResponse
from dialtone.platform.webhook_signing import webhook_headers
from dialtone.tools.answers import (
    MAX_RESPONSE_BYTES,
    ToolFailedError,
    failure,
    result,
    text_of,
)
from dialtone.tools.base import TIMEOUT_SECONDS, Tool
from dialtone.tools.envelope import CallContext, event_envelope
from dialtone.tools.headers import with_own

EVENT = "tool-calls"


@dataclass(frozen=True, slots=True)
class ToolAddress:
    url: str
    secret: str | None


def address_of(tool: Tool, call: CallContext) -> ToolAddress | None:
    """Where the tool's requests go: its own URL, else the assistant's webhook if that takes the event."""
    secret = tool.secret or call.webhook_secret
    if tool.url:
        return ToolAddress(tool.url, secret)
    if call.webhook_url and (call.webhook_events is None or EVENT in call.webhook_events):
        return ToolAddress(call.webhook_url, secret)
    return None


async def call_webhook(
    tool: Tool,
    call_id: str,
    arguments: dict[str, Any],
    context: CallContext,
    http: GuardedHttp,
    *,
    clock: Callable[[], float] = time.time,
) -> str:
    """Send one tool call and return its result as text for the model, at most 16 KiB. It is tried once.

    `clock` is the Unix time in seconds. Raises `ToolFailedError`, after 10 seconds at the latest.
    """
    address = address_of(tool, context)
    if address is None:
        raise ToolFailedError("it has no address to call")
    now = clock()
    entry = {"id": call_id, "type": "function", "function": {"name": tool.name, "arguments": arguments}}
    envelope = event_envelope(EVENT, context, datetime.fromtimestamp(now, UTC), tool_call_list=[entry])
    try:
        body = json.dumps(envelope, separators=(",", ":")).encode()
    except RecursionError as error:
        raise ToolFailedError("its arguments are nested too deeply") from error
    headers = webhook_headers(EVENT, body, webhook_id=str(uuid.uuid4()), timestamp=int(now), secret=address.secret)
    try:
        response = await http.request(
            "POST",
            address.url,
            headers=with_own(tool.headers, headers),
            body=body,
            total_seconds=TIMEOUT_SECONDS,
            max_response_bytes=MAX_RESPONSE_BYTES,
        )
    except GuardedRequestError as error:
        raise ToolFailedError(str(error)) from error
    try:
        return result(_value(response, tool, call_id), tool)
    except RecursionError as error:
        raise ToolFailedError("its server's answer is nested too deeply") from error


def _value(response: GuardedResponse, tool: Tool, call_id: str) -> Any:
    """The result in an answer, whichever of the four forms it has."""
    value = _content(response)
    if not 200 <= response.status < 300:
        raise failure(f"its server answered with status {response.status}", _explanation(value), tool)
    if not isinstance(value, dict):
        return value
    results = value.get("results")
    if isinstance(results, list) and any(isinstance(entry, dict) and "tool_call_id" in entry for entry in results):
        value = _own_entry(results, call_id)
    if value.get("error"):
        raise failure("its server answered with an error", result(value["error"], tool), tool)
    return value.get("result", value)


def _content(response: GuardedResponse) -> Any:
    """The answer's JSON; None if it is empty; its text if it says that it is plain text."""
    text = text_of(response)
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        if response.headers.get("Content-Type", "").lower().startswith("text/plain"):
            return text
        if 200 <= response.status < 300:
            raise ToolFailedError("its server's answer is not valid JSON") from error
        return None


def _own_entry(results: list[Any], call_id: str) -> dict[str, Any]:
    for entry in results:
        if isinstance(entry, dict) and entry.get("tool_call_id") == call_id:
            return entry
    raise ToolFailedError("its server's answer holds no result for this call")


def _explanation(value: Any) -> str:
    problem = value.get("error") or value.get("message") if isinstance(value, dict) else None
    return problem if isinstance(problem, str) else ""
