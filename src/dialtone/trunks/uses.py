"""SIP trunks as those need them who dial through one, let its calls in, or register it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import RowMapping, Table

from dialtone.platform.crypto import Secrets
from dialtone.platform.numbering import Numbering, OutboundFormat
from dialtone.trunks.addresses import split
from dialtone.trunks.tables import Trunk

Columns = RowMapping | Mapping[str, Any]
trunks: Table = cast(Table, Trunk.__table__)


@dataclass(frozen=True, slots=True)
class _Account:
    """A trunk's server, and how to log in there."""

    id: str
    organization_id: str
    host: str
    """A name or an IP address, without brackets."""
    port: int | None
    """None: the one that the DNS names, else the transport's own (RFC 3263)."""
    transport: str
    """`udp`, `tcp` or `tls`."""
    auth_username: str | None
    outbound_number: str | None
    numbering: Numbering
    _auth_password: str | None = field(repr=False)
    _secrets: Secrets = field(repr=False, compare=False)

    @property
    def has_password(self) -> bool:
        return self._auth_password is not None

    def password(self) -> str | None:
        """Raises `crypto.SecretKeyError`."""
        return None if self._auth_password is None else self._secrets.decrypt(self._auth_password)


@dataclass(frozen=True, slots=True)
class DialingTrunk(_Account):
    """A trunk as whoever dials needs it."""

    name: str
    outbound_from: str
    """`number` or `account`: who calls, in From."""
    is_silent: bool
    """Its server is known not to answer."""


@dataclass(frozen=True, slots=True)
class CallingTrunk(_Account):
    """A trunk as whoever lets its calls in needs it."""

    is_active: bool
    inbound_addresses: tuple[str, ...]
    """IP addresses and networks that its calls come from, beside those of `host`."""
    max_channels: int | None
    priority: int
    created_at: datetime

    @property
    def logs_in(self) -> bool:
        """Whether its calls can be known by user name and password."""
        return bool(self.auth_username) and self.has_password


@dataclass(frozen=True, slots=True)
class RegisteringTrunk(_Account):
    """A trunk as whoever registers it needs it."""

    register_expires: int
    """Seconds."""
    contact: str
    """User of the address to register."""


_OF_ACCOUNT = (
    *("id", "organization_id", "address", "transport", "auth_username", "outbound_number", "auth_password"),
    *("country_code", "national_prefix", "international_prefix", "outbound_format"),
)
_OF_CALLING = ("is_active", "inbound_addresses", "max_channels", "priority", "created_at")
DIALING = [trunks.c[name] for name in (*_OF_ACCOUNT, "name", "outbound_from")]
CALLING = [trunks.c[name] for name in (*_OF_ACCOUNT, *_OF_CALLING, "updated_at")]
REGISTERING = [trunks.c[name] for name in (*_OF_ACCOUNT, "register_expires")]
"""The columns that each is made of: rows that are read often are not worth a session's care."""


def dialing(row: Columns, secrets: Secrets) -> DialingTrunk:
    return DialingTrunk(
        **_account(row, secrets),
        name=row["name"],
        outbound_from=row["outbound_from"],
        is_silent=row["answers"] is False,
    )


def calling(row: Columns, secrets: Secrets) -> CallingTrunk:
    return CallingTrunk(
        **_account(row, secrets),
        is_active=row["is_active"],
        inbound_addresses=tuple(row["inbound_addresses"] or ()),
        max_channels=row["max_channels"],
        priority=row["priority"],
        created_at=row["created_at"],
    )


def registering(row: Columns, secrets: Secrets) -> RegisteringTrunk:
    return RegisteringTrunk(**_account(row, secrets), register_expires=row["register_expires"], contact=row["contact"])


def _account(row: Columns, secrets: Secrets) -> dict[str, Any]:
    host, port = split(row["address"])
    return {
        "id": row["id"],
        "organization_id": row["organization_id"],
        "host": host,
        "port": port,
        "transport": row["transport"],
        "auth_username": row["auth_username"],
        "outbound_number": row["outbound_number"],
        "numbering": _numbering(row),
        "_auth_password": row["auth_password"],
        "_secrets": secrets,
    }


def _numbering(row: Columns) -> Numbering:
    return Numbering(
        row["country_code"],
        row["national_prefix"],
        row["international_prefix"],
        cast(OutboundFormat, row["outbound_format"]),
    )
