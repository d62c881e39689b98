"""Phone numbers as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from dialtone.platform.carriers import Carrier
from dialtone.platform.fields import READ_ONLY, Part, PhoneNumber, rule

NUMBER_READ_ONLY = READ_ONLY | {
    "agent_name",
    "assistant_name",
    "business_name",
    "transfer_trunk_name",
    "carrier_url",
    "workflow_name",
    "source",
}
"""Fields that may be sent back as they were read, and are not looked at."""


_UUID: dict[str, Any] = {"format": "uuid"}


def _no_workflow(value: str | None) -> str | None:
    if value is not None:
        raise rule("there is no such workflow")
    return value


NoWorkflow = Annotated[str | None, AfterValidator(_no_workflow), WithJsonSchema({"type": "null"})]
Label = Annotated[str, Field(max_length=200, examples=["Front desk"])]
Reference = Annotated[str, Field(max_length=64, json_schema_extra=_UUID)]
NumberField = Annotated[
    PhoneNumber, Field(description="E.164. Spaces, dashes and a leading 00 are taken too.", examples=["+31201234567"])
]


class NumberFields(Part):
    """What can be set on a number."""

    name: Label | None = Field(default=None, description="What people call the number.")
    agent_id: Reference | None = Field(default=None, description="The assistant that answers; null = nobody does.")
    assistant_id: Reference | None = Field(
        default=None, description="The same as `agent_id`; where both are given and one is new, that one counts."
    )
    transfer_trunk_id: Reference | None = Field(
        default=None, description="The SIP trunk of the number's transfers and outbound calls; null = the newest one."
    )
    carrier: Carrier | None = Field(
        default=None,
        description="The carrier whose media streams carry the number's calls, with your account there (`POST /byok` "
        "and `POST /byok/config`); null = SIP trunks do.",
        examples=["twilio"],
    )
    workflow_id: NoWorkflow = Field(default=None, description="Always null: there are no workflows.")
    is_active: bool = Field(default=True, description="An inactive number takes and places no calls.")


class NumberCreate(NumberFields):
    """A number to register. Only `phone_number` is required."""

    phone_number: NumberField


class NumberUpdate(NumberFields):
    """Changes to a number: absent = unchanged, null = cleared. The phone number itself stays."""


class NumberObject(NumberFields):
    """A phone number."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # every answer has every field

    id: str = Field(description="The number's id.", json_schema_extra=_UUID)
    phone_number: str = Field(description="E.164.", examples=["+31201234567"])
    agent_name: str | None = Field(description="The assistant's name.", examples=["Reception"])
    assistant_name: str | None = Field(description="The same as `agent_name`.", examples=["Reception"])
    business_name: str | None = Field(description="The assistant's business name.", examples=["Clinic"])
    carrier_url: str | None = Field(
        description="Where the carrier is to send the number's calls: its voice URL. Null without a carrier, and where "
        "this deployment does not know its own address (`DIALTONE_PUBLIC_URL`).",
        examples=["https://voice.example.com/carriers/twilio/voice"],
    )
    transfer_trunk_name: str | None = Field(description="The trunk's name.", examples=["Main line"])
    workflow_name: str | None = Field(description="Always null: there are no workflows.")
    source: str | None = Field(description="Null: the organization brought the number itself.")
    created_at: datetime = Field(description="When the number was registered.")
    updated_at: datetime = Field(description="When the number was last changed.")


class NumberAnswer(BaseModel):
    number: NumberObject = Field(description="The number.")


class NumbersAnswer(BaseModel):
    numbers: list[NumberObject] = Field(description="Newest first.")
