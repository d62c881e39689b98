"""The wire contract of calls and web calls."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, Field, StringConstraints, field_validator, model_validator

METADATA_BYTES = 16 * 1024
VARIABLE_CHARACTERS = 4000

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.-]{0,63}$")]
VariableValue = Annotated[str, StringConstraints(max_length=VARIABLE_CHARACTERS)]


class WebCallRequest(BaseModel):
    """Which assistant the web call is for: exactly one of the three ways."""

    assistant_id: str | None = Field(
        default=None,
        validation_alias=AliasChoices("assistant_id", "agent_id"),
        description="A stored assistant. `agent_id` is the older name.",
    )
    assistant_override: dict[str, Any] | None = Field(
        default=None,
        validation_alias=AliasChoices("assistant_override", "agent_config"),
        description="With `assistant_id`: top-level fields that replace the assistant's own in this call.",
    )
    assistant: dict[str, Any] | None = Field(
        default=None,
        validation_alias=AliasChoices("assistant", "agent"),
        description="Instead of `assistant_id`: a whole assistant, for this call only.",
    )
    variables: dict[VariableName, VariableValue] = Field(
        default_factory=dict, max_length=100, description="Texts for `{{name}}` placeholders."
    )
    metadata: dict[str, Any] | None = Field(default=None, description="Comes back on the call.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.assistant is not None and (self.assistant_id is not None or self.assistant_override is not None):
            raise ValueError("assistant can't be combined with assistant_id or assistant_override")
        if self.assistant is None and self.assistant_id is None:
            raise ValueError("assistant_id is required, unless assistant gives a whole assistant")
        return self

    @field_validator("metadata")
    @classmethod
    def _bounded(cls, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
        size = 0 if metadata is None else len(json.dumps(metadata))
        if size > METADATA_BYTES:
            raise ValueError(f"must be at most {METADATA_BYTES} bytes as JSON (got {size})")
        return metadata


class WebCallCreated(BaseModel):
    token: str = Field(description="Opens one connection, once. Safe to give to a browser.")
    call_id: str
    server_url: str = Field(description="WebSocket to connect to; docs/web-calls.md describes it.")
    expires_at: datetime


class CallMessageObject(BaseModel):
    role: Literal["system", "user", "assistant", "tool"]
    content: str


class TurnLatencyObject(BaseModel):
    """Where the time of one answer went, in milliseconds; null where the step did not happen."""

    endpointing: float | None
    stt_final: float | None
    llm_first_token: float | None
    tts_first_audio: float | None
    playout: float | None
    total: float | None
    interrupted: bool


class CallObject(BaseModel):
    id: str
    status: str = Field(description="connecting, in-progress, ended, or failed (it never came to a conversation)")
    direction: Literal["inbound", "outbound", "web"]
    caller_phone: str | None
    assistant_phone: str | None
    agent_phone: str | None
    phone_number: str | None
    number_id: str | None
    assistant_id: str | None
    agent_id: str | None
    assistant_name: str | None
    agent_name: str | None
    business_name: str | None
    end_reason: str | None
    error: str | None = Field(description="What went wrong, in words.")
    started_at: datetime | None = Field(description="When the call was answered.")
    ended_at: datetime | None
    duration_seconds: int | None
    summary: str | None
    analysis_result: dict[str, Any] | None
    messages: list[CallMessageObject] | None
    room_name: str | None
    recording_url: str | None = Field(description="Works for a while, without a key.")
    metadata: dict[str, Any] | None
    latency: list[TurnLatencyObject]
    notes: list[str] = Field(description="What an operator should know about this call.")
    created_at: datetime
    updated_at: datetime


class Pagination(BaseModel):
    total: int
    limit: int
    offset: int


class CallList(BaseModel):
    calls: list[CallObject]
    pagination: Pagination
