"""SIP trunks as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialtone.platform.fields import Between, Matches, Part, PhoneNumber
from dialtone.trunks.addresses import Network, SipAddress

Transport = Literal["udp", "tcp", "tls"]


_NO_CONTROL_CHARACTERS = r"[^\x00-\x1f\x7f-\x9f" + "\u2028\u2029]*"

Name = Annotated[str, Field(min_length=1, max_length=200, examples=["Main line"])]
Username = Annotated[
    str,
    Field(max_length=255, examples=["user123"]),
    Matches(_NO_CONTROL_CHARACTERS, "must not hold control characters"),
]
Password = Annotated[str, Field(min_length=1, max_length=512)]


class TrunkSettings(Part):
    """What a trunk is set to, and shows."""

    provider: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Who runs the trunk; required beside `address`.", examples=["Example Telecom"]
    )
    address: SipAddress = Field(
        default_factory=str,
        description="Host name or IP address of the provider's SIP server, with or without a port. Required.",
        examples=["sip.example.com:5060"],
    )
    transport: Transport = Field(default="udp", description="How SIP messages travel.")
    auth_username: Username | None = Field(default=None, description="User name for digest authentication.")
    inbound_addresses: Annotated[list[Network], Field(max_length=50)] | None = Field(
        default=None,
        description="IP addresses and networks that the provider calls from, beside those of `address`. Networks wider "
        "than /16 (IPv6: /32) let nobody in.",
        examples=[["192.0.2.10", "198.51.100.0/24"]],
    )
    outbound_number: PhoneNumber | None = Field(
        default=None, description="The trunk's own caller number. Kept; has no effect.", examples=["+31201234567"]
    )
    is_active: bool = Field(default=True, description="An inactive trunk places no calls, and lets none in.")


class TrunkFields(TrunkSettings):
    """What can be set on a trunk, also by the older names."""

    auth_password: Password | None = Field(
        default=None, description="Password for digest authentication. Stored encrypted, never shown."
    )
    host: SipAddress | None = Field(
        default=None, description="Older name of `address`.", json_schema_extra={"deprecated": True}
    )
    port: Annotated[int, Between(1, 65535)] | None = Field(
        default=None, description="Older: the port beside `host`.", json_schema_extra={"deprecated": True}
    )
    outbound_address: SipAddress | None = Field(
        default=None, description="Older name of `address`.", json_schema_extra={"deprecated": True}
    )
    username: Username | None = Field(
        default=None, description="Older name of `auth_username`.", json_schema_extra={"deprecated": True}
    )
    password: Password | None = Field(
        default=None, description="Older name of `auth_password`.", json_schema_extra={"deprecated": True}
    )


def _given(*names: str) -> dict[str, Any]:
    """In JSON Schema: these texts are there, and not null."""
    return {"required": list(names), "properties": {name: {"type": "string"} for name in names}}


_WAYS_TO_WRITE_A_TRUNK: list[Any] = [
    {"title": "by today's names", **_given("provider", "address")},
    {"title": "by `outbound_address`", **_given("outbound_address"), "not": {"required": ["address"]}},
    {"title": "by `host`", **_given("host"), "not": {"required": ["address"]}},
]


_EXAMPLE: dict[str, Any] = {
    "name": "Main line",
    "provider": "Example Telecom",
    "address": "sip.example.com:5060",
    "transport": "tls",
    "auth_username": "user123",
    "auth_password": "a long password",
}


class TrunkCreate(TrunkFields):
    """A new trunk: `name`, `provider` and `address` are required."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _WAYS_TO_WRITE_A_TRUNK, "examples": [_EXAMPLE]})

    name: Name = Field(description="What people call the trunk.")


class TrunkUpdate(TrunkFields):
    """Changes to a trunk: absent = unchanged, null = cleared."""

    name: Name = Field(default_factory=str, description="What people call the trunk.")


class TrunkObject(TrunkSettings):
    """A SIP trunk: a provider's or an own telephone system's server that calls go through."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # every answer has every field

    id: str = Field(description="The trunk's id.", json_schema_extra={"format": "uuid"})
    org_id: str = Field(description="The organization it belongs to.", json_schema_extra={"format": "uuid"})
    name: Name = Field(description="What people call the trunk.")
    created_at: datetime = Field(description="When the trunk was made.")
    updated_at: datetime = Field(description="When the trunk last changed.")


class TrunkAnswer(BaseModel):
    trunk: TrunkObject = Field(description="The trunk.")
    sip_trunk: TrunkObject = Field(description="The same, by its older name.", json_schema_extra={"deprecated": True})


class TrunksAnswer(BaseModel):
    trunks: list[TrunkObject] = Field(description="Newest first.")
