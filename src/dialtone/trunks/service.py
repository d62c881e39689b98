"""SIP trunks: made, changed, looked up, deleted, and chosen for a call."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ScalarResult, Subquery, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database, iso, now, parse_id
from dialtone.platform.errors import invalid, not_found
from dialtone.platform.fields import READ_ONLY, given, ignored_fields
from dialtone.platform.problems import problem
from dialtone.platform.rows import apply_changes
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed
from dialtone.platform.tenancy import get_owned, hold_owned, refuse_above_limit, select_owned
from dialtone.trunks.addresses import DEFAULT_PORT, DEFAULT_TLS_PORT, split
from dialtone.trunks.older_names import modern
from dialtone.trunks.schemas import TrunkCreate, TrunkFields, TrunkSettings, TrunkUpdate
from dialtone.trunks.tables import Trunk

MAX_TRUNKS = 100
"""Trunks of one organization."""

DEFAULTS: dict[str, Any] = {
    name: setting.get_default() for name, setting in TrunkSettings.model_fields.items() if name != "address"
}
SHOWN = ("name", *TrunkSettings.model_fields)


@dataclass(frozen=True, slots=True)
class DialingTrunk:
    """A trunk as whoever dials needs it."""

    id: str
    name: str
    host: str
    """A name or an IP address, without brackets."""
    port: int
    transport: str
    """`udp`, `tcp` or `tls`."""
    auth_username: str | None
    _auth_password: str | None = field(repr=False)
    _secrets: Secrets = field(repr=False, compare=False)

    def password(self) -> str | None:
        """Raises `crypto.SecretKeyError`."""
        return None if self._auth_password is None else self._secrets.decrypt(self._auth_password)


@dataclass(frozen=True, slots=True)
class CallingTrunk:
    """A trunk as whoever lets its calls in needs it."""

    id: str
    organization_id: str
    host: str
    """A name or an IP address, without brackets."""
    port: int | None
    transport: str
    inbound_addresses: tuple[str, ...]
    """IP addresses and networks that its calls come from, beside those of `host`."""
    auth_username: str | None
    _auth_password: str | None = field(repr=False)
    _secrets: Secrets = field(repr=False, compare=False)

    @property
    def has_password(self) -> bool:
        return self._auth_password is not None

    def password(self) -> str | None:
        """Raises `crypto.SecretKeyError`."""
        return None if self._auth_password is None else self._secrets.decrypt(self._auth_password)


class Trunks:
    """The trunks of every organization. Methods raise `ApiError`: 404 for an id that is unknown or another
    organization's, 400 for fields that break rules.
    """

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets

    async def create(self, organization_id: str, body: TrunkCreate) -> tuple[dict[str, Any], list[str]]:
        """The new trunk as the API shows it, and the fields that were ignored."""
        values, ignored = self._prepare(body, None)
        _require(body, values)
        moment = now()
        async with self._database.write() as session:
            await refuse_above_limit(session, Trunk, organization_id, MAX_TRUNKS, "trunks")
            row = Trunk(organization_id=organization_id, created_at=moment, updated_at=moment, **{**DEFAULTS, **values})
            session.add(row)
        return show(row), ignored

    async def list_all(self, organization_id: str) -> list[dict[str, Any]]:
        """All of an organization's trunks, newest first."""
        newest_first = select_owned(Trunk, organization_id).order_by(Trunk.created_at.desc(), Trunk.id.desc())
        async with self._database.read() as session:
            return [show(row) for row in await session.scalars(newest_first)]

    async def get(self, organization_id: str, trunk_id: str) -> dict[str, Any]:
        async with self._database.read() as session:
            return show(await _row(session, organization_id, trunk_id))

    async def update(self, organization_id: str, trunk_id: str, body: TrunkUpdate) -> tuple[dict[str, Any], list[str]]:
        """The changed trunk as the API shows it, and the fields that were ignored."""
        async with self._database.write() as session:
            row = await _row(session, organization_id, trunk_id, lock=True)
            values, ignored = self._prepare(body, row)
            apply_changes(row, values)
        return show(row), ignored

    async def delete(self, organization_id: str, trunk_id: str) -> None:
        """Numbers that transferred through the trunk go on without one."""
        async with self._database.write() as session:
            await session.delete(await _row(session, organization_id, trunk_id, lock=True))

    # For other rooms

    def names(self, organization_id: str) -> Subquery:
        """`id` and `name` of the organization's trunks, for another room's query to join."""
        return select_owned(Trunk, organization_id).with_only_columns(Trunk.id, Trunk.name).subquery("trunk_names")

    async def hold(self, session: AsyncSession, organization_id: str, trunk_id: str) -> str | None:
        """The id of the organization's trunk, kept from being deleted until the transaction ends; None for an
        unknown one.
        """
        return await hold_owned(session, Trunk, organization_id, trunk_id)

    async def get_for_dialing(
        self, session: AsyncSession, organization_id: str, trunk_id: str | None = None
    ) -> DialingTrunk | None:
        """The active trunk with this id, or the organization's newest active one; None where there is none."""
        active = select_owned(Trunk, organization_id).where(Trunk.is_active)
        if trunk_id is not None:
            canonical = parse_id(trunk_id)
            if canonical is None:
                return None
            active = active.where(Trunk.id == canonical)
        newest = active.order_by(Trunk.created_at.desc(), Trunk.id.desc()).limit(1)
        row: Trunk | None = await session.scalar(newest)
        if row is None:
            return None
        host, port = split(row.address)
        return DialingTrunk(
            row.id,
            row.name,
            host,
            port or (DEFAULT_TLS_PORT if row.transport == "tls" else DEFAULT_PORT),
            row.transport,
            row.auth_username,
            row.auth_password,
            self._secrets,
        )

    async def calling(self, session: AsyncSession) -> list[CallingTrunk]:
        """All active trunks of the deployment: a call comes from an address, and whose that is is found out by it."""
        rows: ScalarResult[Trunk] = await session.scalars(select(Trunk).where(Trunk.is_active).order_by(Trunk.id))
        return [
            CallingTrunk(
                row.id,
                row.organization_id,
                *split(row.address),
                row.transport,
                tuple(row.inbound_addresses or ()),
                row.auth_username,
                row.auth_password,
                self._secrets,
            )
            for row in rows
        ]

    def _prepare(self, body: TrunkFields, stored: Trunk | None) -> tuple[dict[str, Any], list[str]]:
        values, unused = modern(given(body), stored.address if stored else None)
        password = values.get("auth_password")
        if password is not None:
            values["auth_password"] = sealed(self._secrets, password, stored.auth_password if stored else None)
            if values["auth_password"] is None:
                raise invalid([problem("auth_password", MASK_WITHOUT_SECRET)])
        return values, unused + [name for name in ignored_fields(body) if name not in READ_ONLY]


def _require(body: TrunkCreate, values: dict[str, Any]) -> None:
    """The older ways to write a trunk know no provider. Raises `ApiError` (400)."""
    by_today = "address" in body.model_fields_set or "address" not in values
    required = ("provider", "address") if by_today else ("address",)
    if missing := [problem(name, "is required") for name in required if values.get(name) is None]:
        raise invalid(missing)


async def _row(session: AsyncSession, organization_id: str, trunk_id: str, *, lock: bool = False) -> Trunk:
    row = await get_owned(session, Trunk, organization_id, trunk_id, lock=lock)
    if row is None:
        raise not_found("trunk")
    return row


def show(row: Trunk) -> dict[str, Any]:
    """A trunk as the API shows it."""
    return {
        "id": row.id,
        "org_id": row.organization_id,
        **{name: getattr(row, name) for name in SHOWN},
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
