"""Every setting, its default, and the environment variable that sets it."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _off(value: object) -> object:
    return 0 if isinstance(value, str) and value.strip().lower() == "off" else value


_PREFIX = "DIALTONE_"
_OTHERS = frozenset({"DIALTONE_BASE_URL"})
"""Of the Python client."""
_OF_TESTS = "DIALTONE_TEST_"

Limit = Annotated[int, BeforeValidator(_off)]


def _vendor(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """Settings of one process. Environment variables are `DIALTONE_<FIELD>` unless a field names its own.

    Raises `pydantic.ValidationError` for a value out of range.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, populate_by_name=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """0 picks a free port."""
    data_dir: Path = Path("./data")
    """Where recordings, cached speech, pulled models and the embedded database live."""
    database_url: str | None = None
    """`sqlite:///path` or `postgresql://user:password@host/name`. Default: SQLite in the data directory."""
    migrate_on_start: bool = True
    """Bring the database's schema up to date at the start. Off: `dialtone db upgrade` does, with rights of its own."""
    public_url: str | None = None
    """How clients reach this server, e.g. `https://voice.example.com`. Default: the address of the request."""
    node_url: str | None = None
    """How carriers reach this very process, where several are behind one `public_url`. Default: `public_url`."""
    api_key: SecretStr | None = None
    """The first API key. Default: made at the first start and printed once."""
    secret_key: SecretStr | None = None
    """The master keys of stored secrets, newest first, separated by commas. Default: made at the first start, kept in
    the data directory.
    """
    allow_private_addresses: bool = False
    """Let webhooks and tools reach loopback and private networks."""
    recording: bool = True
    """Record calls, except where the assistant's settings or the law say otherwise."""
    recording_url_seconds: int = Field(default=3600, ge=60, le=7 * 86400)
    """How long a `recording_url` works."""
    report_recording_url_seconds: int = Field(default=2 * 86400, ge=60, le=30 * 86400)
    """How long the `recording_url` of an end-of-call-report works: deliveries are tried again for a day."""
    recording_store: str | None = None
    """`s3://bucket/prefix` of any store that speaks S3. Default: recordings stay in the data directory."""
    recording_store_path_style: bool | None = None
    """Whether the bucket is in the path of addresses, not in the host's name. Default: where `AWS_ENDPOINT_URL` is."""
    recording_store_public_url: str | None = None
    """How those who open recordings reach the store. Default: as this server does, at `AWS_ENDPOINT_URL`."""
    webhook_log_days: int = Field(default=30, ge=1, le=3650)
    """How long webhook deliveries that are over stay in the log."""
    retention_hour: int = Field(default=3, ge=0, le=23)
    """The hour of the day (UTC) at which what organizations want kept no longer is deleted."""
    audit_log_days: int = Field(default=730, ge=30, le=3650)
    """How long the lines of the audit log stay."""
    max_calls: int = Field(default=500, ge=1)
    """Live calls this process takes; further ones are refused in words."""
    sip_listen: str = ""
    """Where telephone calls come in and go out, e.g. `udp://0.0.0.0:5060,tcp://0.0.0.0:5060,tls://0.0.0.0:5061`.
    Default: no telephone.
    """
    sip_public_address: str | None = None
    """This machine's IP address as telephone providers see it, where it is behind NAT."""
    sip_stun: str | None = None
    """A STUN server that tells how providers see this machine, where that is not set, e.g. `stun.example.com:3478`."""
    sip_keep_alive_seconds: Limit = Field(default=45, ge=0, le=3600)
    """How often the servers of trunks are asked whether they are there (OPTIONS). 0 or `off`: never."""
    sip_tls_certificate: Path | None = None
    """For `tls://`: a PEM file with the certificate and those that vouch for it."""
    sip_tls_key: Path | None = None
    """The certificate's private key, in PEM."""
    rtp_ports: str = "20000-29999"
    """The UDP ports for the audio of telephone calls; each call takes two."""
    billing: bool = False
    """Answer 402 to calls of organizations that have no minutes left."""
    byok_to_base_urls: bool = False
    """Send customers' own vendor keys to the `*_BASE_URL` of this deployment too; otherwise they go to the vendors' own
    addresses only. For base URLs that are proxies of the vendors themselves."""
    max_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    """Largest request body."""
    rate_limit: Limit = Field(default=100, ge=0)
    """Requests a minute of one API key. 0 or `off`: no limit."""
    control_rate_limit: Limit = Field(default=10, ge=0)
    """Control commands a minute for one live call. 0 or `off`: no limit."""
    prices_file: Path | None = None
    """A table of what vendors ask for, in the form of `providers/prices.toml`. Default: that one."""
    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://user:password@host:465`, for reports by e-mail.
    `?starttls=off` sends in the clear, to a server on this machine or network.
    """
    mail_from: str | None = None
    """Who mail comes from where it goes by SMTP, e.g. `Dialtone <calls@example.com>`."""
    log_level: str = "INFO"

    aws_access_key_id: SecretStr | None = Field(default=None, validation_alias=_vendor("AWS_ACCESS_KEY_ID"))
    """For `recording_store`, as are the next ones."""
    aws_secret_access_key: SecretStr | None = Field(default=None, validation_alias=_vendor("AWS_SECRET_ACCESS_KEY"))
    aws_session_token: SecretStr | None = Field(default=None, validation_alias=_vendor("AWS_SESSION_TOKEN"))
    aws_endpoint_url: str | None = Field(default=None, validation_alias=_vendor("AWS_ENDPOINT_URL"))
    """Of a store other than Amazon's, e.g. `https://minio.example.com:9000`."""
    aws_region: str | None = Field(
        default=None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION", "aws_region")
    )
    openai_api_key: SecretStr | None = Field(default=None, validation_alias=_vendor("OPENAI_API_KEY"))
    openai_base_url: str = Field(default="https://api.openai.com/v1", validation_alias=_vendor("OPENAI_BASE_URL"))
    """Any server that speaks OpenAI's chat API (Ollama, vLLM, llama.cpp); any model name is then accepted."""
    xai_api_key: SecretStr | None = Field(default=None, validation_alias=_vendor("XAI_API_KEY"))
    xai_base_url: str = Field(default="https://api.x.ai/v1", validation_alias=_vendor("XAI_BASE_URL"))
    mistral_api_key: SecretStr | None = Field(default=None, validation_alias=_vendor("MISTRAL_API_KEY"))
    mistral_base_url: str = Field(default="https://api.mistral.ai/v1", validation_alias=_vendor("MISTRAL_BASE_URL"))
    deepgram_api_key: SecretStr | None = Field(default=None, validation_alias=_vendor("DEEPGRAM_API_KEY"))
    deepgram_base_url: str = Field(default="https://api.deepgram.com", validation_alias=_vendor("DEEPGRAM_BASE_URL"))
    elevenlabs_api_key: SecretStr | None = Field(default=None, validation_alias=_vendor("ELEVENLABS_API_KEY"))
    elevenlabs_base_url: str = Field(
        default="https://api.elevenlabs.io", validation_alias=_vendor("ELEVENLABS_BASE_URL")
    )
    resend_api_key: SecretStr | None = Field(default=None, validation_alias=_vendor("RESEND_API_KEY"))
    """For e-mail domains of organizations without a key of their own."""
    twilio_base_url: str = Field(default="https://api.twilio.com", validation_alias=_vendor("TWILIO_BASE_URL"))
    """For calls of organizations with `byok_to_base_urls`, as are the next ones."""
    signalwire_base_url: str | None = Field(default=None, validation_alias=_vendor("SIGNALWIRE_BASE_URL"))
    """Default: `https://SPACE.signalwire.com` of each organization's space."""
    telnyx_base_url: str = Field(default="https://api.telnyx.com", validation_alias=_vendor("TELNYX_BASE_URL"))
    plivo_base_url: str = Field(default="https://api.plivo.com", validation_alias=_vendor("PLIVO_BASE_URL"))
    vonage_base_url: str = Field(default="https://api.nexmo.com", validation_alias=_vendor("VONAGE_BASE_URL"))
    resend_base_url: str = Field(default="https://api.resend.com", validation_alias=_vendor("RESEND_BASE_URL"))


def unknown_variables(environment: Iterable[str]) -> list[tuple[str, str | None]]:
    """Names of environment variables that look like settings and are none, each with the nearest one that is."""
    known = _variables()
    without_prefix = {name.removeprefix(_PREFIX): name for name in known}
    strange = (
        name
        for name in environment
        if name.upper().startswith(_PREFIX) and not name.startswith(_OF_TESTS) and name.upper() not in known | _OTHERS
    )
    found = []
    for name in sorted(strange):
        nearest = get_close_matches(name.upper().removeprefix(_PREFIX), without_prefix, n=1)
        found.append((name, without_prefix[nearest[0]] if nearest else None))
    return found


def _variables() -> set[str]:
    """All settings, by their environment variables."""
    names: set[str] = set()
    for field, described in Settings.model_fields.items():
        alias = described.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [f"{_PREFIX}{field}"]
        names.update(choice.upper() for choice in choices if isinstance(choice, str))
    return names
