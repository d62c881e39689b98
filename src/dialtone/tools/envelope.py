"""What every event sent to a customer says about its call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from dialtone.platform.forwarding import Forwarding

CallType = Literal["inbound_phone_call", "outbound_phone_call", "web_call"]


@dataclass(frozen=True, slots=True)
class CallContext:
    """One live call as its webhooks show it. Numbers are E.164, and None on web calls."""

    call_id: str
    call_type: CallType
    assistant: Mapping[str, Any] | None
    """The resolved assistant, its secrets masked; None while it is still being asked for."""
    status: str = "in-progress"
    phone_number_id: str | None = None
    phone_number: str | None = None
    phone_number_name: str | None = None
    customer_number: str | None = None
    forwarded_from: tuple[Forwarding, ...] = ()
    """The first one first; empty where the call came straight to the number."""
    webhook_url: str | None = None
    webhook_secret: str | None = None
    webhook_events: tuple[str, ...] | None = None
    """Events that go to `webhook_url`; None = all."""


def event_envelope(event: str, call: CallContext, at: datetime, **more: Any) -> dict[str, Any]:
    """The body of the event `event` that happened `at` (aware), `more` being the fields of its own."""
    timestamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message: dict[str, Any] = {
        "type": event,
        "timestamp": timestamp,
        "call": {
            "id": call.call_id,
            "type": call.call_type,
            "status": call.status,
            **({"forwarded_from": list(call.forwarded_from)} if call.forwarded_from else {}),
        },
        "phone_number": {
            "id": call.phone_number_id,
            "number": call.phone_number,
            "name": call.phone_number_name,
        },
        "customer": {"number": call.customer_number},
    }
    if call.assistant is not None:
        message["assistant"] = dict(call.assistant)
    return {"message": {**message, **more}}
