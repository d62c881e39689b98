"""The assistant as the API takes and shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from dialtone.assistants.speech import SpeechConfig
from dialtone.platform.fields import Between, Email, Part, WebUrl
from dialtone.platform.openapi import COMPONENT
from dialtone.providers import catalog

EVENTS = ("assistant-request", "tool-calls", "status-update", "end-of-call-report")
"""What an assistant's webhook can be told. Other names in `webhook_events` are kept, and have no effect."""

DEFAULT_MAX_DURATION_SECONDS = 3600


def _component(name: str) -> WithJsonSchema:
    return WithJsonSchema({COMPONENT: name})


SttConfig = Annotated[dict[str, Any], _component("SttConfig")]
LlmConfig = Annotated[dict[str, Any], _component("LlmConfig")]
TtsConfig = Annotated[dict[str, Any], _component("TtsConfig")]
PostCallStt = Annotated[dict[str, Any], _component("PostCallStt")]
PostCallLlm = Annotated[dict[str, Any], _component("PostCallLlm")]

Name = Annotated[str, Field(min_length=1, max_length=200)]
Spoken = Annotated[str, Field(max_length=5000)]
NAME = "What you call it."
EventName = Annotated[str, Field(min_length=1, max_length=64)]


class PromptMessage(Part):
    """A message that a conversation begins with."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.")
    content: Annotated[str, Field(max_length=100_000)] = Field(
        description="May hold {{name}} placeholders in system messages.", examples=["You are the receptionist."]
    )


class RecordingConsent(Part):
    """Ask inbound callers before anything is recorded."""

    enabled: bool = Field(description="Ask.")
    message: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="The question.", examples=["May we record this call? Press one to agree."]
    )


class AnalysisMessage(Part):
    """A message of the prompt with which data is found in a call."""

    role: Literal["system", "user"] = Field(description="Who says it.")
    content: Annotated[str, Field(max_length=20_000)] = Field(
        description="May hold {{schema}}, {{transcript}} and {{ended_reason}}."
    )


class StructuredDataPlan(Part):
    """Which data is found in a call."""

    enabled: bool = Field(default=False, description="Look for it.")
    data_schema: dict[str, Any] | None = Field(
        default=None, alias="schema", description="JSON Schema of the wanted data."
    )
    messages: Annotated[list[AnalysisMessage], Field(max_length=20)] | None = Field(
        default=None, description="The prompt; null = a general one."
    )


class SuccessEvaluation(Part):
    """Whether a call reached its aim, judged by a model. The verdict is `success_evaluation` of the call's analysis."""

    enabled: bool = Field(default=False, description="Judge it.")
    rubric: Literal["pass_fail", "numeric_scale", "percentage", "checklist"] = Field(
        default="pass_fail",
        description="The verdict's form: true or false, 1 to 10, 0 to 100, or each point of `prompt` met or not.",
    )
    prompt: Annotated[str, Field(max_length=20_000)] | None = Field(
        default=None,
        description="What success means; null = the caller got what they called for.",
        examples=["The caller has a table, and knows for when."],
    )


class AnalysisPlan(Part):
    """What is found out after a call."""

    structured_data_plan: StructuredDataPlan | None = Field(
        default=None, description="Which data is found in a call; null = none."
    )
    min_messages_threshold: Annotated[int, Between(0, 1000)] = Field(
        default=2, description="Calls with fewer messages are not analysed."
    )
    success_evaluation: SuccessEvaluation | None = Field(
        default=None, description="Whether the call reached its aim; null = not judged."
    )
    success_evaluation_plan: dict[str, Any] | None = Field(default=None, description="Kept; has no effect.")


class AssistantFields(Part):
    """What can be set on an assistant. Absent fields of a change stay as they are."""

    business_name: Annotated[str, Field(max_length=200)] | None = Field(
        default=None, description="For whom the assistant speaks.", examples=["Luigi's restaurant"]
    )
    notification_email: Email | None = Field(
        default=None, description="Who gets mail about calls.", examples=["desk@example.com"]
    )
    notification_emails: Annotated[list[Email], Field(max_length=5)] | None = Field(
        default=None, description="Who else gets mail about calls."
    )
    first_message: Spoken | None = Field(default=None, description="Spoken when the call is answered.")
    is_active: bool = Field(default=True, description="Whether it takes calls.")
    max_duration_seconds: Annotated[int, Between(10, 14400)] | None = Field(
        default=None, description="Longest call; null = 3600."
    )
    autonomous_silence_handling: bool = Field(
        default=False, description="Speak to a silent caller, and hang up in the end."
    )
    silence_timeout_seconds: Annotated[float, Between(1, 120)] = Field(
        default=8, description="Seconds of silence before a silent caller is first spoken to."
    )
    voicemail_detection: bool | None = Field(default=False, description="On outbound calls; null = false.")
    voicemail_message: Spoken | None = Field(default=None, description="Left on a voicemail; null = none is left.")
    gdpr_mode: bool = Field(default=False, description="Keep nothing of a call's content.")
    recording_consent: RecordingConsent | None = None
    webhook_url: WebUrl | None = Field(
        default=None, description="Where events are sent.", examples=["https://example.com/calls"]
    )
    webhook_secret: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="Signs webhooks. Reads back masked; the mask sent back means unchanged."
    )
    webhook_events: Annotated[list[EventName], Field(max_length=20)] | None = Field(
        default=None, description=f"Which events are sent: {', '.join(EVENTS)}; null = all."
    )
    analysis_plan: AnalysisPlan | None = None
    stt_config: SttConfig | None = Field(
        default=None, description="Absent or null = the deployment's default; a realtime model needs none."
    )
    llm_config: LlmConfig = Field(default_factory=dict, description="Absent = the deployment's default.")
    tts_config: TtsConfig | None = Field(
        default=None, description="Absent or null = the deployment's default; always null with a realtime model."
    )
    speech_config: SpeechConfig | None = None
    postcall_stt: PostCallStt | None = Field(default=None, description="Transcribes a realtime call's recording.")
    postcall_llm: PostCallLlm | None = Field(
        default=None, description="Null = the default of the assistant's own vendor."
    )


REALTIME: dict[str, Any] = {
    "title": "with a realtime model",
    "required": ["llm_config"],
    "properties": {
        "llm_config": {"required": ["provider"], "properties": {"provider": {"enum": catalog.realtime_vendors()}}}
    },
}
"""In JSON Schema: an assistant whose model hears and speaks by itself."""


_EXAMPLE: dict[str, Any] = {
    "name": "Front desk",
    "first_message": "Luigi's restaurant, good evening. How can I help you?",
    "stt_config": {"provider": "deepgram", "model": "nova-3", "language": "en"},
    "llm_config": {
        "provider": "openai",
        "model": "gpt-5.4",
        "messages": [{"role": "system", "content": "You take reservations. Be brief and friendly."}],
        "tools": [{"type": "end_call"}],
    },
    "tts_config": {"provider": "elevenlabs", "model": "eleven_flash_v2_5", "voice_id": "21m00Tcm4TlvDq8ikWAM"},
}


class AssistantCreate(AssistantFields):
    """A new assistant. Only `name` is required."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name = Field(description=NAME, examples=["Front desk"])


class AssistantUpdate(AssistantFields):
    """Changes to an assistant: absent = unchanged, null = cleared; a given config block replaces the stored one."""

    name: Name = Field(default_factory=str, description=NAME, examples=["Front desk"])


class AssistantOverride(AssistantUpdate):
    """Changes for one call, and the client's own `metadata`, which comes back in webhooks."""

    metadata: dict[str, Any] | None = Field(default=None, description="Comes back in the call's webhooks.")


class AssistantObject(AssistantFields):
    """An assistant."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # every answer has every field

    id: str = Field(description="The assistant's id.", json_schema_extra={"format": "uuid"})
    name: Name = Field(description=NAME, examples=["Front desk"])
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When anything of it last changed.")


class AssistantAnswer(BaseModel):
    """One assistant."""

    assistant: AssistantObject = Field(description="The assistant.")


class AssistantsAnswer(BaseModel):
    """All assistants of the organization."""

    assistants: list[AssistantObject] = Field(description="Newest first.")
