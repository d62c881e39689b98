"""What the API takes and answers.

Made from the OpenAPI document by scripts/generate_client.py; do not edit.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class AnalysisMessage(TypedDict):
    """A message of the prompt with which data is found in a call."""

    role: Literal["system", "user"]
    """Who says it."""
    content: str
    """May hold {{schema}}, {{transcript}} and {{ended_reason}}."""


class AnalysisPlan(TypedDict):
    """What is found out after a call."""

    structured_data_plan: NotRequired[StructuredDataPlan | None]
    """Which data is found in a call; null = none."""
    min_messages_threshold: NotRequired[int]
    """Calls with fewer messages are not analysed."""
    success_evaluation: NotRequired[SuccessEvaluation | None]
    """Whether the call reached its aim; null = not judged."""
    success_evaluation_plan: NotRequired[dict[str, Any] | None]
    """Kept; has no effect."""


class AnalysisTemplateCreate(TypedDict):
    """A new analysis template: `name`, `system_prompt`, `user_prompt` and `schema` are required."""

    description: NotRequired[str | None]
    """What people should know of the template."""
    system_prompt: NotRequired[str]
    """Tells the model its task. Required."""
    user_prompt: NotRequired[str]
    """May hold {transcript}, {summary}, {duration} and {caller_number}; other braces are text, as in JSON. Required."""
    schema: NotRequired[dict[str, Any]]
    """JSON Schema of the wanted data. Required."""
    messages: NotRequired[list[AnalysisMessage] | None]
    """Older: the prompts as messages, where neither prompt is given. System messages become `system_prompt`, the
    others `user_prompt`, with {{transcript}} written {transcript}.
    """
    name: str
    """What people call the template."""


class AnalysisTemplateObject(TypedDict):
    """A way to analyse calls, to copy into assistants. Changing or deleting it leaves their copies alone."""

    id: str
    """The template's id."""
    org_id: str
    """The organization it belongs to."""
    name: str
    """What people call the template."""
    description: str | None
    """What people should know of the template."""
    system_prompt: str
    """Tells the model its task."""
    user_prompt: str
    """May hold {transcript}, {summary}, {duration} and {caller_number}; other braces are text, as in JSON."""
    schema: dict[str, Any]
    """JSON Schema of the wanted data."""
    created_at: str
    """When the template was made."""
    updated_at: str
    """When the template last changed."""


class AnalysisTemplatesAnswer(TypedDict):
    analysis_templates: list[AnalysisTemplateObject]
    """Newest first."""
    data: list[AnalysisTemplateObject]
    """The same list, by its older name."""
    total: int
    """Templates of the organization."""
    limit: int
    """Most templates that this answer could hold."""
    offset: int
    """Templates before the first one of this answer."""


class AnalysisTemplateUpdate(TypedDict):
    """Changes to an analysis template: absent = unchanged."""

    description: NotRequired[str | None]
    """What people should know of the template."""
    system_prompt: NotRequired[str]
    """Tells the model its task. Required."""
    user_prompt: NotRequired[str]
    """May hold {transcript}, {summary}, {duration} and {caller_number}; other braces are text, as in JSON. Required."""
    schema: NotRequired[dict[str, Any]]
    """JSON Schema of the wanted data. Required."""
    messages: NotRequired[list[AnalysisMessage] | None]
    """Older: the prompts as messages, where neither prompt is given. System messages become `system_prompt`, the
    others `user_prompt`, with {{transcript}} written {transcript}.
    """
    name: NotRequired[str]
    """What people call the template."""


class ApiKeyCreate(TypedDict):
    """A new key of the organization that asks."""

    name: NotRequired[str | None]
    """What the key is for."""
    expires_at: NotRequired[str | None]
    """From this moment on the key is refused; null = it does not expire."""


class ApiKeyObject(TypedDict):
    """An API key, without the key itself."""

    id: str
    """The key's UUID."""
    name: str | None
    """What the key is for."""
    prefix: str
    """The key's beginning, to tell keys apart."""
    created_at: str
    """When the key was made."""
    expires_at: str | None
    """When the key stops working; null = never."""
    last_used_at: str | None
    """When a request last showed the key, up to a minute behind; null = not yet."""
    revoked_at: str | None
    """When the key was revoked; null = it was not."""
    from_settings: bool
    """The key comes from the server's setting DIALTONE_API_KEY."""
    current: bool
    """This request shows the key."""


class AssistantCreate(TypedDict):
    """A new assistant. Only `name` is required."""

    business_name: NotRequired[str | None]
    """For whom the assistant speaks."""
    notification_email: NotRequired[str | None]
    """Who gets mail about calls."""
    notification_emails: NotRequired[list[str] | None]
    """Who else gets mail about calls."""
    first_message: NotRequired[str | None]
    """Spoken when the call is answered."""
    is_active: NotRequired[bool]
    """Whether it takes calls."""
    max_duration_seconds: NotRequired[int | None]
    """Longest call; null = 3600."""
    autonomous_silence_handling: NotRequired[bool]
    """Speak to a silent caller, and hang up in the end."""
    silence_timeout_seconds: NotRequired[float]
    """Seconds of silence before a silent caller is first spoken to."""
    voicemail_detection: NotRequired[bool | None]
    """On outbound calls; null = false."""
    voicemail_message: NotRequired[str | None]
    """Left on a voicemail; null = none is left."""
    gdpr_mode: NotRequired[bool]
    """Keep nothing of a call's content."""
    recording_consent: NotRequired[RecordingConsent | None]
    webhook_url: NotRequired[str | None]
    """Where events are sent."""
    webhook_secret: NotRequired[str | None]
    """Signs webhooks. Reads back masked; the mask sent back means unchanged."""
    webhook_events: NotRequired[list[str] | None]
    """Which events are sent: assistant-request, tool-calls, status-update, end-of-call-report; null = all."""
    analysis_plan: NotRequired[AnalysisPlan | None]
    stt_config: NotRequired[SttConfig | None]
    """Absent or null = the deployment's default; a realtime model needs none."""
    llm_config: NotRequired[LlmConfig]
    """Absent = the deployment's default."""
    tts_config: NotRequired[TtsConfig | None]
    """Absent or null = the deployment's default; always null with a realtime model."""
    speech_config: NotRequired[SpeechConfig | None]
    postcall_stt: NotRequired[PostCallStt | None]
    """Transcribes a realtime call's recording."""
    postcall_llm: NotRequired[PostCallLlm | None]
    """Null = the default of the assistant's own vendor."""
    name: str
    """What you call it."""


class AssistantObject(TypedDict):
    """An assistant."""

    business_name: str | None
    """For whom the assistant speaks."""
    notification_email: str | None
    """Who gets mail about calls."""
    notification_emails: list[str] | None
    """Who else gets mail about calls."""
    first_message: str | None
    """Spoken when the call is answered."""
    is_active: bool
    """Whether it takes calls."""
    max_duration_seconds: int | None
    """Longest call; null = 3600."""
    autonomous_silence_handling: bool
    """Speak to a silent caller, and hang up in the end."""
    silence_timeout_seconds: float
    """Seconds of silence before a silent caller is first spoken to."""
    voicemail_detection: bool | None
    """On outbound calls; null = false."""
    voicemail_message: str | None
    """Left on a voicemail; null = none is left."""
    gdpr_mode: bool
    """Keep nothing of a call's content."""
    recording_consent: RecordingConsent | None
    webhook_url: str | None
    """Where events are sent."""
    webhook_secret: str | None
    """Signs webhooks. Reads back masked; the mask sent back means unchanged."""
    webhook_events: list[str] | None
    """Which events are sent: assistant-request, tool-calls, status-update, end-of-call-report; null = all."""
    analysis_plan: AnalysisPlan | None
    stt_config: SttConfig | None
    """Absent or null = the deployment's default; a realtime model needs none."""
    llm_config: LlmConfig
    """Absent = the deployment's default."""
    tts_config: TtsConfig | None
    """Absent or null = the deployment's default; always null with a realtime model."""
    speech_config: SpeechConfig | None
    postcall_stt: PostCallStt | None
    """Transcribes a realtime call's recording."""
    postcall_llm: PostCallLlm | None
    """Null = the default of the assistant's own vendor."""
    id: str
    """The assistant's id."""
    name: str
    """What you call it."""
    created_at: str
    """When it was made."""
    updated_at: str
    """When anything of it last changed."""


class AssistantOverride(TypedDict):
    """Changes for one call, and the client's own `metadata`, which comes back in webhooks."""

    business_name: NotRequired[str | None]
    """For whom the assistant speaks."""
    notification_email: NotRequired[str | None]
    """Who gets mail about calls."""
    notification_emails: NotRequired[list[str] | None]
    """Who else gets mail about calls."""
    first_message: NotRequired[str | None]
    """Spoken when the call is answered."""
    is_active: NotRequired[bool]
    """Whether it takes calls."""
    max_duration_seconds: NotRequired[int | None]
    """Longest call; null = 3600."""
    autonomous_silence_handling: NotRequired[bool]
    """Speak to a silent caller, and hang up in the end."""
    silence_timeout_seconds: NotRequired[float]
    """Seconds of silence before a silent caller is first spoken to."""
    voicemail_detection: NotRequired[bool | None]
    """On outbound calls; null = false."""
    voicemail_message: NotRequired[str | None]
    """Left on a voicemail; null = none is left."""
    gdpr_mode: NotRequired[bool]
    """Keep nothing of a call's content."""
    recording_consent: NotRequired[RecordingConsent | None]
    webhook_url: NotRequired[str | None]
    """Where events are sent."""
    webhook_secret: NotRequired[str | None]
    """Signs webhooks. Reads back masked; the mask sent back means unchanged."""
    webhook_events: NotRequired[list[str] | None]
    """Which events are sent: assistant-request, tool-calls, status-update, end-of-call-report; null = all."""
    analysis_plan: NotRequired[AnalysisPlan | None]
    stt_config: NotRequired[SttConfig | None]
    """Absent or null = the deployment's default; a realtime model needs none."""
    llm_config: NotRequired[LlmConfig]
    """Absent = the deployment's default."""
    tts_config: NotRequired[TtsConfig | None]
    """Absent or null = the deployment's default; always null with a realtime model."""
    speech_config: NotRequired[SpeechConfig | None]
    postcall_stt: NotRequired[PostCallStt | None]
    """Transcribes a realtime call's recording."""
    postcall_llm: NotRequired[PostCallLlm | None]
    """Null = the default of the assistant's own vendor."""
    name: NotRequired[str]
    """What you call it."""
    metadata: NotRequired[dict[str, Any] | None]
    """Comes back in the call's webhooks."""


class AssistantUpdate(TypedDict):
    """Changes to an assistant: absent = unchanged, null = cleared; a given config block replaces the stored one."""

    business_name: NotRequired[str | None]
    """For whom the assistant speaks."""
    notification_email: NotRequired[str | None]
    """Who gets mail about calls."""
    notification_emails: NotRequired[list[str] | None]
    """Who else gets mail about calls."""
    first_message: NotRequired[str | None]
    """Spoken when the call is answered."""
    is_active: NotRequired[bool]
    """Whether it takes calls."""
    max_duration_seconds: NotRequired[int | None]
    """Longest call; null = 3600."""
    autonomous_silence_handling: NotRequired[bool]
    """Speak to a silent caller, and hang up in the end."""
    silence_timeout_seconds: NotRequired[float]
    """Seconds of silence before a silent caller is first spoken to."""
    voicemail_detection: NotRequired[bool | None]
    """On outbound calls; null = false."""
    voicemail_message: NotRequired[str | None]
    """Left on a voicemail; null = none is left."""
    gdpr_mode: NotRequired[bool]
    """Keep nothing of a call's content."""
    recording_consent: NotRequired[RecordingConsent | None]
    webhook_url: NotRequired[str | None]
    """Where events are sent."""
    webhook_secret: NotRequired[str | None]
    """Signs webhooks. Reads back masked; the mask sent back means unchanged."""
    webhook_events: NotRequired[list[str] | None]
    """Which events are sent: assistant-request, tool-calls, status-update, end-of-call-report; null = all."""
    analysis_plan: NotRequired[AnalysisPlan | None]
    stt_config: NotRequired[SttConfig | None]
    """Absent or null = the deployment's default; a realtime model needs none."""
    llm_config: NotRequired[LlmConfig]
    """Absent = the deployment's default."""
    tts_config: NotRequired[TtsConfig | None]
    """Absent or null = the deployment's default; always null with a realtime model."""
    speech_config: NotRequired[SpeechConfig | None]
    postcall_stt: NotRequired[PostCallStt | None]
    """Transcribes a realtime call's recording."""
    postcall_llm: NotRequired[PostCallLlm | None]
    """Null = the default of the assistant's own vendor."""
    name: NotRequired[str]
    """What you call it."""


class AuditLineObject(TypedDict):
    """One thing that was done to your data."""

    id: str
    """The line's id."""
    actor: str
    """The beginning of the API key that asked for it, or the name of the server's own work."""
    action: str
    """What was done: retention.changed, retention.content_deleted, retention.metadata_deleted, erasure.requested or
    erasure.done.
    """
    subject_id: str | None
    """The id of what it was done to, such as the erasure; null where that has none."""
    details: dict[str, Any]
    """Counts, periods, and numbers only masked."""
    created_at: str
    """When it was done."""


class AuditLogPage(TypedDict):
    """A page of the audit log, newest first."""

    audit_log: list[AuditLineObject]
    """The page."""
    pagination: AuditPagination
    """Where in the whole log it is."""


class AuditPagination(TypedDict):
    """Where in the whole log this page is."""

    total: int
    """How many lines there are."""
    limit: int
    """As asked."""
    offset: int
    """As asked."""


class BackgroundAudio(TypedDict):
    """Sounds of a place behind the assistant's voice."""

    enabled: NotRequired[bool]
    """Play them."""
    clip: NotRequired[Literal["office", "city", "forest", "crowded_room"]]
    """The place."""
    volume: NotRequired[float]
    """How loud; 1 = full."""


class CallCost(TypedDict):
    """What one part of a call used of its vendor."""

    role: str
    """stt, llm or tts; postcall_stt or postcall_llm for the work after the call."""
    provider: str
    """The vendor."""
    model: str
    """Its model; empty where the vendor has no choice."""
    audio_seconds: float | None
    """Audio that was transcribed."""
    input_tokens: int | None
    """Tokens that the model was given."""
    output_tokens: int | None
    """Tokens that the model wrote."""
    characters: int | None
    """Text that was spoken."""
    estimated: bool
    """Some tokens are estimated, because the vendor did not report them."""
    own_key: bool
    """It ran on the organization's own key, and is not part of the usage's `cost`."""
    cost: float | None
    """By the price table of that time; null where a price is not in it."""
    currency: str
    """Of `cost`."""


class CallList(TypedDict):
    """Calls of the organization."""

    calls: list[CallObject]
    """The newest first."""
    pagination: Pagination
    """Which part of all calls this is."""


class CallMessageObject(TypedDict):
    """A message of a call's transcript."""

    role: Literal["system", "user", "assistant", "tool"]
    """Who said it."""
    content: str
    """What was heard of it. With role `tool` a use of a tool, as a JSON object: `tool`, `arguments` and `result`, or
    `error` where it failed.
    """


class CallObject(TypedDict):
    """A call, while it runs or afterwards."""

    id: str
    """Opaque; percent-encode it in an address."""
    status: str
    """connecting, ringing, in-progress, ended, transferred, failed (it never came to a conversation) or rejected (an
    inbound call that was turned away). More may be added.
    """
    direction: Literal["inbound", "outbound", "web"]
    """Who called whom, or that it was a web call."""
    caller_phone: str | None
    """The other party's number; null on web calls, and once it has been kept for as long as the organization wants."""
    assistant_phone: str | None
    """The assistant's own number; null on web calls."""
    agent_phone: str | None
    """The same as `assistant_phone`."""
    phone_number: str | None
    """The same as `assistant_phone`."""
    forwarded_from: list[ForwardingObject]
    """Who was called before the assistant, the first one first; empty where the call came straight to its number.
    Ours.
    """
    number_id: str | None
    """Which of the organization's numbers that is."""
    assistant_id: str | None
    """Null where the assistant was given for this call only."""
    agent_id: str | None
    """The same as `assistant_id`."""
    assistant_name: str | None
    """As it was when the call began."""
    agent_name: str | None
    """The same as `assistant_name`."""
    business_name: str | None
    """The assistant's, as it was when the call began."""
    end_reason: str | None
    """How the call ended; null before."""
    error: str | None
    """What went wrong, in words."""
    started_at: str | None
    """When the call was answered."""
    ended_at: str | None
    """When it was over."""
    duration_seconds: int | None
    """From the answer to the end."""
    summary: str | None
    """What the call was about."""
    analysis_result: dict[str, Any] | None
    """What the assistant's analysis plan asks for."""
    analysis_error: str | None
    """Why the summary or the analysis is missing, in words."""
    messages: list[CallMessageObject] | None
    """What was said, as it was heard."""
    room_name: str | None
    """The place where the call's media met: here, the call itself."""
    recording_url: str | None
    """Works for a while, without a key."""
    metadata: dict[str, Any] | None
    """What the call was given when it was made."""
    latency: list[TurnLatencyObject]
    """One entry for each answer of the assistant."""
    costs: list[CallCost]
    """What the call used of its vendors, once it is over."""
    notes: list[str]
    """What an operator should know about this call."""
    created_at: str
    """When the call was made known here."""
    updated_at: str
    """When anything of it last changed."""


class Checks(TypedDict):
    """What was looked at."""

    database: DatabaseCheck
    """The database."""


class Child(TypedDict):
    """An organization directly below yours."""

    id: str
    """The organization's id."""
    name: str
    """The organization's name."""
    created_at: str
    """When it was made."""


class CommandSent(TypedDict):
    """A command was handed to its call."""

    success: bool
    """The call has the command; the call's record tells what came of it."""
    message: str
    """The same in words."""


class ConfigChange(TypedDict):
    """Settings to be merged into a vendor's stored ones."""

    provider: Literal[
        "deepgram",
        "openai",
        "elevenlabs",
        "inworld",
        "resend",
        "xai",
        "gladia",
        "mistral",
        "google",
        "google_vertex",
        "twilio",
        "signalwire",
        "telnyx",
        "plivo",
        "vonage",
    ]
    """The vendor's id."""
    config: dict[str, Any]
    """Settings by name; null removes one. `base_url` is where your key is sent instead of the vendor's default
    address: an https address of the vendor's own, such as `https://api.eu.deepgram.com`. Carriers need
    `account_sid` (Twilio), `space`, `project_id` and `signing_key` (SignalWire), `connection_id` and `public_key`
    (Telnyx), `auth_id` (Plivo), or `application_id` and `signature_secret` (Vonage). Other settings are kept and
    have no effect. All but `signing_key` and `signature_secret` are shown to everyone with an API key: put no
    secret into others.
    """


ControlCommand: TypeAlias = "InjectContextCommand | SayCommand | EndCallCommand | TransferCommand | SendDtmfCommand"


class DatabaseCheck(TypedDict):
    """How the database is."""

    status: Literal["ok", "error"]
    """Whether it answers."""
    latency_ms: float | None
    """How long the database took to answer; null where it did not."""


class DeliveryDetails(TypedDict):
    """A delivery with what was sent and what came back."""

    id: str
    """The `X-Webhook-Id` of every try."""
    call_id: str
    """The call that it tells of."""
    event: str
    """status-update or end-of-call-report."""
    status: Literal["waiting", "delivered", "failed"]
    """waiting: tries are to come; failed: it was given up."""
    url: str
    """Where it goes."""
    attempts: int
    """Tries so far."""
    response_status: int | None
    """The last answer's status; null where there was none."""
    error: str | None
    """Why the last try did not arrive, in words; null where it did."""
    duration_ms: int | None
    """What the last try took."""
    next_attempt_at: str | None
    """When it is tried next; null where it is over."""
    created_at: str
    """When the event happened."""
    finished_at: str | None
    """When it arrived or was given up; null before."""
    request: DeliveryRequest
    """What is sent; the signature is made anew for every try."""
    response_body: str | None
    """How the last answer began; at most 2048 bytes, none in GDPR mode."""
    tries: list[DeliveryTry]
    """The last 50, oldest first."""


class DeliveryList(TypedDict):
    """A page of the log, newest first."""

    webhook_deliveries: list[DeliveryObject]
    """The page."""
    pagination: DeliveryPagination
    """Where in the whole list it is."""


class DeliveryObject(TypedDict):
    """One event sent, or being sent, to one address."""

    id: str
    """The `X-Webhook-Id` of every try."""
    call_id: str
    """The call that it tells of."""
    event: str
    """status-update or end-of-call-report."""
    status: Literal["waiting", "delivered", "failed"]
    """waiting: tries are to come; failed: it was given up."""
    url: str
    """Where it goes."""
    attempts: int
    """Tries so far."""
    response_status: int | None
    """The last answer's status; null where there was none."""
    error: str | None
    """Why the last try did not arrive, in words; null where it did."""
    duration_ms: int | None
    """What the last try took."""
    next_attempt_at: str | None
    """When it is tried next; null where it is over."""
    created_at: str
    """When the event happened."""
    finished_at: str | None
    """When it arrived or was given up; null before."""


class DeliveryPagination(TypedDict):
    """Where in the whole list this page is."""

    total: int
    """How many there are."""
    limit: int
    """As asked."""
    offset: int
    """As asked."""


class DeliveryRequest(TypedDict):
    """What is sent."""

    method: Literal["POST"]
    """Always POST."""
    body: dict[str, Any] | None
    """The event; null once it was deleted, in GDPR mode as soon as the delivery is over."""


class DeliveryTry(TypedDict):
    """One try."""

    at: str
    """When it began."""
    duration_ms: int
    """What it took."""
    status: int | None
    """The answer's status; null where there was none."""
    error: str | None
    """Why it did not arrive, in words."""


class Deployment(TypedDict):
    """The server's settings, as far as they concern its users."""

    version: str
    """Version of the server."""
    database: Literal["sqlite", "postgresql"]
    """Where everything is kept."""
    public_url: str | None
    """How clients reach the server; null = at the address of the request."""
    limits: Limits
    recording: bool
    """Calls are recorded, except where the assistant or the law says otherwise."""
    allow_private_addresses: bool
    """Webhooks and tools may reach private networks."""
    provider_keys: list[str]
    """Vendors that the deployment has keys of; those of an organization's own are under `/byok`."""


class Destination(TypedDict):
    """Somebody to whom a call can be handed."""

    type: NotRequired[Literal["number"]]
    number: str
    """E.164, or a SIP URI."""
    description: str
    """Tells the model when to choose this destination."""
    message: NotRequired[str | None]
    """Spoken before transferring."""
    mode: NotRequired[Literal["blind", "bridge", "warm"]]
    """blind: the line hands the caller over, and where it can't, as bridge; bridge: both are connected through this
    server; warm: as bridge, once the human has heard a summary and takes the call. Ours.
    """


class DnsRecord(TypedDict):
    """A DNS record that the domain needs."""

    record: str
    """What it is for."""
    name: str
    """Its name, below the domain."""
    type: str
    """Its type."""
    ttl: str
    """How long it may be cached."""
    status: str
    """What Resend found when it last looked."""
    value: str
    """Its value."""
    priority: NotRequired[int | None]
    """Of an MX record; absent for others."""


class DomainCreate(TypedDict):
    """The domain to send mail from."""

    domain_name: str
    """Best a subdomain of its own. Letters beyond ASCII are stored in their IDNA form."""


class DomainObject(TypedDict):
    """The domain from which an organization's mail is sent."""

    id: str
    """Its id here."""
    org_id: str
    """Whose it is."""
    domain_name: str
    """The domain, in ASCII."""
    resend_domain_id: str | None
    """Its id at Resend."""
    status: str
    """As Resend tells it: `not_started`, `pending`, `verified`, `failed`, `temporary_failure`, `partially_verified`
    and others.
    """
    region: str
    """From where the mail is sent."""
    records: list[DnsRecord] | None
    """The DNS records to set, each with what Resend found."""
    created_at: str
    """When it was added."""
    updated_at: str
    """When anything of it last changed."""
    verified_at: str | None
    """When it was first seen verified."""


class DomainSync(TypedDict):
    """Which domain of your Resend account to use."""

    resendDomainId: str
    """Its id at Resend, as `GET /domains/sync` lists it."""


class EndCallCommand(TypedDict):
    """Stop what is being said, say goodbye, and hang up."""

    type: Literal["end-call"]
    message: NotRequired[str | None]
    """Spoken first; absent = hang up at once."""


EndCallConfig: TypeAlias = "dict[str, Any]"
"""`tool_config` of a tool that hangs up: empty."""


class EndCallTool(TypedDict):
    """Lets the assistant hang up."""

    type: Literal["end_call", "endCall"]
    """Which tool it is; both spellings mean the same."""


class EraseRequest(TypedDict):
    """Whose traces are to be erased."""

    phone_number: str
    """The caller's number in E.164 form, or the SIP URI that calls show as `caller_phone`. Spaces, dashes and a
    leading 00 are taken too.
    """


class ErasureCounts(TypedDict):
    """What was erased so far."""

    calls: int
    """Calls that were emptied; their rows remain, without caller."""
    messages: int
    """Messages of their transcripts."""
    recordings: int
    """Recordings; the files go within seconds."""
    webhook_deliveries: int
    """Deliveries, those on their way among them."""
    emails: int
    """Reports by e-mail that were not sent yet."""
    chat_messages: int
    """Chat messages with the caller, or that name the number."""


class ErasureObject(TypedDict):
    """The erasure of one caller."""

    id: str
    """The erasure's id."""
    status: Literal["running", "done"]
    """done: nothing of the caller was left."""
    phone_number: str
    """The number, masked: it is forgotten too."""
    counts: ErasureCounts
    created_at: str
    """When it was asked for."""
    finished_at: str | None
    """When it was done; null before."""


FlatTool = TypedDict(
    "FlatTool",
    {
        "url": "NotRequired[str | None]",
        "server": "NotRequired[ToolServer | None]",
        "method": "NotRequired[Literal['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] | None]",
        "headers": "NotRequired[dict[str, str] | None]",
        "query": "NotRequired[dict[str, str | float | bool | list[str | bool]] | None]",
        "body": "NotRequired[dict[str, Any] | list[Any] | None]",
        "async": "NotRequired[bool]",
        "message": "NotRequired[str | None]",
        "async_response": "NotRequired[str | None]",
        "type": "NotRequired[Literal['function'] | None]",
        "name": "str",
        "description": "str",
        "parameters": "NotRequired[FlatToolParameters0 | None]",
    },
)
"""A webhook."""


class FlatToolParameters0(TypedDict):
    type: NotRequired[Literal["object"]]


class ForwardingObject(TypedDict):
    """Somebody who was called first, and whose telephone sent the call on."""

    number: str | None
    """Who was called, in E.164; null where that is withheld, no number, or no longer kept."""
    reason: str
    """Why the call was sent on: user-busy, no-answer, unavailable, unconditional, time-of-day, do-not-disturb,
    deflection, follow-me, out-of-service, away or unknown. More may be added.
    """


class Function(TypedDict):
    """What the model is told of a tool."""

    name: str
    """What the model calls it."""
    description: NotRequired[str | None]
    """Tells the model what it does and when to use it."""
    parameters: NotRequired[FunctionParameters0 | None]
    """JSON Schema of the arguments."""


FunctionConfig = TypedDict(
    "FunctionConfig",
    {
        "url": "NotRequired[str | None]",
        "server": "NotRequired[ToolServer | None]",
        "method": "NotRequired[Literal['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] | None]",
        "headers": "NotRequired[dict[str, str] | None]",
        "query": "NotRequired[dict[str, str | float | bool | list[str | bool]] | None]",
        "body": "NotRequired[dict[str, Any] | list[Any] | None]",
        "async": "NotRequired[bool]",
        "message": "NotRequired[str | None]",
        "async_response": "NotRequired[str | None]",
        "name": "NotRequired[str | None]",
        "description": "NotRequired[str | None]",
        "parameters": "NotRequired[FunctionConfigParameters0 | None]",
    },
)
"""`tool_config` of a webhook."""


class FunctionConfigParameters0(TypedDict):
    type: NotRequired[Literal["object"]]


class FunctionDefinition(TypedDict):
    """Older shape of a function."""

    name: NotRequired[str | None]
    """The function's name."""
    description: NotRequired[str | None]
    """Tells the model when to call it."""
    parameters: NotRequired[FunctionDefinitionParameters0 | None]
    """JSON Schema of the arguments."""


class FunctionDefinitionParameters0(TypedDict):
    type: NotRequired[Literal["object"]]


class FunctionParameters0(TypedDict):
    type: NotRequired[Literal["object"]]


class GetOrganizationQuery(TypedDict):
    include_children: NotRequired[bool]
    """Also list the organizations directly below."""


class Health(TypedDict):
    """Whether this process is fit to serve."""

    status: Literal["ok", "error"]
    """error: one of the checks failed."""
    timestamp: str
    """When it was looked at."""
    version: str
    """The server's version."""
    checks: Checks


class InjectContextCommand(TypedDict):
    """Tell the model something that the caller does not hear."""

    type: Literal["inject-context"]
    content: str
    """What the model is told."""
    trigger_response: bool
    """Have the model answer at once, as soon as nobody speaks. With false, its next answer knows it."""


class KeyChangeAnswer(TypedDict):
    """The keys after the change."""

    byok_keys: KeyIds
    """One field per vendor."""
    success: bool
    """Always true."""


class KeyIds(TypedDict):
    """Which vendors' keys are stored."""

    deepgram_secret_id: str | None
    """Id of the stored Deepgram key; null = none. Never the key itself."""
    openai_secret_id: str | None
    """Id of the stored OpenAI key; null = none. Never the key itself."""
    elevenlabs_secret_id: str | None
    """Id of the stored ElevenLabs key; null = none. Never the key itself."""
    inworld_secret_id: str | None
    """Id of the stored Inworld key; null = none. Never the key itself."""
    resend_secret_id: str | None
    """Id of the stored Resend key; null = none. Never the key itself."""
    xai_secret_id: str | None
    """Id of the stored xAI key; null = none. Never the key itself."""
    gladia_secret_id: str | None
    """Id of the stored Gladia key; null = none. Never the key itself."""
    mistral_secret_id: str | None
    """Id of the stored Mistral key; null = none. Never the key itself."""
    google_secret_id: str | None
    """Id of the stored Google AI Studio key; null = none. Never the key itself."""
    google_vertex_secret_id: str | None
    """Id of the stored Google Vertex AI key; null = none. Never the key itself."""
    twilio_secret_id: str | None
    """Id of the stored Twilio key; null = none. Never the key itself."""
    signalwire_secret_id: str | None
    """Id of the stored SignalWire key; null = none. Never the key itself."""
    telnyx_secret_id: str | None
    """Id of the stored Telnyx key; null = none. Never the key itself."""
    plivo_secret_id: str | None
    """Id of the stored Plivo key; null = none. Never the key itself."""
    vonage_secret_id: str | None
    """Id of the stored Vonage key; null = none. Never the key itself."""


class KeypadConfig(TypedDict):
    """How the caller's keys are gathered. What was entered is a message of the caller, such as `(pressed 1 2)`."""

    terminator: NotRequired[Literal["#", "*"] | None]
    """The key that ends the digits before it; null = none does."""
    timeout_seconds: NotRequired[float]
    """Seconds after the last key that end the digits."""
    max_digits: NotRequired[int]
    """So many digits are an entry without further waiting."""
    interrupts: NotRequired[bool]
    """An entry interrupts the assistant; else it waits until the assistant has finished."""


class KeyRemoval(TypedDict):
    """The vendor whose key is to be removed."""

    provider: Literal[
        "deepgram",
        "openai",
        "elevenlabs",
        "inworld",
        "resend",
        "xai",
        "gladia",
        "mistral",
        "google",
        "google_vertex",
        "twilio",
        "signalwire",
        "telnyx",
        "plivo",
        "vonage",
    ]
    """The vendor's id."""


class KeyUpsert(TypedDict):
    """A key to be stored, or to replace the stored one. It is first tried by the next call that needs it."""

    provider: Literal[
        "deepgram",
        "openai",
        "elevenlabs",
        "inworld",
        "resend",
        "xai",
        "gladia",
        "mistral",
        "google",
        "google_vertex",
        "twilio",
        "signalwire",
        "telnyx",
        "plivo",
        "vonage",
    ]
    """The vendor's id."""
    api_key: str
    """The key as the vendor gave it; for `google_vertex` the service account's JSON, for `vonage` the application's
    private key in PEM. Never shown again.
    """


class Limits(TypedDict):
    """How much is allowed."""

    requests_per_minute: int | None
    """Of one API key; null = no limit."""
    control_commands_per_minute: int | None
    """For one live call; null = no limit."""
    max_calls: int
    """Live calls that one process takes."""
    max_body_bytes: int
    """Size of the largest request body."""
    recording_url_seconds: int
    """How long a call's `recording_url` works."""


class ListAnalysisTemplatesQuery(TypedDict):
    limit: NotRequired[int | None]
    """Templates to answer; absent = all of them."""
    offset: NotRequired[int]
    """Templates to skip, the newest first."""


class ListAuditLogQuery(TypedDict):
    limit: NotRequired[int]
    """How many to show at most."""
    offset: NotRequired[int]
    """How many of the newest to skip."""


class ListCallsQuery(TypedDict):
    status: NotRequired[str | None]
    """Only calls of this status."""
    assistant_id: NotRequired[str | None]
    """Only calls of this assistant."""
    agent_id: NotRequired[str | None]
    """The older name of `assistant_id`."""
    number_id: NotRequired[str | None]
    """Only calls of this phone number."""
    direction: NotRequired[str | None]
    """Only `inbound`, `outbound` or `web` calls."""
    start_date: NotRequired[str | None]
    """Only calls created at or after this: a date, or an ISO 8601 date-time (UTC where it has no zone)."""
    end_date: NotRequired[str | None]
    """Only calls created at or before this; a date without a time includes that whole day."""
    limit: NotRequired[int]
    """How many to show at most."""
    offset: NotRequired[int]
    """How many of the newest to skip."""
    cursor: NotRequired[str | None]
    """Instead of `offset`, for pages that do not shift while new calls come in. Empty for the first page, then the
    `next_cursor` of the page before, with the same filters, until that is null.
    """


class ListUsageQuery(TypedDict):
    start_date: NotRequired[str | None]
    """Only calls created at or after this: a date, or an ISO 8601 date-time (UTC where it has no zone)."""
    end_date: NotRequired[str | None]
    """Only calls created at or before this; a date without a time includes that whole day."""
    limit: NotRequired[int]
    """How many to show at most."""
    offset: NotRequired[int]
    """How many of the newest to skip."""
    cursor: NotRequired[str | None]
    """Instead of `offset`, for pages that do not shift while new calls come in. Empty for the first page, then the
    `next_cursor` of the page before, with the same filters, until that is null.
    """


class ListWebhookDeliveriesQuery(TypedDict):
    call_id: NotRequired[str | None]
    """Only those of this call."""
    event: NotRequired[str | None]
    """Only this event."""
    status: NotRequired[Literal["waiting", "delivered", "failed"] | None]
    """Only deliveries of this status."""
    limit: NotRequired[int]
    """How many to show at most."""
    offset: NotRequired[int]
    """How many of the newest to skip."""


LlmConfig: TypeAlias = "LlmConfigOpenAI | LlmConfigXAIGrokText | LlmConfigMistral | LlmConfigGoogleGeminiVertexAIEU | LlmConfigGoogleGeminiLive | LlmConfigXAIGrokRealtime | LlmConfigOpenAIGPTLive | LlmConfigScriptedDemoModelOfThisServer"


class LlmConfigGoogleGeminiLive(TypedDict):
    provider: Literal["google_realtime"]
    """The vendor."""
    model: Literal[
        "gemini-live-2.5-flash-native-audio",
        "gemini-2.5-flash-native-audio-preview-12-2025",
        "gemini-3.1-flash-live-preview",
        "gemini-3.8-live",
    ]
    """The vendor's model. Should not be chosen any more: gemini-2.5-flash-native-audio-preview-12-2025."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    vertexai: NotRequired[bool]
    """Use Google's Vertex AI, in the location given."""
    location: NotRequired[str]
    """Where Vertex AI runs the model."""
    analysis_model: NotRequired[str]
    """Older name of `postcall_llm`."""
    max_output_tokens: NotRequired[int]
    """Longest answer, in tokens."""
    voice: NotRequired[
        Literal[
            "Puck",
            "Achernar",
            "Achird",
            "Algenib",
            "Algieba",
            "Alnilam",
            "Aoede",
            "Autonoe",
            "Callirrhoe",
            "Charon",
            "Despina",
            "Enceladus",
            "Erinome",
            "Fenrir",
            "Gacrux",
            "Iapetus",
            "Kore",
            "Laomedeia",
            "Leda",
            "Orus",
            "Pulcherrima",
            "Rasalgethi",
            "Sadachbia",
            "Sadaltager",
            "Schedar",
            "Sulafat",
            "Umbriel",
            "Vindemiatrix",
            "Zephyr",
            "Zubenelgenubi",
        ]
    ]
    """The voice of a model that speaks by itself."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigGoogleGeminiVertexAIEU(TypedDict):
    provider: Literal["google"]
    """The vendor."""
    model: Literal["gemini-3.5-flash-lite", "gemini-3.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-flash"]
    """The vendor's model."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    max_completion_tokens: NotRequired[int]
    """Longest answer, in tokens."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigMistral(TypedDict):
    provider: Literal["mistral"]
    """The vendor."""
    model: Literal[
        "mistral-medium-latest",
        "mistral-small-latest",
        "mistral-large-latest",
        "ministral-8b-latest",
        "ministral-14b-latest",
        "ministral-3b-latest",
    ]
    """The vendor's model."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigOpenAI(TypedDict):
    provider: Literal["openai"]
    """The vendor."""
    model: Literal[
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-5.4-nano",
        "gpt-5.2",
        "gpt-5.1",
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-nano",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "gpt-5.6-luna",
        "gpt-5.6-terra",
        "gpt-5.6-sol",
        "gpt-4o-mini",
    ]
    """The vendor's model. Should not be chosen any more: gpt-5-nano, gpt-4.1-nano, gpt-4o-mini."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    max_completion_tokens: NotRequired[int]
    """Longest answer, in tokens."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigOpenAIGPTLive(TypedDict):
    provider: Literal["openai_live"]
    """The vendor."""
    model: Literal["gpt-live-1"]
    """The vendor's model."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    delegation: NotRequired[LlmConfigOpenAIGPTLiveDelegation]
    """The model that does what the speaking one hands on."""
    voice: NotRequired[Literal["marin", "beacon", "cinder", "stone", "vesper"]]
    """The voice of a model that speaks by itself."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigOpenAIGPTLiveDelegation(TypedDict):
    """The model that does what the speaking one hands on."""

    model: NotRequired[Literal["gpt-5.6-luna"]]
    """The vendor's model."""
    instructions: NotRequired[str]
    """What the model is told to do, or how a text is to be spoken."""


class LlmConfigScriptedDemoModelOfThisServer(TypedDict):
    provider: Literal["local"]
    """The vendor."""
    model: Literal["demo"]
    """The vendor's model."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigXAIGrokRealtime(TypedDict):
    provider: Literal["xai_realtime"]
    """The vendor."""
    model: Literal["grok-voice-think-fast-2.0"]
    """The vendor's model."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    turn_detection: NotRequired[LlmConfigXAIGrokRealtimeTurnDetection]
    """How the vendor finds the end of the caller's turn."""
    reasoning_effort: NotRequired[Literal["none", "high"]]
    """How much the model thinks before it answers."""
    speed: NotRequired[float]
    """How fast it speaks; 1 = normal."""
    transcription: NotRequired[LlmConfigXAIGrokRealtimeTranscription]
    """How the caller's speech is written down."""
    provider_tools: NotRequired[list[LlmConfigXAIGrokRealtimeProviderToolsItem]]
    """Tools that the vendor runs itself."""
    voice: NotRequired[
        Literal[
            "ara",
            "eve",
            "leo",
            "rex",
            "sal",
            "altair",
            "atlas",
            "carina",
            "castor",
            "celeste",
            "cosmo",
            "helios",
            "helix",
            "iris",
            "kepler",
            "lumen",
            "luna",
            "lux",
            "naksh",
            "orion",
            "perseus",
            "rigel",
            "sirius",
            "ursa",
            "zagan",
            "zenith",
        ]
    ]
    """The voice of a model that speaks by itself."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class LlmConfigXAIGrokRealtimeProviderToolsItem(TypedDict):
    type: Literal["web_search", "x_search", "file_search"]
    """Which of the vendor's tools."""
    allowed_x_handles: NotRequired[list[str]]
    """Accounts on X to which a search is limited."""
    vector_store_ids: NotRequired[list[str]]
    """Collections of documents that are searched."""
    max_num_results: NotRequired[float]
    """The most results of a search."""


class LlmConfigXAIGrokRealtimeTranscription(TypedDict):
    """How the caller's speech is written down."""

    language_hint: NotRequired[str]
    """The language to expect."""
    keyterms: NotRequired[list[str]]
    """Words that are to be expected, such as names."""


class LlmConfigXAIGrokRealtimeTurnDetection(TypedDict):
    """How the vendor finds the end of the caller's turn."""

    threshold: NotRequired[float]
    """How sure the vendor must be that it hears speech. Moved into 0 to 1."""
    prefix_padding_ms: NotRequired[float]
    """Milliseconds of audio kept from before the speech. Moved into 0 to 2000."""
    silence_duration_ms: NotRequired[float]
    """Milliseconds of silence that end a turn. Moved into 100 to 2000."""
    idle_timeout_ms: NotRequired[float]
    """Milliseconds of silence after which the model speaks up. Moved into 0 to 30000."""


class LlmConfigXAIGrokText(TypedDict):
    provider: Literal["xai"]
    """The vendor."""
    model: Literal["grok-4.3"]
    """The vendor's model."""
    temperature: NotRequired[float]
    """How freely the model chooses its words; 0 = least."""
    messages: NotRequired[list[PromptMessage]]
    """The prompt: system messages, and an opening of the conversation."""
    tools: NotRequired[list[Tool]]
    """What the assistant may do."""


class McpTool(TypedDict):
    """Tools of a registered MCP server."""

    type: Literal["mcp"]
    mcp_server_id: str
    """The server's id."""
    allowed_tools: list[str]
    """Names of the server's tools that the assistant may use."""
    required: NotRequired[bool]
    """Refuse the call where the server can't be reached."""


NestedTool = TypedDict(
    "NestedTool",
    {
        "url": "NotRequired[str | None]",
        "server": "NotRequired[ToolServer | None]",
        "method": "NotRequired[Literal['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] | None]",
        "headers": "NotRequired[dict[str, str] | None]",
        "query": "NotRequired[dict[str, str | float | bool | list[str | bool]] | None]",
        "body": "NotRequired[dict[str, Any] | list[Any] | None]",
        "async": "NotRequired[bool]",
        "message": "NotRequired[str | None]",
        "async_response": "NotRequired[str | None]",
        "type": "Literal['function']",
        "function": "Function",
    },
)
"""A webhook, in the shape of OpenAI's chat API."""


class NewApiKeyObject(TypedDict):
    """An API key just made."""

    id: str
    """The key's UUID."""
    name: str | None
    """What the key is for."""
    prefix: str
    """The key's beginning, to tell keys apart."""
    created_at: str
    """When the key was made."""
    expires_at: str | None
    """When the key stops working; null = never."""
    last_used_at: str | None
    """When a request last showed the key, up to a minute behind; null = not yet."""
    revoked_at: str | None
    """When the key was revoked; null = it was not."""
    from_settings: bool
    """The key comes from the server's setting DIALTONE_API_KEY."""
    current: bool
    """This request shows the key."""
    key: str
    """The key itself. It is shown only now: the server keeps no more than a hash."""


class NumberCreate(TypedDict):
    """A number to register. Only `phone_number` is required."""

    name: NotRequired[str | None]
    """What people call the number."""
    agent_id: NotRequired[str | None]
    """The assistant that answers; null = nobody does."""
    assistant_id: NotRequired[str | None]
    """The same as `agent_id`; where both are given and one is new, that one counts."""
    transfer_trunk_id: NotRequired[str | None]
    """The SIP trunk of the number's transfers and outbound calls; null = the newest one."""
    carrier: NotRequired[Literal["twilio", "signalwire", "telnyx", "plivo", "vonage"] | None]
    """The carrier whose media streams carry the number's calls, with your account there (`POST /byok` and `POST
    /byok/config`); null = SIP trunks do.
    """
    workflow_id: NotRequired[None]
    """Always null: there are no workflows."""
    is_active: NotRequired[bool]
    """An inactive number takes and places no calls."""
    phone_number: str
    """E.164. Spaces, dashes and a leading 00 are taken too."""


class NumberObject(TypedDict):
    """A phone number."""

    name: str | None
    """What people call the number."""
    agent_id: str | None
    """The assistant that answers; null = nobody does."""
    assistant_id: str | None
    """The same as `agent_id`; where both are given and one is new, that one counts."""
    transfer_trunk_id: str | None
    """The SIP trunk of the number's transfers and outbound calls; null = the newest one."""
    carrier: Literal["twilio", "signalwire", "telnyx", "plivo", "vonage"] | None
    """The carrier whose media streams carry the number's calls, with your account there (`POST /byok` and `POST
    /byok/config`); null = SIP trunks do.
    """
    workflow_id: None
    """Always null: there are no workflows."""
    is_active: bool
    """An inactive number takes and places no calls."""
    id: str
    """The number's id."""
    phone_number: str
    """E.164."""
    agent_name: str | None
    """The assistant's name."""
    assistant_name: str | None
    """The same as `agent_name`."""
    business_name: str | None
    """The assistant's business name."""
    carrier_url: str | None
    """Where the carrier is to send the number's calls: its voice URL. Null without a carrier, and where this
    deployment does not know its own address (`DIALTONE_PUBLIC_URL`).
    """
    transfer_trunk_name: str | None
    """The trunk's name."""
    workflow_name: str | None
    """Always null: there are no workflows."""
    source: str | None
    """Null: the organization brought the number itself."""
    created_at: str
    """When the number was registered."""
    updated_at: str
    """When the number was last changed."""


class NumberUpdate(TypedDict):
    """Changes to a number: absent = unchanged, null = cleared. The phone number itself stays."""

    name: NotRequired[str | None]
    """What people call the number."""
    agent_id: NotRequired[str | None]
    """The assistant that answers; null = nobody does."""
    assistant_id: NotRequired[str | None]
    """The same as `agent_id`; where both are given and one is new, that one counts."""
    transfer_trunk_id: NotRequired[str | None]
    """The SIP trunk of the number's transfers and outbound calls; null = the newest one."""
    carrier: NotRequired[Literal["twilio", "signalwire", "telnyx", "plivo", "vonage"] | None]
    """The carrier whose media streams carry the number's calls, with your account there (`POST /byok` and `POST
    /byok/config`); null = SIP trunks do.
    """
    workflow_id: NotRequired[None]
    """Always null: there are no workflows."""
    is_active: NotRequired[bool]
    """An inactive number takes and places no calls."""


class OrganizationCreate(TypedDict):
    """A new organization, with an API key of its own."""

    name: str
    """The organization's name."""
    parent_org_id: NotRequired[str | None]
    """The organization it goes below, whose minutes its calls use: yours, or one below yours. Absent or null: a top-
    level organization, which only the deployment's first organization may make.
    """


class OrganizationCreated(TypedDict):
    """The new organization. Its API key is shown only now."""

    id: str
    """The organization's id."""
    name: str
    """The organization's name."""
    parent_org_id: str | None
    """The organization above; null = none."""
    api_key: str
    """Its first API key, shown only now."""
    created_at: str
    """When it was made."""


class OrganizationObject(TypedDict):
    """Your organization."""

    content_retention_days: Literal[30, 90, 180, 365] | None
    """Days until a call's transcript, summary, analysis and recording are deleted; at most
    `metadata_retention_days`. Null until it is set: kept.
    """
    metadata_retention_days: Literal[30, 90, 180, 365, 730] | None
    """Days until a call's caller, `metadata` and events are deleted. Null until it is set: kept."""
    webhook_url: str | None
    """The account's own webhook, for calls whose assistant names none; null = none."""
    webhook_secret: str | None
    """Signs the account's webhook. Reads back masked; the mask sent back means unchanged, null clears."""
    id: str
    """The organization's id."""
    name: str
    """The organization's name."""
    minutes_balance: float
    """Minutes that calls may still use; below zero they are owed. An organization below another one shows and uses
    the balance of the top-level organization above it.
    """
    monthly_usage_minutes: float
    """Minutes of calls in this calendar month (UTC)."""
    active_numbers: int
    """Phone numbers that are active."""
    active_agents: int
    """Assistants that are active."""
    active_calls: int
    """Calls that run now."""
    has_local_models_access: bool
    """May assistants use the speech models of this server? Always true."""
    parent_org_id: str | None
    """The organization above; null = none."""
    children: NotRequired[list[Child] | None]
    """The organizations directly below, newest first; only with `include_children`."""


class OrganizationUpdate(TypedDict):
    """Both retention periods, or only webhook fields. Absent fields stay as they are."""

    content_retention_days: NotRequired[Literal[30, 90, 180, 365] | None]
    """Days until a call's transcript, summary, analysis and recording are deleted; at most
    `metadata_retention_days`. Null until it is set: kept.
    """
    metadata_retention_days: NotRequired[Literal[30, 90, 180, 365, 730] | None]
    """Days until a call's caller, `metadata` and events are deleted. Null until it is set: kept."""
    webhook_url: NotRequired[str | None]
    """The account's own webhook, for calls whose assistant names none; null = none."""
    webhook_secret: NotRequired[str | None]
    """Signs the account's webhook. Reads back masked; the mask sent back means unchanged, null clears."""


class OrganizationUpdated(TypedDict):
    """The organization's settings after the change."""

    content_retention_days: Literal[30, 90, 180, 365] | None
    """Days until a call's transcript, summary, analysis and recording are deleted; at most
    `metadata_retention_days`. Null until it is set: kept.
    """
    metadata_retention_days: Literal[30, 90, 180, 365, 730] | None
    """Days until a call's caller, `metadata` and events are deleted. Null until it is set: kept."""
    webhook_url: str | None
    """The account's own webhook, for calls whose assistant names none; null = none."""
    webhook_secret: str | None
    """Signs the account's webhook. Reads back masked; the mask sent back means unchanged, null clears."""


class OutboundCallCreated(TypedDict):
    success: bool
    """The call is being placed."""
    call_id: str
    """Opaque. `GET /calls/{id}` tells how the call goes on."""
    status: Literal["dialing"]
    """Always dialing in this answer."""
    room_name: str
    """The same as on the call."""


class OutboundCallRequest(TypedDict):
    """Whom to call, and which assistant speaks: exactly one of `assistant_id`, `assistant_id` with
    `assistant_override`, and `assistant`.
    """

    assistant_id: NotRequired[str | None]
    """A stored assistant. `agent_id` is the older name."""
    assistant_override: NotRequired[AssistantOverride | None]
    """With `assistant_id`: top-level fields that replace the assistant's own in this call. `agent_config` is the
    older name.
    """
    assistant: NotRequired[TransientAssistant | None]
    """Instead of `assistant_id`: a whole assistant, for this call only. `agent` is the older name."""
    variables: NotRequired[dict[str, str]]
    """Texts for `{{name}}` placeholders."""
    metadata: NotRequired[dict[str, Any] | None]
    """Comes back on the call."""
    destination: str
    """Whom to call: a number in E.164 form, or a SIP URI. Spaces, dashes and a leading 00 are taken too."""
    number_id: NotRequired[str | None]
    """Which of your numbers to call from; absent = one that can place calls."""
    first_message: NotRequired[str | None]
    """Said when the call is answered, in place of the assistant's own. May hold `{{name}}` placeholders. Empty = the
    assistant waits for the other side to speak.
    """


class Pagination(TypedDict):
    """Which part of a list this is."""

    total: int
    """How many there are on all pages."""
    limit: int
    """How many this page shows at most."""
    offset: int
    """How many were skipped; 0 where `cursor` was given."""
    next_cursor: NotRequired[str | None]
    """Only where `cursor` was given: the next page's, or null on the last page."""


PostCallLlm: TypeAlias = "PostCallLlmOpenAI | PostCallLlmXAI | PostCallLlmMistral | PostCallLlmGoogle | PostCallLlmScriptedDemoModelOfThisServer"


class PostCallLlmGoogle(TypedDict):
    provider: Literal["google"]
    """The vendor."""
    model: Literal["gemini-3.5-flash-lite", "gemini-3.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-flash"]
    """The vendor's model."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""


class PostCallLlmMistral(TypedDict):
    provider: Literal["mistral"]
    """The vendor."""
    model: Literal[
        "mistral-medium-latest",
        "mistral-small-latest",
        "mistral-large-latest",
        "ministral-8b-latest",
        "ministral-14b-latest",
        "ministral-3b-latest",
    ]
    """The vendor's model."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""


class PostCallLlmOpenAI(TypedDict):
    provider: Literal["openai"]
    """The vendor."""
    model: Literal[
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-5.4-nano",
        "gpt-5.2",
        "gpt-5.1",
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-nano",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "gpt-5.6-luna",
        "gpt-5.6-terra",
        "gpt-5.6-sol",
        "gpt-4o-mini",
    ]
    """The vendor's model. Should not be chosen any more: gpt-5-nano, gpt-4.1-nano, gpt-4o-mini."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""


class PostCallLlmScriptedDemoModelOfThisServer(TypedDict):
    provider: Literal["local"]
    """The vendor."""
    model: Literal["demo"]
    """The vendor's model."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""


class PostCallLlmXAI(TypedDict):
    provider: Literal["xai"]
    """The vendor."""
    model: Literal["grok-4.3"]
    """The vendor's model."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""


PostCallStt: TypeAlias = "PostCallSttElevenLabsScribe | PostCallSttDeepgram"


class PostCallSttDeepgram(TypedDict):
    provider: Literal["deepgram"]
    """The vendor."""
    model: Literal["nova-3", "nova-3-general"]
    """The vendor's model."""
    language: NotRequired[
        Literal[
            "multi",
            "nl",
            "en",
            "de",
            "fr",
            "es",
            "it",
            "pt",
            "pl",
            "ru",
            "ja",
            "ko",
            "zh",
            "ar",
            "hi",
            "da",
            "sv",
            "no",
            "fi",
            "cs",
            "hu",
            "ro",
            "bg",
            "hr",
            "sk",
            "tr",
            "id",
            "vi",
        ]
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""


class PostCallSttElevenLabsScribe(TypedDict):
    provider: Literal["elevenlabs"]
    """The vendor."""
    model: Literal["scribe_v2"]
    """The vendor's model."""
    language: NotRequired[
        Literal[
            "multi",
            "nl",
            "en",
            "de",
            "fr",
            "es",
            "it",
            "pt",
            "pl",
            "ru",
            "ja",
            "ko",
            "zh",
            "ar",
            "hi",
            "da",
            "sv",
            "no",
            "fi",
            "cs",
            "hu",
            "ro",
            "bg",
            "hr",
            "sk",
            "tr",
            "id",
            "vi",
        ]
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""


class PromptMessage(TypedDict):
    """A message that a conversation begins with."""

    role: Literal["system", "user", "assistant"]
    """Who says it."""
    content: str
    """May hold {{name}} placeholders in system messages."""


Pronunciation = TypedDict(
    "Pronunciation",
    {
        "from": "str",
        "to": "str",
    },
)
"""A literal replacement in what is spoken. Not used by realtime models."""


class RecordingConsent(TypedDict):
    """Ask inbound callers before anything is recorded."""

    enabled: bool
    """Ask."""
    message: str
    """The question."""


class RegistrationObject(TypedDict):
    """How it goes with a trunk's registration at its provider."""

    state: Literal["pending", "registered", "failing"]
    """`pending`: no answer of the provider yet. While it is `failing` it is tried again."""
    since: str
    """When that began."""
    status: int | None
    """SIP status of the provider's answer; null before the first, and where none came."""
    reason: str | None
    """The same in words."""


class ResendDomainObject(TypedDict):
    """A domain of a Resend account."""

    id: str
    """Its id at Resend."""
    name: str
    """The domain."""
    status: str
    """As Resend tells it: `not_started`, `pending`, `verified`, `failed`, `temporary_failure`, `partially_verified`
    and others.
    """
    region: str
    """From where its mail is sent."""


class ResendDomainsAnswer(TypedDict):
    """The domains of the organization's Resend account."""

    domains: list[ResendDomainObject]
    """In Resend's order, at most 1000."""
    selected_domain_id: str | None
    """Resend's id of the organization's domain; null without one."""


class SayCommand(TypedDict):
    """Speak a text word for word, as soon as nobody speaks. The caller may interrupt it like any speech."""

    type: Literal["say"]
    content: str
    """What is spoken."""
    end_after: bool
    """Hang up afterwards. The text is then spoken to its end, whatever the caller does."""


class SendDtmfCommand(TypedDict):
    """Press keys on the line, after what the assistant is saying. Ours."""

    type: Literal["send-dtmf"]
    digits: str
    """0-9 * # A-D; w waits half a second, W a second, a comma two seconds."""


SendDtmfConfig: TypeAlias = "dict[str, Any]"
"""`tool_config` of a tool that presses keys: empty."""


class SendDtmfTool(TypedDict):
    """Lets the assistant press keys, for example to find its way through another telephone system's menu."""

    type: Literal["send_dtmf", "sendDtmf"]
    """Which tool it is; both spellings mean the same."""


class SilenceConfig(TypedDict):
    """What is said to a caller who says nothing, where `autonomous_silence_handling` is on."""

    messages: NotRequired[list[str]]
    """Spoken one after the other; without any, the language model finds words."""
    final_message: NotRequired[str | None]
    """Spoken before hanging up."""
    first_check_seconds: NotRequired[float | None]
    """Seconds of silence before the first message; absent = `silence_timeout_seconds`."""
    interval_seconds: NotRequired[float]
    """Seconds of silence between two messages."""
    max_attempts: NotRequired[int]
    """How many messages are spoken before hanging up."""


class SpeechConfig(TypedDict):
    """How the assistant speaks and listens, beyond the choice of vendors."""

    turn_taking: NotRequired[TurnTakingConfig | None]
    pronunciation: NotRequired[list[Pronunciation] | None]
    """Replacements in what is spoken, in this order."""
    background_audio: NotRequired[BackgroundAudio | None]
    """Sounds behind the voice; null = none."""
    silence: NotRequired[SilenceConfig | None]
    keypad: NotRequired[KeypadConfig | None]
    """How keys are gathered; null = by the defaults."""
    end_call_message: NotRequired[str | None]
    """Spoken before the assistant itself hangs up. Not used by realtime models."""
    first_message_outbound: NotRequired[str | None]
    """Replaces `first_message` on outbound calls."""
    early_message: NotRequired[str | None]
    """Spoken on inbound telephone calls before they are answered (early media), so that callers don't pay for it
    yet; null = no early media.
    """
    end_call_phrases: NotRequired[list[str] | None]
    """The call ends once the assistant has said one of these."""


class StructuredDataPlan(TypedDict):
    """Which data is found in a call."""

    enabled: NotRequired[bool]
    """Look for it."""
    schema: NotRequired[dict[str, Any] | None]
    """JSON Schema of the wanted data."""
    messages: NotRequired[list[AnalysisMessage] | None]
    """The prompt; null = a general one."""


SttConfig: TypeAlias = "SttConfigDeepgram | SttConfigElevenLabsScribe | SttConfigGladia | SttConfigMistralVoxtral | SttConfigGoogleCloudSpeechEU | SttConfigSpeechRecognitionOnThisServer"


class SttConfigDeepgram(TypedDict):
    provider: Literal["deepgram"]
    """The vendor."""
    model: Literal["nova-3", "nova-3-general"]
    """The vendor's model."""
    language: Literal[
        "multi",
        "nl",
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "pl",
        "ru",
        "ja",
        "ko",
        "zh",
        "ar",
        "hi",
        "da",
        "sv",
        "no",
        "fi",
        "cs",
        "hu",
        "ro",
        "bg",
        "hr",
        "sk",
        "tr",
        "id",
        "vi",
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""
    keyterms: NotRequired[list[str]]
    """Words that are to be expected, such as names."""
    smart_format: NotRequired[bool]
    """Write numbers, dates and the like as people write them."""
    endpointing: NotRequired[int | float]
    """Silence after which a text is final: milliseconds for Deepgram, seconds for Gladia."""
    numerals: NotRequired[bool]
    """Write numbers in digits."""
    filler_words: NotRequired[bool]
    """Keep words like 'uh'."""
    utterance_end_ms: NotRequired[int]
    """Milliseconds without words after which an utterance is over."""
    no_delay: NotRequired[bool]
    """Do not wait for more speech to format a text better."""


class SttConfigElevenLabsScribe(TypedDict):
    provider: Literal["elevenlabs"]
    """The vendor."""
    model: Literal["scribe_v2_realtime"]
    """The vendor's model."""
    language: Literal[
        "multi",
        "nl",
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "pl",
        "ru",
        "ja",
        "ko",
        "zh",
        "ar",
        "hi",
        "da",
        "sv",
        "no",
        "fi",
        "cs",
        "hu",
        "ro",
        "bg",
        "hr",
        "sk",
        "tr",
        "id",
        "vi",
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""
    tag_audio_events: NotRequired[bool]
    """Mark sounds such as laughter."""
    include_timestamps: NotRequired[bool]
    """Tell when each word was said."""
    sample_rate: NotRequired[Literal[16000, 8000]]
    """Samples a second."""


class SttConfigGladia(TypedDict):
    provider: Literal["gladia"]
    """The vendor."""
    model: Literal["solaria-1"]
    """The vendor's model."""
    language: Literal[
        "multi",
        "nl",
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "pl",
        "ru",
        "ja",
        "ko",
        "zh",
        "ar",
        "hi",
        "da",
        "sv",
        "no",
        "fi",
        "cs",
        "hu",
        "ro",
        "bg",
        "hr",
        "sk",
        "tr",
        "id",
        "vi",
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""
    languages: NotRequired[list[str]]
    """Languages that may be spoken."""
    code_switching: NotRequired[bool]
    """The language may change within a call."""
    region: NotRequired[Literal["eu-west", "us-west"]]
    """Where the vendor processes the audio."""
    endpointing: NotRequired[float | int]
    """Silence after which a text is final: milliseconds for Deepgram, seconds for Gladia."""
    custom_vocabulary: NotRequired[list[str]]
    """Words that are to be expected, such as names."""
    translation_enabled: NotRequired[bool]
    """Translate what was said."""
    translation_target_languages: NotRequired[list[str]]
    """Languages to translate into."""


class SttConfigGoogleCloudSpeechEU(TypedDict):
    provider: Literal["google"]
    """The vendor."""
    model: Literal["chirp_3"]
    """The vendor's model."""
    language: Literal[
        "multi",
        "nl",
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "pl",
        "ru",
        "ja",
        "ko",
        "zh",
        "ar",
        "hi",
        "da",
        "sv",
        "no",
        "fi",
        "cs",
        "hu",
        "ro",
        "bg",
        "hr",
        "sk",
        "tr",
        "id",
        "vi",
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""


class SttConfigMistralVoxtral(TypedDict):
    provider: Literal["mistral"]
    """The vendor."""
    model: Literal["voxtral-mini-latest"]
    """The vendor's model."""
    language: Literal[
        "multi",
        "nl",
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "pl",
        "ru",
        "ja",
        "ko",
        "zh",
        "ar",
        "hi",
        "da",
        "sv",
        "no",
        "fi",
        "cs",
        "hu",
        "ro",
        "bg",
        "hr",
        "sk",
        "tr",
        "id",
        "vi",
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""


class SttConfigSpeechRecognitionOnThisServer(TypedDict):
    provider: Literal["local"]
    """The vendor."""
    model: Literal["auto", "pocketsphinx", "sherpa-onnx"]
    """The vendor's model."""
    language: Literal[
        "multi",
        "nl",
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "pl",
        "ru",
        "ja",
        "ko",
        "zh",
        "ar",
        "hi",
        "da",
        "sv",
        "no",
        "fi",
        "cs",
        "hu",
        "ro",
        "bg",
        "hr",
        "sk",
        "tr",
        "id",
        "vi",
    ]
    """BCP 47 code of the language, as far as the vendor needs it."""
    keyterms: NotRequired[list[str]]
    """Words that are to be expected, such as names."""


class SuccessEvaluation(TypedDict):
    """Whether a call reached its aim, judged by a model. The verdict is `success_evaluation` of the call's analysis."""

    enabled: NotRequired[bool]
    """Judge it."""
    rubric: NotRequired[Literal["pass_fail", "numeric_scale", "percentage", "checklist"]]
    """The verdict's form: true or false, 1 to 10, 0 to 100, or each point of `prompt` met or not."""
    prompt: NotRequired[str | None]
    """What success means; null = the caller got what they called for."""


class SyncedAnswer(TypedDict):
    """The domain that was chosen."""

    domain: DomainObject
    """The domain."""
    message: Literal["Domain synced successfully from Resend"]
    """Always the same."""


Tool: TypeAlias = "FlatTool | NestedTool | EndCallTool | SendDtmfTool | TransferCallTool | McpTool"


class ToolServer(TypedDict):
    """Where a webhook tool sends its requests."""

    url: NotRequired[str | None]
    """The address."""
    secret: NotRequired[str | None]
    """Signs this tool's requests. Reads back masked; the mask sent back means unchanged."""


ToolTemplateConfig: TypeAlias = "FunctionConfig | TransferCallConfig | EndCallConfig | SendDtmfConfig"
"""What `tool_type` needs to know. Copied into an assistant's tools by whoever uses the template."""


ToolTemplateCreate = TypedDict(
    "ToolTemplateCreate",
    {
        "description": "NotRequired[str | None]",
        "tool_type": "NotRequired[Literal['function', 'end_call', 'transfer_call', 'send_dtmf']]",
        "tool_config": "NotRequired[ToolTemplateConfig]",
        "type": "NotRequired[Literal['function', 'end_call', 'transfer_call', 'send_dtmf'] | None]",
        "url": "NotRequired[str | None]",
        "parameters": "NotRequired[ToolTemplateCreateParameters0 | None]",
        "async": "NotRequired[bool]",
        "function_definition": "NotRequired[FunctionDefinition | None]",
        "server_url": "NotRequired[str | None]",
        "server_secret": "NotRequired[str | None]",
        "name": "str",
    },
)
"""A new tool template: `name`, `tool_type` and `tool_config` are required."""


class ToolTemplateCreateParameters0(TypedDict):
    type: NotRequired[Literal["object"]]


class ToolTemplateObject(TypedDict):
    """A tool to copy into assistants. Changing or deleting it leaves their copies alone."""

    id: str
    """The template's id."""
    org_id: str
    """The organization it belongs to."""
    name: str
    """Also the function's name, where `tool_config` gives none."""
    description: str | None
    """What people should know of the template."""
    tool_type: Literal["function", "end_call", "transfer_call", "send_dtmf"]
    """What the tool does: call a webhook, hang up, transfer, or press keys."""
    tool_config: ToolTemplateConfig
    """What that needs to know; a secret inside is masked."""
    created_at: str
    """When the template was made."""
    updated_at: str
    """When the template last changed."""


ToolTemplateUpdate = TypedDict(
    "ToolTemplateUpdate",
    {
        "description": "NotRequired[str | None]",
        "tool_type": "NotRequired[Literal['function', 'end_call', 'transfer_call', 'send_dtmf']]",
        "tool_config": "NotRequired[ToolTemplateConfig]",
        "type": "NotRequired[Literal['function', 'end_call', 'transfer_call', 'send_dtmf'] | None]",
        "url": "NotRequired[str | None]",
        "parameters": "NotRequired[ToolTemplateUpdateParameters0 | None]",
        "async": "NotRequired[bool]",
        "function_definition": "NotRequired[FunctionDefinition | None]",
        "server_url": "NotRequired[str | None]",
        "server_secret": "NotRequired[str | None]",
        "name": "NotRequired[str]",
    },
)
"""Changes to a tool template: absent = unchanged. Another `tool_type` without `tool_config` begins with an empty
one.
"""


class ToolTemplateUpdateParameters0(TypedDict):
    type: NotRequired[Literal["object"]]


class TransferCallConfig(TypedDict):
    """`tool_config` of a tool that hands the call to somebody else."""

    destinations: list[Destination]
    """Where the call can go."""


class TransferCallTool(TypedDict):
    """Lets the assistant hand the call to somebody else."""

    type: Literal["transfer_call", "transferCall"]
    """Which tool it is; both spellings mean the same."""
    destinations: list[Destination]
    """From which the model chooses."""


class TransferCommand(TypedDict):
    """Stop what is being said, announce the transfer, and hand the caller over. Where the transfer fails, the model
    is told why and the conversation goes on.
    """

    type: Literal["transfer"]
    destination: str
    """A number in E.164 form, or a SIP URI."""
    message: NotRequired[str | None]
    """Spoken first."""
    mode: NotRequired[Literal["blind", "bridge", "warm"]]
    """blind: the line hands the caller over, and where it can't, as bridge; bridge: both are connected through this
    server; warm: as bridge, once the human has heard a summary and takes the call. Ours.
    """


class TransientAssistant(TypedDict):
    """An assistant given whole for one call."""

    business_name: NotRequired[str | None]
    """For whom the assistant speaks."""
    notification_email: NotRequired[str | None]
    """Who gets mail about calls."""
    notification_emails: NotRequired[list[str] | None]
    """Who else gets mail about calls."""
    first_message: NotRequired[str | None]
    """Spoken when the call is answered."""
    is_active: NotRequired[bool]
    """Whether it takes calls."""
    max_duration_seconds: NotRequired[int | None]
    """Longest call; null = 3600."""
    autonomous_silence_handling: NotRequired[bool]
    """Speak to a silent caller, and hang up in the end."""
    silence_timeout_seconds: NotRequired[float]
    """Seconds of silence before a silent caller is first spoken to."""
    voicemail_detection: NotRequired[bool | None]
    """On outbound calls; null = false."""
    voicemail_message: NotRequired[str | None]
    """Left on a voicemail; null = none is left."""
    gdpr_mode: NotRequired[bool]
    """Keep nothing of a call's content."""
    recording_consent: NotRequired[RecordingConsent | None]
    webhook_url: NotRequired[str | None]
    """Where events are sent."""
    webhook_secret: NotRequired[str | None]
    """Signs webhooks. Reads back masked; the mask sent back means unchanged."""
    webhook_events: NotRequired[list[str] | None]
    """Which events are sent: assistant-request, tool-calls, status-update, end-of-call-report; null = all."""
    analysis_plan: NotRequired[AnalysisPlan | None]
    stt_config: NotRequired[SttConfig | None]
    """Absent or null = the deployment's default; a realtime model needs none."""
    llm_config: LlmConfig
    """The language model, its prompt and its tools."""
    tts_config: NotRequired[TtsConfig | None]
    """Absent or null = the deployment's default; always null with a realtime model."""
    speech_config: NotRequired[SpeechConfig | None]
    postcall_stt: NotRequired[PostCallStt | None]
    """Transcribes a realtime call's recording."""
    postcall_llm: NotRequired[PostCallLlm | None]
    """Null = the default of the assistant's own vendor."""
    name: NotRequired[str]
    """What you call it."""
    metadata: NotRequired[dict[str, Any] | None]
    """Comes back in the call's webhooks."""


class TrunkAnswer(TypedDict):
    trunk: TrunkObject
    """The trunk."""
    sip_trunk: TrunkObject
    """The same, by its older name."""


class TrunkCreate(TypedDict):
    """A new trunk: `name`, `provider` and `address` are required."""

    provider: NotRequired[str | None]
    """Who runs the trunk; required beside `address`."""
    address: NotRequired[str]
    """Host name or IP address of the provider's SIP server, with or without a port. Required."""
    transport: NotRequired[Literal["udp", "tcp", "tls"]]
    """How SIP messages travel."""
    auth_username: NotRequired[str | None]
    """User name for digest authentication. Without `auth_password` the server logs in nowhere."""
    inbound_addresses: NotRequired[list[str] | None]
    """IP addresses and networks that the provider calls from, beside those of `address`. No network may be wider
    than /16 (IPv6: /32).
    """
    outbound_number: NotRequired[str | None]
    """The caller number that calls through the trunk show, in place of that of the number they are placed from: for
    providers that take no other. Also the number that was called where a call comes in over the trunk's
    registration and names none.
    """
    register: NotRequired[bool]
    """Whether the server registers at `address` (SIP REGISTER), for providers that send calls only to who is
    registered. Needs `auth_username` and `auth_password`. Ours.
    """
    register_expires: NotRequired[int]
    """Seconds that a registration is asked for; it is renewed in time. Ours."""
    priority: NotRequired[int]
    """Which trunk calls go out through: the lowest first, and of equals the newest. Where it fails the next one is
    tried. Ours.
    """
    max_channels: NotRequired[int | None]
    """How many calls the trunk carries at a time, in and out together; null = as many as come. Ours."""
    max_calls_per_second: NotRequired[float | None]
    """How many calls may be begun through the trunk in a second; null = as many as come. A call waits up to 3 s for
    its turn. Ours.
    """
    country_code: NotRequired[str | None]
    """Calling code of the country whose national numbers the trunk's calls show, like `31`; null = only
    international forms are understood. Ours.
    """
    national_prefix: NotRequired[str]
    """What stands before a national number; empty where nothing does, as in Italy, or for the ten digits of North
    America. Ours.
    """
    international_prefix: NotRequired[str]
    """What is dialled before the country's code in place of a plus sign, like `00` or `011`. Ours."""
    outbound_format: NotRequired[Literal["e164", "e164_without_plus", "national", "international_prefix"]]
    """How numbers are written to the trunk: `e164` (+31201234567), `e164_without_plus` (31201234567), `national`
    (0201234567, and those of other countries with the international prefix; needs `country_code`) or
    `international_prefix` (0031201234567). Ours.
    """
    outbound_from: NotRequired[Literal["number", "account"]]
    """Who calls in From: the `number`, or for providers that know their customers by it the `account`
    (`auth_username`). The number is in P-Asserted-Identity in any case, and with `account` in P-Preferred-
    Identity, too. Ours.
    """
    keep_alive: NotRequired[bool]
    """Whether the server at `address` is asked every so often whether it is there (SIP OPTIONS), which also holds
    the way through a NAT open. Calls go out through a trunk that does not answer only after all others. Ours.
    """
    is_active: NotRequired[bool]
    """An inactive trunk places no calls, and lets none in."""
    auth_password: NotRequired[str | None]
    """Password for digest authentication. Needs `auth_username`. Stored encrypted, never shown."""
    host: NotRequired[str | None]
    """Older name of `address`."""
    port: NotRequired[int | None]
    """Older: the port beside `host`."""
    outbound_address: NotRequired[str | None]
    """Older name of `address`."""
    username: NotRequired[str | None]
    """Older name of `auth_username`."""
    password: NotRequired[str | None]
    """Older name of `auth_password`."""
    name: str
    """What people call the trunk."""


class TrunkEventObject(TypedDict):
    """A call that did not get through the trunk, or a change of its registration or of whether its server answers."""

    id: str
    """The event's id."""
    kind: Literal["inbound", "outbound", "registration", "keep_alive"]
    """`inbound`: a call that came in was turned away, or not answered at all. `outbound`: the trunk could not carry
    a call. `registration`: the server was registered, or is not any more. `keep_alive`: the trunk's server does
    not answer any more, or does again.
    """
    status: int | None
    """The SIP status that the caller's side got, or that the trunk's server answered; null where nobody was asked or
    answered.
    """
    reason: str
    """Why, in words."""
    called: str | None
    """The number that was called, in E.164, masked where its assistant has `gdpr_mode`; null for anything else."""
    call_id: str | None
    """The call that the trunk could not carry, for `outbound`: `GET /calls/{id}` tells whom it was for; null for
    anything else.
    """
    created_at: str
    """When it happened."""


class TrunkObject(TypedDict):
    """A SIP trunk: a provider's or an own telephone system's server that calls go through."""

    provider: str | None
    """Who runs the trunk; required beside `address`."""
    address: str
    """Host name or IP address of the provider's SIP server, with or without a port. Required."""
    transport: Literal["udp", "tcp", "tls"]
    """How SIP messages travel."""
    auth_username: str | None
    """User name for digest authentication. Without `auth_password` the server logs in nowhere."""
    inbound_addresses: list[str] | None
    """IP addresses and networks that the provider calls from, beside those of `address`. No network may be wider
    than /16 (IPv6: /32).
    """
    outbound_number: str | None
    """The caller number that calls through the trunk show, in place of that of the number they are placed from: for
    providers that take no other. Also the number that was called where a call comes in over the trunk's
    registration and names none.
    """
    register: bool
    """Whether the server registers at `address` (SIP REGISTER), for providers that send calls only to who is
    registered. Needs `auth_username` and `auth_password`. Ours.
    """
    register_expires: int
    """Seconds that a registration is asked for; it is renewed in time. Ours."""
    priority: int
    """Which trunk calls go out through: the lowest first, and of equals the newest. Where it fails the next one is
    tried. Ours.
    """
    max_channels: int | None
    """How many calls the trunk carries at a time, in and out together; null = as many as come. Ours."""
    max_calls_per_second: float | None
    """How many calls may be begun through the trunk in a second; null = as many as come. A call waits up to 3 s for
    its turn. Ours.
    """
    country_code: str | None
    """Calling code of the country whose national numbers the trunk's calls show, like `31`; null = only
    international forms are understood. Ours.
    """
    national_prefix: str
    """What stands before a national number; empty where nothing does, as in Italy, or for the ten digits of North
    America. Ours.
    """
    international_prefix: str
    """What is dialled before the country's code in place of a plus sign, like `00` or `011`. Ours."""
    outbound_format: Literal["e164", "e164_without_plus", "national", "international_prefix"]
    """How numbers are written to the trunk: `e164` (+31201234567), `e164_without_plus` (31201234567), `national`
    (0201234567, and those of other countries with the international prefix; needs `country_code`) or
    `international_prefix` (0031201234567). Ours.
    """
    outbound_from: Literal["number", "account"]
    """Who calls in From: the `number`, or for providers that know their customers by it the `account`
    (`auth_username`). The number is in P-Asserted-Identity in any case, and with `account` in P-Preferred-
    Identity, too. Ours.
    """
    keep_alive: bool
    """Whether the server at `address` is asked every so often whether it is there (SIP OPTIONS), which also holds
    the way through a NAT open. Calls go out through a trunk that does not answer only after all others. Ours.
    """
    is_active: bool
    """An inactive trunk places no calls, and lets none in."""
    id: str
    """The trunk's id."""
    org_id: str
    """The organization it belongs to."""
    name: str
    """What people call the trunk."""
    registration: RegistrationObject | None
    """How it goes with the registration; null for a trunk that has none. Ours."""
    reachable: bool | None
    """Whether the server at `address` answered when it was asked last; null = not known, or `keep_alive` is off.
    Ours.
    """
    created_at: str
    """When the trunk was made."""
    updated_at: str
    """When the trunk last changed."""


class TrunkUpdate(TypedDict):
    """Changes to a trunk: absent = unchanged, null = cleared."""

    provider: NotRequired[str | None]
    """Who runs the trunk; required beside `address`."""
    address: NotRequired[str]
    """Host name or IP address of the provider's SIP server, with or without a port. Required."""
    transport: NotRequired[Literal["udp", "tcp", "tls"]]
    """How SIP messages travel."""
    auth_username: NotRequired[str | None]
    """User name for digest authentication. Without `auth_password` the server logs in nowhere."""
    inbound_addresses: NotRequired[list[str] | None]
    """IP addresses and networks that the provider calls from, beside those of `address`. No network may be wider
    than /16 (IPv6: /32).
    """
    outbound_number: NotRequired[str | None]
    """The caller number that calls through the trunk show, in place of that of the number they are placed from: for
    providers that take no other. Also the number that was called where a call comes in over the trunk's
    registration and names none.
    """
    register: NotRequired[bool]
    """Whether the server registers at `address` (SIP REGISTER), for providers that send calls only to who is
    registered. Needs `auth_username` and `auth_password`. Ours.
    """
    register_expires: NotRequired[int]
    """Seconds that a registration is asked for; it is renewed in time. Ours."""
    priority: NotRequired[int]
    """Which trunk calls go out through: the lowest first, and of equals the newest. Where it fails the next one is
    tried. Ours.
    """
    max_channels: NotRequired[int | None]
    """How many calls the trunk carries at a time, in and out together; null = as many as come. Ours."""
    max_calls_per_second: NotRequired[float | None]
    """How many calls may be begun through the trunk in a second; null = as many as come. A call waits up to 3 s for
    its turn. Ours.
    """
    country_code: NotRequired[str | None]
    """Calling code of the country whose national numbers the trunk's calls show, like `31`; null = only
    international forms are understood. Ours.
    """
    national_prefix: NotRequired[str]
    """What stands before a national number; empty where nothing does, as in Italy, or for the ten digits of North
    America. Ours.
    """
    international_prefix: NotRequired[str]
    """What is dialled before the country's code in place of a plus sign, like `00` or `011`. Ours."""
    outbound_format: NotRequired[Literal["e164", "e164_without_plus", "national", "international_prefix"]]
    """How numbers are written to the trunk: `e164` (+31201234567), `e164_without_plus` (31201234567), `national`
    (0201234567, and those of other countries with the international prefix; needs `country_code`) or
    `international_prefix` (0031201234567). Ours.
    """
    outbound_from: NotRequired[Literal["number", "account"]]
    """Who calls in From: the `number`, or for providers that know their customers by it the `account`
    (`auth_username`). The number is in P-Asserted-Identity in any case, and with `account` in P-Preferred-
    Identity, too. Ours.
    """
    keep_alive: NotRequired[bool]
    """Whether the server at `address` is asked every so often whether it is there (SIP OPTIONS), which also holds
    the way through a NAT open. Calls go out through a trunk that does not answer only after all others. Ours.
    """
    is_active: NotRequired[bool]
    """An inactive trunk places no calls, and lets none in."""
    auth_password: NotRequired[str | None]
    """Password for digest authentication. Needs `auth_username`. Stored encrypted, never shown."""
    host: NotRequired[str | None]
    """Older name of `address`."""
    port: NotRequired[int | None]
    """Older: the port beside `host`."""
    outbound_address: NotRequired[str | None]
    """Older name of `address`."""
    username: NotRequired[str | None]
    """Older name of `auth_username`."""
    password: NotRequired[str | None]
    """Older name of `auth_password`."""
    name: NotRequired[str]
    """What people call the trunk."""


TtsConfig: TypeAlias = "TtsConfigElevenLabs | TtsConfigInworld | TtsConfigGoogleGeminiTTSChirp3HD | TtsConfigXAIGrokTTS | TtsConfigVoiceDockBeta | TtsConfigSpeechSynthesisOnThisServer"


class TtsConfigElevenLabs(TypedDict):
    provider: Literal["elevenlabs", "11labs"]
    """The vendor."""
    model: NotRequired[
        Literal[
            "eleven_flash_v2_5",
            "eleven_v4_turbo",
            "eleven_v4",
            "eleven_v3",
            "eleven_multilingual_v2",
            "eleven_turbo_v2_5",
        ]
    ]
    """The vendor's model."""
    stability: NotRequired[float]
    """How evenly it speaks; lower = livelier."""
    similarity_boost: NotRequired[float]
    """How close it stays to the recorded voice."""
    style: NotRequired[float]
    """How much it exaggerates the voice's style."""
    use_speaker_boost: NotRequired[bool]
    """Stay closer to the speaker, at the cost of some delay."""
    speed: NotRequired[float]
    """How fast it speaks; 1 = normal."""
    apply_text_normalization: NotRequired[Literal["auto", "on", "off"]]
    """Whether numbers, dates and the like are spelled out first."""
    apply_language_text_normalization: NotRequired[bool]
    """Spell out by the rules of the language."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""
    voice_id: str
    """The vendor's voice; for `local` see `GET /voices`."""


class TtsConfigGoogleGeminiTTSChirp3HD(TypedDict):
    provider: Literal["google"]
    """The vendor."""
    model: NotRequired[
        Literal[
            "gemini-3.1-flash-tts-preview", "gemini-2.5-flash-preview-tts", "gemini-2.5-pro-preview-tts", "chirp-3-hd"
        ]
    ]
    """The vendor's model."""
    instructions: NotRequired[str]
    """What the model is told to do, or how a text is to be spoken."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""
    speaking_rate: NotRequired[float]
    """How fast it speaks; 1 = normal."""
    voice_id: Literal[
        "Puck",
        "Achernar",
        "Achird",
        "Algenib",
        "Algieba",
        "Alnilam",
        "Aoede",
        "Autonoe",
        "Callirrhoe",
        "Charon",
        "Despina",
        "Enceladus",
        "Erinome",
        "Fenrir",
        "Gacrux",
        "Iapetus",
        "Kore",
        "Laomedeia",
        "Leda",
        "Orus",
        "Pulcherrima",
        "Rasalgethi",
        "Sadachbia",
        "Sadaltager",
        "Schedar",
        "Sulafat",
        "Umbriel",
        "Vindemiatrix",
        "Zephyr",
        "Zubenelgenubi",
    ]
    """The vendor's voice; for `local` see `GET /voices`."""


class TtsConfigInworld(TypedDict):
    provider: Literal["inworld"]
    """The vendor."""
    model: NotRequired[Literal["inworld-tts-2", "inworld-tts-2-flash", "inworld-tts-1.5-max", "inworld-tts-1.5-mini"]]
    """The vendor's model. Should not be chosen any more: inworld-tts-1.5-max, inworld-tts-1.5-mini."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""
    speed: NotRequired[float]
    """How fast it speaks; 1 = normal."""
    voice_id: str
    """The vendor's voice; for `local` see `GET /voices`."""


class TtsConfigSpeechSynthesisOnThisServer(TypedDict):
    provider: Literal["local"]
    """The vendor."""
    model: NotRequired[Literal["auto", "espeak-ng", "sherpa-onnx"]]
    """The vendor's model."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""
    speed: NotRequired[float]
    """How fast it speaks; 1 = normal."""
    voice_id: str
    """The vendor's voice; for `local` see `GET /voices`."""


class TtsConfigVoiceDockBeta(TypedDict):
    provider: Literal["voicedock"]
    """The vendor."""
    model: NotRequired[Literal["voicedock-1"]]
    """The vendor's model."""
    voice_id: Literal["voicedock"]
    """The vendor's voice; for `local` see `GET /voices`."""


class TtsConfigXAIGrokTTS(TypedDict):
    provider: Literal["xai"]
    """The vendor."""
    language: NotRequired[str]
    """BCP 47 code of the language, as far as the vendor needs it."""
    voice_id: Literal[
        "ara",
        "eve",
        "leo",
        "rex",
        "sal",
        "altair",
        "atlas",
        "carina",
        "castor",
        "celeste",
        "cosmo",
        "helios",
        "helix",
        "iris",
        "kepler",
        "lumen",
        "luna",
        "lux",
        "naksh",
        "orion",
        "perseus",
        "rigel",
        "sirius",
        "ursa",
        "zagan",
        "zenith",
    ]
    """The vendor's voice; for `local` see `GET /voices`."""


class TurnLatencyObject(TypedDict):
    """Where the time of one answer went, in milliseconds; null where the step did not happen."""

    endpointing: float | None
    """From the caller's last word to the decision that the turn is over."""
    stt_final: float | None
    """From the caller's last word to the final transcript."""
    llm_first_token: float | None
    """From the request to the model to its first token or tool call."""
    tts_first_audio: float | None
    """From the first sentence given to the voice to its first audio."""
    playout: float | None
    """From audio ready and turn decided to the first frame on the line."""
    total: float | None
    """From the caller's last word to the first frame of the answer."""
    interrupted: bool
    """The caller cut the answer short."""


class TurnTakingConfig(TypedDict):
    """When the assistant answers and when it lets itself be interrupted. Not used by realtime models."""

    endpointing_min_delay: NotRequired[float]
    """Seconds of silence after which a finished sentence is answered."""
    endpointing_max_delay: NotRequired[float]
    """Seconds of silence after which anything is answered."""
    interruption_min_duration: NotRequired[float]
    """Seconds of speech that interrupt the assistant."""
    interruption_min_words: NotRequired[int]
    """Words that interrupt the assistant; 0 = any speech does."""
    false_interruption_timeout: NotRequired[float | None]
    """Seconds without words after which an interrupted sentence goes on; null = never."""


class UsageList(TypedDict):
    logs: list[UsageLog]
    """The newest first."""
    pagination: Pagination
    """Which part of all logs this is."""
    summary: UsageSummary


class UsageLog(TypedDict):
    """One call that was answered and is over."""

    id: str
    """The call's id."""
    duration_sec: int
    """Seconds from the answer to the end."""
    call_type: Literal["phone", "web"]
    """Over which network it came."""
    byok_stt: bool
    """Whether the call was transcribed with the organization's own vendor key."""
    byok_llm: bool
    """Whether the language model ran on the organization's own vendor key."""
    byok_tts: bool
    """Whether the voice ran on the organization's own vendor key."""
    phone_number: str | None
    """The assistant's number; null on web calls."""
    assistant_id: str | None
    """Null where the assistant was given for this call only."""
    agent_id: str | None
    """The same as `assistant_id`."""
    assistant_name: str | None
    """As it was when the call began."""
    agent_name: str | None
    """The same as `assistant_name`."""
    business_name: str | None
    """The assistant's, as it was when the call began."""
    minutes_used: int
    """`duration_sec` rounded up to whole minutes."""
    cost: float
    """What the call used of vendors on the deployment's keys, as far as the prices are known; the call's `costs` has
    the parts.
    """
    created_at: str
    """When the call was made known here."""


class UsageSummary(TypedDict):
    """All calls of the period, also those on other pages."""

    total_calls: int
    """How many calls there were."""
    total_duration_seconds: int
    """How long they were together."""
    total_duration_minutes: float
    """The seconds as minutes, to two decimals."""
    total_minutes_used: int
    """The sum of the calls' `minutes_used`."""
    total_cost: float
    """The sum of the calls' `cost`."""
    currency: str
    """Of `cost` and `total_cost`; the price table's."""


class VoiceDescription(TypedDict):
    """What a voice is, for people who choose one."""

    en: str
    """In English."""
    nl: str
    """In Dutch."""


class VoiceObject(TypedDict):
    """A voice that needs no vendor."""

    id: str
    """The `voice_id` of a `tts_config` whose `provider` is `"local"`."""
    name: str
    """The voice's name."""
    language: str
    """BCP 47 code of its language, in lower case."""
    description: VoiceDescription
    """The voice in a sentence."""
    installed: bool
    """Whether an assistant can speak with it now. False: the description says what to install."""


class WebCallCreated(TypedDict):
    """A prepared web call."""

    token: str
    """Opens one connection, once. Safe to give to a browser."""
    call_id: str
    """The call's id."""
    server_url: str
    """WebSocket to connect to; docs/web-calls.md describes it."""
    expires_at: str
    """Until when the token works."""


class WebCallRequest(TypedDict):
    """A web call to prepare."""

    assistant_id: NotRequired[str | None]
    """A stored assistant. `agent_id` is the older name."""
    assistant_override: NotRequired[AssistantOverride | None]
    """With `assistant_id`: top-level fields that replace the assistant's own in this call. `agent_config` is the
    older name.
    """
    assistant: NotRequired[TransientAssistant | None]
    """Instead of `assistant_id`: a whole assistant, for this call only. `agent` is the older name."""
    variables: NotRequired[dict[str, str]]
    """Texts for `{{name}}` placeholders."""
    metadata: NotRequired[dict[str, Any] | None]
    """Comes back on the call."""
