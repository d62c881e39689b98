"""The assistant of one call: everything merged, defaults in place, secrets open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dialtone.assistants.preparing import Preparer
from dialtone.assistants.schemas import (
    DEFAULT_MAX_DURATION_SECONDS,
    EVENTS,
    NAME,
    REALTIME,
    AssistantOverride,
    LlmConfig,
    RecordingConsent,
)
from dialtone.assistants.secrets import masked, opened
from dialtone.assistants.speech import BackgroundAudio, KeypadConfig, SilenceConfig, SpeechConfig, TurnTakingConfig
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.errors import invalid
from dialtone.platform.problems import problem, validation_details
from dialtone.providers import catalog


@dataclass(frozen=True, slots=True)
class ResolvedAssistant:
    """An assistant ready for a call. Config blocks hold what their vendor honours, with defaults filled in."""

    id: str | None
    """None for one that was given whole for this call."""
    name: str
    business_name: str | None
    is_active: bool
    first_message: str | None
    max_duration_seconds: int
    autonomous_silence_handling: bool
    silence_timeout_seconds: float
    voicemail_detection: bool
    voicemail_message: str | None
    gdpr_mode: bool
    recording_consent: RecordingConsent | None
    notification_emails: tuple[str, ...]
    webhook_url: str | None
    webhook_secret: str | None = field(repr=False)
    webhook_events: frozenset[str]
    realtime: bool
    """The model hears and speaks by itself."""
    stt_config: Mapping[str, Any] | None
    """None with a realtime model, like `tts_config`."""
    llm_config: Mapping[str, Any] = field(repr=False)
    """Carries `messages` and `tools`, tools in the shapes of the API with their secrets in plain text."""
    tts_config: Mapping[str, Any] | None
    turn_taking: TurnTakingConfig
    silence: SilenceConfig
    keypad: KeypadConfig
    background_audio: BackgroundAudio
    pronunciation: tuple[tuple[str, str], ...]
    end_call_message: str | None
    first_message_outbound: str | None
    early_message: str | None
    end_call_phrases: tuple[str, ...]
    postcall_stt: Mapping[str, Any] | None
    postcall_llm: Mapping[str, Any] | None
    """The model for the work after the call, also where the assistant names none."""
    metadata: Mapping[str, Any]
    public: Mapping[str, Any]
    """The resolved assistant as webhooks show it, secrets masked."""
    ignored: tuple[str, ...]
    """Paths of fields of the override or transient assistant that were ignored."""

    @property
    def first_check_seconds(self) -> float:
        """Seconds of silence before the first check."""
        return self.silence.first_check_seconds or self.silence_timeout_seconds


class TransientAssistant(AssistantOverride):
    """An assistant given whole for one call."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                REALTIME,
                {
                    "title": "with a text model",
                    "required": ["stt_config", "tts_config"],
                    "properties": {"stt_config": {"type": "object"}, "tts_config": {"type": "object"}},
                },
            ]
        }
    )

    name: Annotated[str, Field(max_length=200)] = Field(default="", description=NAME)
    llm_config: LlmConfig = Field(description="The language model, its prompt and its tools.")


class Resolver:
    def __init__(self, preparer: Preparer, secrets: Secrets) -> None:
        self._preparer = preparer
        self._secrets = secrets

    def stored(
        self,
        assistant_id: str,
        values: Mapping[str, Any],
        override: Mapping[str, Any] | None,
        own_keys: frozenset[str] = frozenset(),
    ) -> ResolvedAssistant:
        """A stored assistant, with the blocks of `override` in place of its own. Raises `ApiError` (400)."""
        if not override:
            return self._resolved(assistant_id, values, {}, ())
        body = _parsed(AssistantOverride, override, "assistant_override")
        whole, ignored = self._preparer.prepare(body, values, "assistant_override.", own_keys)
        return self._resolved(assistant_id, whole, body.metadata or {}, tuple(ignored))

    def transient(self, given: Mapping[str, Any], own_keys: frozenset[str] = frozenset()) -> ResolvedAssistant:
        """An assistant that is stored nowhere. Raises `ApiError` (400)."""
        body = _parsed(TransientAssistant, given, "assistant")
        if not catalog.is_realtime(body.llm_config):
            missing = [name for name in ("stt_config", "tts_config") if getattr(body, name) is None]
            if missing:
                raise invalid(problem(f"assistant.{name}", "is required with a text model") for name in missing)
        whole, ignored = self._preparer.prepare(body, None, "assistant.", own_keys)
        return self._resolved(None, {"name": "", **whole}, body.metadata or {}, tuple(ignored))

    def _resolved(
        self, assistant_id: str | None, values: Mapping[str, Any], metadata: Mapping[str, Any], ignored: tuple[str, ...]
    ) -> ResolvedAssistant:
        llm = opened(values["llm_config"], self._secrets)
        realtime = catalog.is_realtime(llm)
        speech = SpeechConfig.model_validate(values["speech_config"] or {})
        consent = values["recording_consent"]
        secret = values["webhook_secret"]
        return ResolvedAssistant(
            id=assistant_id,
            **{name: values[name] for name in _PLAIN},
            max_duration_seconds=values["max_duration_seconds"] or DEFAULT_MAX_DURATION_SECONDS,
            recording_consent=RecordingConsent.model_validate(consent) if consent else None,
            notification_emails=_emails(values),
            webhook_secret=None if secret is None else self._secrets.decrypt(secret),
            webhook_events=frozenset(EVENTS if values["webhook_events"] is None else values["webhook_events"]),
            realtime=realtime,
            stt_config=None if realtime else catalog.effective("stt", values["stt_config"]),
            llm_config={"messages": [], "tools": [], **catalog.effective("llm", llm)},
            tts_config=None if realtime else catalog.effective("tts", values["tts_config"]),
            turn_taking=speech.turn_taking or TurnTakingConfig(),
            silence=speech.silence or SilenceConfig(),
            keypad=speech.keypad or KeypadConfig(),
            background_audio=speech.background_audio or BackgroundAudio(),
            pronunciation=tuple((one.from_text, one.to) for one in speech.pronunciation or ()),
            end_call_message=speech.end_call_message,
            first_message_outbound=speech.first_message_outbound,
            early_message=speech.early_message,
            end_call_phrases=tuple(speech.end_call_phrases or ()),
            postcall_llm=_post_call_llm(values),
            metadata=metadata,
            public=_public(assistant_id, values, metadata),
            ignored=ignored,
        )


_PLAIN = (
    "name",
    "business_name",
    "is_active",
    "first_message",
    "autonomous_silence_handling",
    "silence_timeout_seconds",
    "voicemail_detection",
    "voicemail_message",
    "gdpr_mode",
    "webhook_url",
    "postcall_stt",
)


Body = TypeVar("Body", bound=BaseModel)


def _parsed(model: type[Body], given: Mapping[str, Any], path: str) -> Body:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(validation_details(error.errors(), [path])) from None


def _emails(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Every address that gets the report, once."""
    one = values["notification_email"]
    return tuple(dict.fromkeys([*([one] if one else []), *(values["notification_emails"] or ())]))


def _post_call_llm(values: Mapping[str, Any]) -> dict[str, Any] | None:
    if values["postcall_llm"] is not None:
        return dict(values["postcall_llm"])
    default = catalog.post_call_llm(values["llm_config"])
    older = values["llm_config"].get("analysis_model")
    if default and older and catalog.is_realtime(values["llm_config"]):
        return {**default, "model": older}
    return default


def _public(assistant_id: str | None, values: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    public = {"id": assistant_id, **values, "llm_config": masked(values["llm_config"])}
    public["webhook_secret"] = None if values["webhook_secret"] is None else MASK
    return {**public, "metadata": dict(metadata)} if metadata else public
