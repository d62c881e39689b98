"""API keys as the API takes and shows them."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from dialtone.organizations.keys import MAX_NAME
from dialtone.platform.db import now
from dialtone.platform.fields import Part, rule
from dialtone.platform.patterns import DATE_TIME, DATE_TIME_OUTLINE


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # in another zone it is still, or already, in a year that exists
        return moment.replace(tzinfo=UTC)


def _moment_to_come(value: object) -> object:
    """Times are strings on the wire, which strict types would refuse."""
    if not isinstance(value, str):
        raise rule("must be a time in ISO 8601 such as 2027-01-31T09:30:00Z")
    if not re.fullmatch(DATE_TIME, value):
        raise rule("must be a time in ISO 8601 with its zone, such as 2027-01-31T09:30:00Z")
    moment = _in_utc(datetime.fromisoformat(value.upper()))
    if moment <= now():
        raise rule("must be in the future")
    return moment


_WRITTEN = WithJsonSchema({"type": "string", "format": "date-time", "pattern": DATE_TIME_OUTLINE})


class ApiKeyCreate(Part):
    """A new key of the organization that asks."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] | None = Field(
        default=None, description="What the key is for.", examples=["the web shop"]
    )
    expires_at: Annotated[datetime, BeforeValidator(_moment_to_come), _WRITTEN] | None = Field(
        default=None,
        description="From this moment on the key is refused; null = it does not expire.",
        examples=["2027-01-31T09:30:00Z"],
    )


class ApiKeyObject(BaseModel):
    """An API key, without the key itself."""

    id: str = Field(description="The key's UUID.", json_schema_extra={"format": "uuid"})
    name: str | None = Field(description="What the key is for.", examples=["the web shop"])
    prefix: str = Field(description="The key's beginning, to tell keys apart.", examples=["fl_live_Xk3v"])
    created_at: datetime = Field(description="When the key was made.")
    expires_at: datetime | None = Field(description="When the key stops working; null = never.")
    last_used_at: datetime | None = Field(
        description="When a request last showed the key, up to a minute behind; null = not yet."
    )
    revoked_at: datetime | None = Field(description="When the key was revoked; null = it was not.")
    from_settings: bool = Field(description="The key comes from the server's setting DIALTONE_API_KEY.")
    current: bool = Field(description="This request shows the key.")


class NewApiKeyObject(ApiKeyObject):
    """An API key just made."""

    key: str = Field(
        description="The key itself. It is shown only now: the server keeps no more than a hash.",
        examples=["fl_live_Xk3vQ0mW8d2Zr5c7Yt1Lb9Ns4Hf6Jg0PaEuIoKxCvBw"],
    )


class ApiKeysAnswer(BaseModel):
    """Answer of `GET /api-keys`."""

    api_keys: list[ApiKeyObject] = Field(description="Newest first, with revoked and expired keys for a while.")


class NewApiKeyAnswer(BaseModel):
    """Answer of `POST /api-keys`."""

    api_key: NewApiKeyObject = Field(description="The new key.")
