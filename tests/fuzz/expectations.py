"""What must hold for every answer, whatever was sent."""

import json
import re
from typing import Any

from tests.fuzz.operations import Answer, Operation

INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|\bline \d+, in |sqlalchemy|psycopg|sqlite|pydantic|starlette|fastapi|uvicorn"
    r"|site-packages|dialtone\.|<class |object at 0x|SELECT |INSERT |UPDATE "
)
MASK = "********"
CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
REFUSED_ANYWHERE = frozenset({404, 405})
"""What an address that is none answers."""
WRITTEN_ANOTHER_WAY = frozenset(
    {
        # shapes of older clients, stored as today's
        *("tools", "tool_config", "tool_type", "schema", "address", "description", "name"),
        # one form for what people write in many
        *("phone_number", "inbound_addresses", "outbound_number", "expires_at"),
        # clamped, or filled in by the other fields of the block
        *("turn_detection", "idle_timeout_ms", "turn_taking", "voice", "model"),
    }
)


def check_refusal(answer: Answer) -> None:
    """The one shape of errors, and nothing of the inside."""
    assert answer.headers.get("content-type") == "application/json", answer
    body = answer.document
    assert isinstance(body, dict), answer
    assert isinstance(body["error"], str), answer
    assert body["error"], answer
    assert CODE.fullmatch(body["code"]), answer
    assert set(body) <= {"error", "code", "message", "details", "retry_after", "balance"}, answer
    assert isinstance(body.get("message", ""), str), answer
    details = body.get("details", [])
    assert isinstance(details, list), answer
    assert all(isinstance(one, str) for one in details), answer
    assert len(details) <= 50, answer
    assert len(answer.content) < 50_000, answer
    assert not INTERNALS.search(answer.content.decode()), answer


def check(operation: Operation, answer: Answer) -> None:
    """Every answer of an operation: one that its description knows, and a sound one."""
    assert answer.status < 500, answer
    assert str(answer.status) in operation.description["responses"], (answer, "is not in the description")
    if answer.status >= 400:
        check_refusal(answer)
    else:
        assert answer.document is not None, answer


def differences(sent: Any, shown: Any, path: str = "") -> list[str]:
    """Fields that were sent and are shown otherwise. What the contract has stored in another form is left out."""
    if sent is None or shown == MASK:
        return []
    if isinstance(sent, dict) and isinstance(shown, dict):
        return [
            difference
            for name, value in sent.items()
            if name in shown and name not in WRITTEN_ANOTHER_WAY
            for difference in differences(value, shown[name], f"{path}.{name}")
        ]
    if isinstance(sent, list) and isinstance(shown, list) and len(sent) == len(shown):
        return [
            difference
            for index, pair in enumerate(zip(sent, shown, strict=True))
            for difference in differences(*pair, f"{path}[{index}]")
        ]
    return [] if _same(sent, shown) else [f"{path}: sent {json.dumps(sent)[:80]}, shown {json.dumps(shown)[:80]}"]


def _same(sent: Any, shown: Any) -> bool:
    if isinstance(sent, bool) or isinstance(shown, bool):
        return sent is shown
    if isinstance(sent, int | float) and isinstance(shown, int | float):
        return sent == shown
    return type(sent) is type(shown) and sent == shown
