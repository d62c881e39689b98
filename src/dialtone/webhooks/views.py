"""Webhook deliveries as the API shows them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dialtone.platform.db import iso


def delivery_object(row: Mapping[str, Any]) -> dict[str, Any]:
    """A delivery as lists show it. `row` is one of its table."""
    last = row["tries"][-1] if row["tries"] else {}
    return {
        "id": row["id"],
        "call_id": row["call_id"],
        "event": row["event"],
        "status": row["status"],
        "url": row["url"],
        "attempts": row["attempts"],
        "response_status": last.get("status"),
        "error": last.get("error"),
        "duration_ms": last.get("duration_ms"),
        "next_attempt_at": _iso(row["next_try_at"]),
        "created_at": iso(row["created_at"]),
        "finished_at": _iso(row["finished_at"]),
    }


def delivery_details(row: Mapping[str, Any], body: str | None) -> dict[str, Any]:
    """A delivery by itself; `body` is its request's, decrypted."""
    return {
        **delivery_object(row),
        "request": {"method": "POST", "body": None if body is None else json.loads(body)},
        "response_body": row["response_body"],
        "tries": row["tries"],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
