"""Bring your own key: what the API takes and shows."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialtone.byok.carriers import settings_of
from dialtone.platform.fields import Part
from dialtone.platform.patterns import anchored
from dialtone.providers.addresses import DOMAINS, own_address

Vendor = Literal[
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
MAX_KEY_CHARACTERS = 16_384
"""A Google service account is a JSON document, a private key a PEM file."""
MAX_CONFIG_FIELDS = 50

VendorId = Annotated[Vendor, Field(description="The vendor's id.", examples=["openai"])]


MAX_PLAIN_KEY = 1024
"""Characters of a key that is no document."""
PLAIN_KEY = rf"[\t\n\r ]*[!-~]{{1,{MAX_PLAIN_KEY}}}[\t\n\r ]*"
"""A key travels in an HTTP header; what surrounds it is left away."""
WITH_DOCUMENTS: tuple[Vendor, ...] = ("google_vertex", "vonage")
"""Vendors whose keys are documents: a service account (JSON), an application's private key (PEM)."""
DOCUMENT = r"[\t\n\r -~]*[!-~][\t\n\r -~]*"
"""Both are written in ASCII."""
_OF_PLAIN_KEYS: dict[str, Any] = {"properties": {"provider": {"not": {"enum": list(WITH_DOCUMENTS)}}}}


class KeyUpsert(Part):
    """A key to be stored, or to replace the stored one. It is first tried by the next call that needs it."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": _OF_PLAIN_KEYS,
            "then": {"properties": {"api_key": {"pattern": anchored(PLAIN_KEY)}}},
            "else": {"properties": {"api_key": {"pattern": anchored(DOCUMENT)}}},
        }
    )

    provider: VendorId
    api_key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)] = Field(
        description="The key as the vendor gave it; for `google_vertex` the service account's JSON, for `vonage` the "
        "application's private key in PEM. Never shown again.",
        examples=["sk-..."],
    )


class KeyRemoval(Part):
    """The vendor whose key is to be removed."""

    provider: VendorId


def _settings(provider: str, domain: str) -> dict[str, Any]:
    """In JSON Schema: a vendor's `base_url` is below its own domain, and a carrier's settings have their forms."""
    address = {"type": ["string", "null"], "maxLength": 2048, "pattern": anchored(own_address(domain))}
    carriers = {name: setting.schema() for name, setting in settings_of(provider).items()}
    return {
        "title": provider,
        "properties": {"provider": {"const": provider}, "config": {"properties": {"base_url": address, **carriers}}},
    }


class ConfigChange(Part):
    """Settings to be merged into a vendor's stored ones."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_settings(*vendor) for vendor in DOMAINS.items()]})

    provider: VendorId
    config: Annotated[dict[str, Any], Field(max_length=MAX_CONFIG_FIELDS)] = Field(
        description="Settings by name; null removes one. `base_url` is where your key is sent instead of the vendor's "
        "default address: an https address of the vendor's own, such as `https://api.eu.deepgram.com`. Carriers need "
        "`account_sid` (Twilio), `space`, `project_id` and `signing_key` (SignalWire), `connection_id` and "
        "`public_key` (Telnyx), `auth_id` (Plivo), or `application_id` and `signature_secret` (Vonage). Other settings "
        "are kept and have no effect. All but `signing_key` and `signature_secret` are shown to everyone with an API "
        "key: put no secret into others.",
        examples=[{"base_url": "https://api.eu.deepgram.com"}],
    )


def _secret_id(vendor: str) -> Any:
    return Field(
        description=f"Id of the stored {vendor} key; null = none. Never the key itself.",
        json_schema_extra={"format": "uuid"},
    )


class KeyIds(BaseModel):
    """Which vendors' keys are stored."""

    deepgram_secret_id: str | None = _secret_id("Deepgram")
    openai_secret_id: str | None = _secret_id("OpenAI")
    elevenlabs_secret_id: str | None = _secret_id("ElevenLabs")
    inworld_secret_id: str | None = _secret_id("Inworld")
    resend_secret_id: str | None = _secret_id("Resend")
    xai_secret_id: str | None = _secret_id("xAI")
    gladia_secret_id: str | None = _secret_id("Gladia")
    mistral_secret_id: str | None = _secret_id("Mistral")
    google_secret_id: str | None = _secret_id("Google AI Studio")
    google_vertex_secret_id: str | None = _secret_id("Google Vertex AI")
    twilio_secret_id: str | None = _secret_id("Twilio")
    signalwire_secret_id: str | None = _secret_id("SignalWire")
    telnyx_secret_id: str | None = _secret_id("Telnyx")
    plivo_secret_id: str | None = _secret_id("Plivo")
    vonage_secret_id: str | None = _secret_id("Vonage")


class KeysAnswer(BaseModel):
    """Which vendors' keys are stored."""

    byok_keys: KeyIds = Field(description="One field per vendor.")


class KeyChangeAnswer(KeysAnswer):
    """The keys after the change."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    success: Literal[True] = Field(default=True, description="Always true.")


class ConfigAnswer(BaseModel):
    """Settings of the vendors whose keys are stored."""

    byok_config: dict[str, dict[str, Any]] = Field(
        description="Settings by vendor; vendors without any are absent.",
        examples=[{"deepgram": {"base_url": "https://api.eu.deepgram.com"}}],
    )


class CatalogueModel(BaseModel):
    """A model of a vendor."""

    id: str = Field(description="As `model` of a config block.", examples=["nova-3"])
    name: str = Field(description="The model's name.", examples=["nova-3"])
    default: bool = Field(description="Is it used where a config block names none?")


class CatalogueEntry(BaseModel):
    """What a vendor's key is good for."""

    id: VendorId
    name: str = Field(description="The vendor's name.", examples=["Deepgram"])
    category: Literal["stt", "llm", "realtime", "tts", "email", "telephony"] = Field(
        description="What the vendor is used for; a vendor of several uses has several entries."
    )
    docsUrl: str = Field(description="The vendor's documentation.", examples=["https://developers.deepgram.com/docs"])  # noqa: N815
    models: list[CatalogueModel] = Field(description="The models that this key opens.")
