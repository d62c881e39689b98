"""E-mail domains as the API takes and shows them."""

import re
from datetime import datetime
from typing import Annotated, Literal

import idna
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dialtone.platform.fields import Part, rule
from dialtone.platform.patterns import anchored

SYNCED = "Domain synced successfully from Resend"
STATUSES = "`not_started`, `pending`, `verified`, `failed`, `temporary_failure`, `partially_verified` and others"

_NOT_A_DOMAIN = "must be a domain name like mail.example.com"
_ALNUM, _INNER = "[A-Za-z0-9]", "[A-Za-z0-9-]"
_TAIL = f"({_INNER}{{0,2}}{_ALNUM}|{_INNER}({_ALNUM}{_INNER}|-{_ALNUM}){_INNER}{{0,58}}{_ALNUM})?"
"""What follows a label's first letter: at most 63 in all, hyphens as its third and fourth only in IDNA's form."""
_NOT_ASCII = r"[^\x00-\x7f]|^[Xx][Nn]--|\.[Xx][Nn]--"
_ASCII_NAME = rf"({_ALNUM}{_TAIL}\.)+[A-Za-z]{_TAIL}\.?"


def _domain_name(value: str) -> str:
    """The name in ASCII (RFC 5891). Raises pydantic's error for what can't be a domain of the internet."""
    if re.fullmatch(_ASCII_NAME, value):
        return value.removesuffix(".").lower()
    try:
        name = idna.encode(value.removesuffix("."), uts46=True, std3_rules=True).decode()
    except idna.IDNAError:
        name = ""
    last = name.rpartition(".")[2]
    if "." not in name or last.isdigit():
        raise rule(_NOT_A_DOMAIN)
    return name


class DomainCreate(Part):
    """The domain to send mail from."""

    domain_name: Annotated[str, Field(min_length=4, max_length=253), AfterValidator(_domain_name)] = Field(
        description="Best a subdomain of its own. Letters beyond ASCII are stored in their IDNA form.",
        examples=["mail.example.com"],
        json_schema_extra={
            "anyOf": [
                {"title": "ASCII", "pattern": anchored(_ASCII_NAME)},
                {"title": "any language", "format": "idn-hostname", "pattern": _NOT_ASCII},
            ]
        },
    )


class DomainSync(Part):
    """Which domain of your Resend account to use."""

    resend_domain_id: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        alias="resendDomainId",
        description="Its id at Resend, as `GET /domains/sync` lists it.",
        examples=["d91cd9bd-1176-453e-8fc1-35364d380206"],
    )


class DnsRecord(BaseModel):
    """A DNS record that the domain needs."""

    record: str = Field(description="What it is for.", examples=["SPF", "DKIM"])
    name: str = Field(description="Its name, below the domain.", examples=["send"])
    type: str = Field(description="Its type.", examples=["MX", "TXT", "CNAME"])
    ttl: str = Field(description="How long it may be cached.", examples=["Auto"])
    status: str = Field(description="What Resend found when it last looked.", examples=["not_started", "verified"])
    value: str = Field(description="Its value.", examples=["v=spf1 include:amazonses.com ~all"])
    priority: int | None = Field(default=None, description="Of an MX record; absent for others.", examples=[10])


class DomainObject(BaseModel):
    """The domain from which an organization's mail is sent."""

    id: str = Field(description="Its id here.", json_schema_extra={"format": "uuid"})
    org_id: str = Field(description="Whose it is.", json_schema_extra={"format": "uuid"})
    domain_name: str = Field(description="The domain, in ASCII.", examples=["mail.example.com"])
    resend_domain_id: str | None = Field(description="Its id at Resend.")
    status: str = Field(description=f"As Resend tells it: {STATUSES}.", examples=["pending"])
    region: str = Field(description="From where the mail is sent.", examples=["eu-west-1"])
    records: list[DnsRecord] | None = Field(description="The DNS records to set, each with what Resend found.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When anything of it last changed.")
    verified_at: datetime | None = Field(description="When it was first seen verified.")


class DomainAnswer(BaseModel):
    """The organization's domain."""

    domain: DomainObject = Field(description="The domain.")


class OptionalDomainAnswer(BaseModel):
    """The organization's domain, if it has one."""

    domain: DomainObject | None = Field(description="The domain; null where there is none.")


class SyncedAnswer(DomainAnswer):
    """The domain that was chosen."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    message: Literal["Domain synced successfully from Resend"] = Field(
        default="Domain synced successfully from Resend", description="Always the same."
    )


class ResendDomainObject(BaseModel):
    """A domain of a Resend account."""

    id: str = Field(description="Its id at Resend.")
    name: str = Field(description="The domain.", examples=["mail.example.com"])
    status: str = Field(description=f"As Resend tells it: {STATUSES}.", examples=["verified"])
    region: str = Field(description="From where its mail is sent.", examples=["eu-west-1"])


class ResendDomainsAnswer(BaseModel):
    """The domains of the organization's Resend account."""

    domains: list[ResendDomainObject] = Field(description="In Resend's order, at most 1000.")
    selected_domain_id: str | None = Field(description="Resend's id of the organization's domain; null without one.")
