"""The wire contract of erasures."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialtone.calls.outbound_schemas import Destination
from dialtone.platform.fields import Part

_UUID: dict[str, Any] = {"format": "uuid"}


class EraseRequest(Part):
    """Whose traces are to be erased."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"phone_number": "+31612345678"}]})

    phone_number: Destination = Field(
        description="The caller's number in E.164 form, or the SIP URI that calls show as `caller_phone`. Spaces, "
        "dashes and a leading 00 are taken too.",
        examples=["+31612345678"],
    )


class ErasureCounts(BaseModel):
    """What was erased so far."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    calls: int = Field(default=0, description="Calls that were emptied; their rows remain, without caller.", ge=0)
    messages: int = Field(default=0, description="Messages of their transcripts.", ge=0)
    recordings: int = Field(default=0, description="Recordings; the files go within seconds.", ge=0)
    webhook_deliveries: int = Field(default=0, description="Deliveries, those on their way among them.", ge=0)
    emails: int = Field(default=0, description="Reports by e-mail that were not sent yet.", ge=0)
    chat_messages: int = Field(default=0, description="Chat messages with the caller, or that name the number.", ge=0)


class ErasureObject(BaseModel):
    """The erasure of one caller."""

    id: str = Field(description="The erasure's id.", json_schema_extra=_UUID)
    status: Literal["running", "done"] = Field(description="done: nothing of the caller was left.")
    phone_number: str = Field(description="The number, masked: it is forgotten too.", examples=["+31*******78"])
    counts: ErasureCounts = Field(description="What was erased so far.")
    created_at: datetime = Field(description="When it was asked for.")
    finished_at: datetime | None = Field(description="When it was done; null before.")


class SingleErasure(BaseModel):
    """One erasure."""

    erasure: ErasureObject = Field(description="The erasure.")
