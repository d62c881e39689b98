"""Usage as the API shows it: a log of each call that has a duration, and what they come to."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from dialtone.calls.costs import amount
from dialtone.calls.counts import Usage
from dialtone.calls.listing import minutes
from dialtone.calls.schemas import Pagination
from dialtone.platform.db import iso


class UsageLog(BaseModel):
    """One call that was answered and is over."""

    id: str = Field(description="The call's id.")
    duration_sec: int = Field(description="Seconds from the answer to the end.", ge=0, examples=[84])
    call_type: Literal["phone", "web"] = Field(description="Over which network it came.")
    byok_stt: bool = Field(description="Whether the call was transcribed with the organization's own vendor key.")
    byok_llm: bool = Field(description="Whether the language model ran on the organization's own vendor key.")
    byok_tts: bool = Field(description="Whether the voice ran on the organization's own vendor key.")
    phone_number: str | None = Field(description="The assistant's number; null on web calls.")
    assistant_id: str | None = Field(
        description="Null where the assistant was given for this call only.", json_schema_extra={"format": "uuid"}
    )
    agent_id: str | None = Field(description="The same as `assistant_id`.", json_schema_extra={"format": "uuid"})
    assistant_name: str | None = Field(description="As it was when the call began.")
    agent_name: str | None = Field(description="The same as `assistant_name`.")
    business_name: str | None = Field(description="The assistant's, as it was when the call began.")
    minutes_used: int = Field(description="`duration_sec` rounded up to whole minutes.", ge=0, examples=[2])
    cost: float = Field(
        description="What the call used of vendors on the deployment's keys, as far as the prices are known; the "
        "call's `costs` has the parts.",
        ge=0,
        examples=[0.0312],
    )
    created_at: datetime = Field(description="When the call was made known here.")


class UsageSummary(BaseModel):
    """All calls of the period, also those on other pages."""

    total_calls: int = Field(description="How many calls there were.")
    total_duration_seconds: int = Field(description="How long they were together.")
    total_duration_minutes: float = Field(description="The seconds as minutes, to two decimals.", examples=[1.4])
    total_minutes_used: int = Field(description="The sum of the calls' `minutes_used`.")
    total_cost: float = Field(description="The sum of the calls' `cost`.", ge=0, examples=[12.5])
    currency: str = Field(description="Of `cost` and `total_cost`; the price table's.", examples=["USD"])


class UsageList(BaseModel):
    logs: list[UsageLog] = Field(description="The newest first.")
    pagination: Pagination = Field(description="Which part of all logs this is.")
    summary: UsageSummary


def usage_log(call: Row[Any]) -> dict[str, Any]:
    """`call` has the columns that `CallListing.usage` reads."""
    return {
        "id": call.id,
        "duration_sec": call.duration_seconds,
        "call_type": "web" if call.direction == "web" else "phone",
        "byok_stt": call.byok_stt,
        "byok_llm": call.byok_llm,
        "byok_tts": call.byok_tts,
        "phone_number": call.assistant_phone,
        "assistant_id": call.assistant_id,
        "agent_id": call.assistant_id,
        "assistant_name": call.assistant_name,
        "agent_name": call.assistant_name,
        "business_name": call.business_name,
        "minutes_used": (call.duration_seconds + 59) // 60,
        "cost": amount(call.cost_millionths or 0),
        "created_at": iso(call.created_at),
    }


def usage_summary(usage: Usage, currency: str) -> dict[str, Any]:
    return {
        "total_calls": usage.calls,
        "total_duration_seconds": usage.duration_seconds,
        "total_duration_minutes": minutes(usage.duration_seconds),
        "total_minutes_used": usage.minutes,
        "total_cost": amount(usage.cost_millionths),
        "currency": currency,
    }
