"""Organizations as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialtone.platform.fields import Part, WebUrl, not_blank

CONTENT_RETENTION = (30, 90, 180, 365)
METADATA_RETENTION = (30, 90, 180, 365, 730)

_UUID: dict[str, Any] = {"format": "uuid"}
_EXAMPLE_ID = "6f0c2c1e-5d1f-4f6c-9f5e-0d5c8f0b7a11"


Name = Annotated[
    str,
    Field(min_length=1, max_length=200, description="The organization's name.", examples=["Bakery Jansen"]),
    not_blank,
]


class OrganizationCreate(Part):
    """A new organization, with an API key of its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Bakery Jansen", "parent_org_id": _EXAMPLE_ID}]})

    name: Name
    parent_org_id: str | None = Field(
        default=None,
        max_length=45,
        json_schema_extra=_UUID,
        description="The organization it goes below, whose minutes its calls use: yours, or one below yours. Absent or "
        "null: a top-level organization, which only the deployment's first organization may make.",
        examples=[_EXAMPLE_ID],
    )


class OrganizationCreated(BaseModel):
    """The new organization. Its API key is shown only now."""

    id: str = Field(description="The organization's id.", json_schema_extra=_UUID, examples=[_EXAMPLE_ID])
    name: Name
    parent_org_id: str | None = Field(description="The organization above; null = none.", json_schema_extra=_UUID)
    api_key: str = Field(description="Its first API key, shown only now.", examples=["fl_live_..."])
    created_at: datetime = Field(description="When it was made.")


class Retention(Part):
    """How long calls are kept, and the account's webhook."""

    content_retention_days: Literal[30, 90, 180, 365] | None = Field(
        default=None,
        description="Days until a call's transcript, summary, analysis and recording are deleted; at most "
        "`metadata_retention_days`. Null until it is set: kept.",
        examples=[90],
    )
    metadata_retention_days: Literal[30, 90, 180, 365, 730] | None = Field(
        default=None,
        description="Days until a call's caller, `metadata` and events are deleted. Null until it is set: kept.",
        examples=[365],
    )
    webhook_url: WebUrl | None = Field(
        default=None,
        description="The account's own webhook, for calls whose assistant names none; null = none.",
        examples=["https://example.com/webhooks/calls"],
    )
    webhook_secret: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Signs the account's webhook. Reads back masked; the mask sent back means unchanged, null clears.",
        examples=["whsec_..."],
    )


_PERIODS = ["content_retention_days", "metadata_retention_days"]
_NO_PERIODS: dict[str, Any] = {"not": {"anyOf": [{"required": [name]} for name in _PERIODS]}}
_SOUND_PERIODS: dict[str, Any] = {
    "required": _PERIODS,
    "oneOf": [
        {"properties": {name: {"type": "null"} for name in _PERIODS}},
        *(
            {
                "properties": {
                    "metadata_retention_days": {"const": days},
                    "content_retention_days": {"enum": [shorter for shorter in CONTENT_RETENTION if shorter <= days]},
                }
            }
            for days in METADATA_RETENTION
        ),
    ],
}


class OrganizationUpdate(Retention):
    """Both retention periods, or only webhook fields. Absent fields stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"content_retention_days": 90, "metadata_retention_days": 365}],
            "anyOf": [
                {"title": "with both periods, the content's not the longer one", **_SOUND_PERIODS},
                {"title": "with `webhook_url`", "required": ["webhook_url"], **_NO_PERIODS},
                {"title": "with `webhook_secret`", "required": ["webhook_secret"], **_NO_PERIODS},
            ],
        }
    )


class OrganizationUpdated(Retention):
    """The organization's settings after the change."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # every answer has every field


class Child(BaseModel):
    """An organization directly below yours."""

    id: str = Field(description="The organization's id.", json_schema_extra=_UUID, examples=[_EXAMPLE_ID])
    name: Name
    created_at: datetime = Field(description="When it was made.")


def _without_children(schema: dict[str, Any]) -> None:
    schema["required"].remove("children")


class OrganizationObject(Retention):
    """Your organization."""

    # Every answer has every field, but for those that only some requests ask for.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True, json_schema_extra=_without_children)

    id: str = Field(description="The organization's id.", json_schema_extra=_UUID, examples=[_EXAMPLE_ID])
    name: Name
    minutes_balance: float = Field(
        description="Minutes that calls may still use; below zero they are owed. An organization below another one "
        "shows and uses the balance of the top-level organization above it.",
        examples=[1250.5],
    )
    monthly_usage_minutes: float = Field(
        description="Minutes of calls in this calendar month (UTC).", ge=0, examples=[83.25]
    )
    active_numbers: int = Field(description="Phone numbers that are active.", ge=0, examples=[3])
    active_agents: int = Field(description="Assistants that are active.", ge=0, examples=[5])
    active_calls: int = Field(description="Calls that run now.", ge=0, examples=[2])
    has_local_models_access: bool = Field(
        description="May assistants use the speech models of this server? Always true."
    )
    parent_org_id: str | None = Field(description="The organization above; null = none.", json_schema_extra=_UUID)
    children: list[Child] | None = Field(
        default=None, description="The organizations directly below, newest first; only with `include_children`."
    )


class AccountObject(OrganizationObject):
    """Your organization, as older clients know it."""

    company_name: str = Field(description="The organization's name.")
    email: None = Field(default=None, description="Always null: organizations have no e-mail address here.")
