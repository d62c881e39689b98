"""The wire contract of calls and web calls."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from dialtone.calls.costs import CallCost
from dialtone.platform.fields import Matches, Part
from dialtone.platform.openapi import COMPONENT

METADATA_BYTES = 16 * 1024
VARIABLE_CHARACTERS = 4000

VariableName = Annotated[
    str,
    Matches(
        r"[^\x00-@\x5b-^`\x7b-\x7f][^\x00-,/:-@\x5b-^`\x7b-\x7f]{0,63}",
        "must be letters, digits, '_', '-' or '.', begin with a letter or '_', and have at most 64 characters",
    ),
]
"""Whatever is not ASCII counts as a letter: no pattern that every program understands knows the letters."""
VariableValue = Annotated[str, StringConstraints(max_length=VARIABLE_CHARACTERS)]


_UUID: dict[str, Any] = {"format": "uuid"}
EXAMPLE_ID = "3f8d2a34-6c1b-4a57-9d0e-5b1f4c7a9e21"
_NULL = {"type": "null"}
WAYS_TO_CHOOSE: list[Any] = [
    {
        "title": "a stored assistant",
        "required": ["assistant_id"],
        "properties": {"assistant_id": {"type": "string"}, "assistant": _NULL},
    },
    {
        "title": "an assistant for this call only",
        "required": ["assistant"],
        "properties": {"assistant": {"type": "object"}, "assistant_id": _NULL, "assistant_override": _NULL},
    },
]


AssistantFields = Annotated[dict[str, Any], WithJsonSchema({COMPONENT: "AssistantOverride"})]
WholeAssistant = Annotated[dict[str, Any], WithJsonSchema({COMPONENT: "TransientAssistant"})]


def _no_other_names(schema: dict[str, Any]) -> None:
    """pydantic describes the values behind the names that fit, and leaves other names open."""
    ((pattern, value),) = schema.pop("patternProperties").items()
    schema |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}


class AssistantChoice(Part):
    """Which assistant a call is for: exactly one of the three ways."""

    assistant_id: str | None = Field(
        default=None,
        validation_alias=AliasChoices("assistant_id", "agent_id"),
        description="A stored assistant. `agent_id` is the older name.",
        examples=[EXAMPLE_ID],
        json_schema_extra=_UUID,
    )
    assistant_override: AssistantFields | None = Field(
        default=None,
        validation_alias=AliasChoices("assistant_override", "agent_config"),
        description="With `assistant_id`: top-level fields that replace the assistant's own in this call. "
        "`agent_config` is the older name.",
    )
    assistant: WholeAssistant | None = Field(
        default=None,
        validation_alias=AliasChoices("assistant", "agent"),
        description="Instead of `assistant_id`: a whole assistant, for this call only. `agent` is the older name.",
    )
    variables: dict[VariableName, VariableValue] = Field(
        default_factory=dict,
        max_length=100,
        description="Texts for `{{name}}` placeholders.",
        json_schema_extra=_no_other_names,
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


class WebCallRequest(AssistantChoice):
    """A web call to prepare."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": WAYS_TO_CHOOSE,
            "examples": [{"assistant_id": EXAMPLE_ID, "variables": {"first_name": "Mia"}}],
        }
    )


class WebCallCreated(BaseModel):
    """A prepared web call."""

    token: str = Field(description="Opens one connection, once. Safe to give to a browser.")
    call_id: str = Field(description="The call's id.")
    server_url: str = Field(
        description="WebSocket to connect to; docs/web-calls.md describes it.", json_schema_extra={"format": "uri"}
    )
    expires_at: datetime = Field(description="Until when the token works.")


class CallMessageObject(BaseModel):
    """A message of a call's transcript."""

    role: Literal["system", "user", "assistant", "tool"] = Field(description="Who said it.")
    content: str = Field(
        description="What was heard of it. With role `tool` a use of a tool, as a JSON object: `tool`, `arguments` and "
        "`result`, or `error` where it failed.",
        examples=["A table for four, please."],
    )


class TurnLatencyObject(BaseModel):
    """Where the time of one answer went, in milliseconds; null where the step did not happen."""

    endpointing: float | None = Field(description="From the caller's last word to the decision that the turn is over.")
    stt_final: float | None = Field(description="From the caller's last word to the final transcript.")
    llm_first_token: float | None = Field(description="From the request to the model to its first token or tool call.")
    tts_first_audio: float | None = Field(description="From the first sentence given to the voice to its first audio.")
    playout: float | None = Field(description="From audio ready and turn decided to the first frame on the line.")
    total: float | None = Field(description="From the caller's last word to the first frame of the answer.")
    interrupted: bool = Field(description="The caller cut the answer short.")


class ForwardingObject(BaseModel):
    """Somebody who was called first, and whose telephone sent the call on."""

    number: str | None = Field(
        description="Who was called, in E.164; null where that is withheld, no number, or no longer kept.",
        examples=["+31207654321"],
    )
    reason: str = Field(
        description="Why the call was sent on: user-busy, no-answer, unavailable, unconditional, time-of-day, "
        "do-not-disturb, deflection, follow-me, out-of-service, away or unknown. More may be added.",
        examples=["no-answer"],
    )


class CallObject(BaseModel):
    """A call, while it runs or afterwards."""

    id: str = Field(description="Opaque; percent-encode it in an address.")
    status: str = Field(
        description="connecting, ringing, in-progress, ended, transferred, failed (it never came to a conversation) or "
        "rejected (an inbound call that was turned away). More may be added.",
        examples=["ended"],
    )
    direction: Literal["inbound", "outbound", "web"] = Field(description="Who called whom, or that it was a web call.")
    caller_phone: str | None = Field(
        description="The other party's number; null on web calls, and once it has been kept for as long as the "
        "organization wants.",
        examples=["+31612345678"],
    )
    assistant_phone: str | None = Field(
        description="The assistant's own number; null on web calls.", examples=["+31201234567"]
    )
    agent_phone: str | None = Field(description="The same as `assistant_phone`.")
    phone_number: str | None = Field(description="The same as `assistant_phone`.")
    forwarded_from: list[ForwardingObject] = Field(
        description="Who was called before the assistant, the first one first; empty where the call came straight to "
        "its number. Ours."
    )
    number_id: str | None = Field(description="Which of the organization's numbers that is.", json_schema_extra=_UUID)
    assistant_id: str | None = Field(
        description="Null where the assistant was given for this call only.", json_schema_extra=_UUID
    )
    agent_id: str | None = Field(description="The same as `assistant_id`.", json_schema_extra=_UUID)
    assistant_name: str | None = Field(description="As it was when the call began.")
    agent_name: str | None = Field(description="The same as `assistant_name`.")
    business_name: str | None = Field(description="The assistant's, as it was when the call began.")
    end_reason: str | None = Field(description="How the call ended; null before.", examples=["user_hangup"])
    error: str | None = Field(description="What went wrong, in words.")
    started_at: datetime | None = Field(description="When the call was answered.")
    ended_at: datetime | None = Field(description="When it was over.")
    duration_seconds: int | None = Field(description="From the answer to the end.", examples=[84])
    summary: str | None = Field(description="What the call was about.")
    analysis_result: dict[str, Any] | None = Field(description="What the assistant's analysis plan asks for.")
    analysis_error: str | None = Field(description="Why the summary or the analysis is missing, in words.")
    messages: list[CallMessageObject] | None = Field(description="What was said, as it was heard.")
    room_name: str | None = Field(description="The place where the call's media met: here, the call itself.")
    recording_url: str | None = Field(
        description="Works for a while, without a key.", json_schema_extra={"format": "uri"}
    )
    metadata: dict[str, Any] | None = Field(description="What the call was given when it was made.")
    latency: list[TurnLatencyObject] = Field(description="One entry for each answer of the assistant.")
    costs: list[CallCost] = Field(description="What the call used of its vendors, once it is over.")
    notes: list[str] = Field(description="What an operator should know about this call.")
    created_at: datetime = Field(description="When the call was made known here.")
    updated_at: datetime = Field(description="When anything of it last changed.")


class Pagination(BaseModel):
    """Which part of a list this is."""

    total: int = Field(description="How many there are on all pages.")
    limit: int = Field(description="How many this page shows at most.", ge=1, le=1000)
    offset: int = Field(description="How many were skipped; 0 where `cursor` was given.", ge=0)
    next_cursor: str | None = Field(
        default=None, description="Only where `cursor` was given: the next page's, or null on the last page."
    )


class CallList(BaseModel):
    """Calls of the organization."""

    calls: list[CallObject] = Field(description="The newest first.")
    pagination: Pagination = Field(description="Which part of all calls this is.")
