"""SIP trunks as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialtone.platform.fields import Between, Matches, Part, PhoneNumber
from dialtone.platform.numbering import OutboundFormat
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
CountryCode = Annotated[
    str, Matches("[1-9][0-9]{0,2}", "must be a country's calling code of 1 to 3 digits, without a plus sign")
]


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
    auth_username: Username | None = Field(
        default=None,
        description="User name for digest authentication. Without `auth_password` the server logs in nowhere.",
    )
    inbound_addresses: Annotated[list[Network], Field(max_length=50)] | None = Field(
        default=None,
        description="IP addresses and networks that the provider calls from, beside those of `address`. No network may "
        "be wider than /16 (IPv6: /32).",
        examples=[["192.0.2.10", "198.51.100.0/24"]],
    )
    outbound_number: PhoneNumber | None = Field(
        default=None,
        description="The caller number that calls through the trunk show, in place of that of the number they are "
        "placed from: for providers that take no other. Also the number that was called where a call comes in over "
        "the trunk's registration and names none.",
        examples=["+31201234567"],
    )
    registers: bool = Field(
        default=False,
        alias="register",
        description="Whether the server registers at `address` (SIP REGISTER), for providers that send calls only to "
        "who is registered. Needs `auth_username` and `auth_password`. Ours.",
    )
    register_expires: Annotated[int, Between(60, 86_400)] = Field(
        default=600, description="Seconds that a registration is asked for; it is renewed in time. Ours."
    )
    priority: Annotated[int, Between(0, 1000)] = Field(
        default=100,
        description="Which trunk calls go out through: the lowest first, and of equals the newest. Where it fails the "
        "next one is tried. Ours.",
    )
    max_channels: Annotated[int, Between(1, 10_000)] | None = Field(
        default=None,
        description="How many calls the trunk carries at a time, in and out together; null = as many as come. Ours.",
        examples=[10],
    )
    max_calls_per_second: Annotated[float, Between(0.01, 1000)] | None = Field(
        default=None,
        description="How many calls may be begun through the trunk in a second; null = as many as come. A call waits "
        "up to 3 s for its turn. Ours.",
        examples=[1],
    )
    country_code: CountryCode | None = Field(
        default=None,
        description="Calling code of the country whose national numbers the trunk's calls show, like `31`; null = only "
        "international forms are understood. Ours.",
        examples=["31"],
    )
    national_prefix: Annotated[str, Matches("[0-9]{0,5}", "must be at most 5 digits")] = Field(
        default="0",
        description="What stands before a national number; empty where nothing does, as in Italy, or for the ten "
        "digits of North America. Ours.",
    )
    international_prefix: Annotated[str, Matches("[0-9]{1,5}", "must be 1 to 5 digits")] = Field(
        default="00",
        description="What is dialled before the country's code in place of a plus sign, like `00` or `011`. Ours.",
    )
    outbound_format: OutboundFormat = Field(
        default="e164",
        description="How numbers are written to the trunk: `e164` (+31201234567), `e164_without_plus` (31201234567), "
        "`national` (0201234567, and those of other countries with the international prefix; needs `country_code`) or "
        "`international_prefix` (0031201234567). Ours.",
    )
    outbound_from: Literal["number", "account"] = Field(
        default="number",
        description="Who calls in From: the `number`, or for providers that know their customers by it the `account` "
        "(`auth_username`). The number is in P-Asserted-Identity in any case, and with `account` in "
        "P-Preferred-Identity, too. Ours.",
    )
    keep_alive: bool = Field(
        default=True,
        description="Whether the server at `address` is asked every so often whether it is there (SIP OPTIONS), which "
        "also holds the way through a NAT open. Calls go out through a trunk that does not answer only after all "
        "others. Ours.",
    )
    is_active: bool = Field(default=True, description="An inactive trunk places no calls, and lets none in.")


class TrunkFields(TrunkSettings):
    """What can be set on a trunk, also by the older names."""

    auth_password: Password | None = Field(
        default=None,
        description="Password for digest authentication. Needs `auth_username`. Stored encrypted, never shown.",
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


class RegistrationObject(BaseModel):
    """How it goes with a trunk's registration at its provider."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    state: Literal["pending", "registered", "failing"] = Field(
        description="`pending`: no answer of the provider yet. While it is `failing` it is tried again."
    )
    since: datetime = Field(description="When that began.")
    status: Annotated[int, Field(ge=200, le=699, examples=[200])] | None = Field(
        description="SIP status of the provider's answer; null before the first, and where none came."
    )
    reason: Annotated[str, Field(max_length=500)] | None = Field(
        description="The same in words.", examples=["The provider refused the registration (403 Forbidden)."]
    )


class TrunkObject(TrunkSettings):
    """A SIP trunk: a provider's or an own telephone system's server that calls go through."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # every answer has every field

    id: str = Field(description="The trunk's id.", json_schema_extra={"format": "uuid"})
    org_id: str = Field(description="The organization it belongs to.", json_schema_extra={"format": "uuid"})
    name: Name = Field(description="What people call the trunk.")
    registration: RegistrationObject | None = Field(
        description="How it goes with the registration; null for a trunk that has none. Ours."
    )
    reachable: bool | None = Field(
        description="Whether the server at `address` answered when it was asked last; null = not known, or "
        "`keep_alive` is off. Ours."
    )
    created_at: datetime = Field(description="When the trunk was made.")
    updated_at: datetime = Field(description="When the trunk last changed.")


class TrunkAnswer(BaseModel):
    trunk: TrunkObject = Field(description="The trunk.")
    sip_trunk: TrunkObject = Field(description="The same, by its older name.", json_schema_extra={"deprecated": True})


class TrunksAnswer(BaseModel):
    trunks: list[TrunkObject] = Field(description="Newest first.")
