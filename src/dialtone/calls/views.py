"""Calls as the API shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from dialtone.calls.tables import Call
from dialtone.platform.db import iso

LATENCY_STEPS = ("endpointing", "stt_final", "llm_first_token", "tts_first_audio", "playout", "total")


def call_object(
    call: Call,
    messages: Sequence[Mapping[str, Any]],
    turns: Sequence[Mapping[str, Any]],
    costs: Sequence[Mapping[str, Any]],
    recording_url: str | None,
) -> dict[str, Any]:
    """The call object of the API. `messages` and `turns` are rows of their tables, in order; `costs` as it is shown."""
    return {
        "id": call.id,
        "status": call.status,
        "direction": call.direction,
        "caller_phone": call.caller_phone,
        "assistant_phone": call.assistant_phone,
        "agent_phone": call.assistant_phone,
        "phone_number": call.assistant_phone,
        "forwarded_from": call.forwarded_from or [],
        "number_id": call.number_id,
        "assistant_id": call.assistant_id,
        "agent_id": call.assistant_id,
        "assistant_name": call.assistant_name,
        "agent_name": call.assistant_name,
        "business_name": call.business_name,
        "end_reason": call.end_reason,
        "error": call.error,
        "started_at": iso(call.started_at) if call.started_at else None,
        "ended_at": iso(call.ended_at) if call.ended_at else None,
        "duration_seconds": call.duration_seconds,
        "summary": call.summary,
        "analysis_result": call.analysis,
        "analysis_error": call.analysis_error,
        "messages": [{"role": row["role"], "content": row["content"]} for row in messages],
        "room_name": call.id,
        "recording_url": recording_url,
        "metadata": call.call_metadata,
        "latency": [
            {step: row[step] for step in LATENCY_STEPS} | {"interrupted": bool(row["interrupted"])} for row in turns
        ],
        "costs": list(costs),
        "notes": call.notes,
        "created_at": iso(call.created_at),
        "updated_at": iso(call.updated_at),
    }
