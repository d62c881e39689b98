"""SIP trunks: made, changed, looked up, deleted, and chosen for a call."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database, iso, now, parse_id
from dialtone.platform.errors import invalid, not_found
from dialtone.platform.fields import READ_ONLY, given, ignored_fields
from dialtone.platform.problems import problem
from dialtone.platform.rows import apply_changes
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed
from dialtone.platform.tenancy import OWNER, get_owned, hold_owned, refuse_above_limit, select_owned
from dialtone.trunks.keep_alives import is_known_of_trunk
from dialtone.trunks.older_names import modern
from dialtone.trunks.registrations import show_registration
from dialtone.trunks.schemas import TrunkCreate, TrunkFields, TrunkSettings, TrunkUpdate
from dialtone.trunks.tables import Trunk, TrunkKeepAlive, TrunkRegistration
from dialtone.trunks.uses import CALLING, DIALING, CallingTrunk, DialingTrunk, calling, dialing, trunks

MAX_TRUNKS = 100
"""Trunks of one organization."""

_SETTINGS = {setting.alias or name: setting for name, setting in TrunkSettings.model_fields.items()}
"""By their names on the wire, which are the columns'."""
DEFAULTS: dict[str, Any] = {name: setting.get_default() for name, setting in _SETTINGS.items() if name != "address"}
SHOWN = ("name", *_SETTINGS)
TRUNK_READ_ONLY = READ_ONLY | {"registration", "reachable"}

MAX_READ = 100
"""Trunks read in one go, so that many never hold up live calls."""

_ACTIVE = (
    select_owned(Trunk, OWNER)
    .where(Trunk.is_active)
    .outerjoin(TrunkKeepAlive, is_known_of_trunk())
    .with_only_columns(*DIALING, TrunkKeepAlive.answers)
    .order_by(Trunk.priority, Trunk.created_at.desc(), Trunk.id.desc())
)


class Trunks:
    """The trunks of every organization. Methods raise `ApiError`: 404 for an id that is unknown or another
    organization's, 400 for fields that break rules.
    """

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self.on_change: list[Callable[[], None]] = []
        """Who wants to know at once that a trunk was made, changed or deleted here; other processes look themselves."""

    async def create(self, organization_id: str, body: TrunkCreate) -> tuple[dict[str, Any], list[str]]:
        """The new trunk as the API shows it, and the fields that were ignored."""
        values, ignored = self._prepare(body, None)
        _require(body, values)
        moment = now()
        async with self._database.write() as session:
            await refuse_above_limit(session, Trunk, organization_id, MAX_TRUNKS, "trunks")
            row = Trunk(organization_id=organization_id, created_at=moment, updated_at=moment, **{**DEFAULTS, **values})
            session.add(row)
        self._tell()
        return show(row, None, None), ignored

    async def list_all(self, organization_id: str) -> list[dict[str, Any]]:
        """All of an organization's trunks, newest first."""
        newest_first = _with_state(organization_id).order_by(Trunk.created_at.desc(), Trunk.id.desc())
        async with self._database.read() as session:
            return [show(*found) for found in await session.execute(newest_first)]

    async def get(self, organization_id: str, trunk_id: str) -> dict[str, Any]:
        async with self._database.read() as session:
            return await self._shown(session, organization_id, trunk_id)

    async def update(self, organization_id: str, trunk_id: str, body: TrunkUpdate) -> tuple[dict[str, Any], list[str]]:
        """The changed trunk as the API shows it, and the fields that were ignored."""
        async with self._database.write() as session:
            row = await _row(session, organization_id, trunk_id, lock=True)
            values, ignored = self._prepare(body, row)
            apply_changes(row, values)
            await session.flush()
            shown = await self._shown(session, organization_id, row.id)
        self._tell()
        return shown, ignored

    async def delete(self, organization_id: str, trunk_id: str) -> None:
        """Numbers that transferred through the trunk go on without one."""
        async with self._database.write() as session:
            await session.delete(await _row(session, organization_id, trunk_id, lock=True))
        self._tell()

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()

    async def _shown(self, session: AsyncSession, organization_id: str, trunk_id: str) -> dict[str, Any]:
        canonical = parse_id(trunk_id)
        if canonical is not None:
            query = _with_state(organization_id).where(Trunk.id == canonical)
            for found in await session.execute(query):
                return show(*found)
        raise not_found("trunk")

    # For other rooms

    def names(self, organization_id: str) -> Subquery:
        """`id` and `name` of the organization's trunks, for another room's query to join."""
        return select_owned(Trunk, organization_id).with_only_columns(Trunk.id, Trunk.name).subquery("trunk_names")

    async def hold(self, session: AsyncSession, organization_id: str, trunk_id: str) -> str | None:
        """The id of the organization's trunk, kept from being deleted until the transaction ends; None for an
        unknown one.
        """
        return await hold_owned(session, Trunk, organization_id, trunk_id)

    async def all_for_dialing(self, organization_id: str) -> list[DialingTrunk]:
        """The organization's active trunks, by priority, and of equals the newest first."""
        rows = await self._database.look_up(_ACTIVE, {OWNER.key: organization_id})
        return [dialing(row, self._secrets) for row in rows]

    async def calling(self, session: AsyncSession, after: str | None) -> list[CallingTrunk]:
        """The next `MAX_READ` trunks of the deployment after the one with this id, active or not: a call comes from an
        address, and whose that is is found out by it.
        """
        some = select(*CALLING).order_by(trunks.c.id).limit(MAX_READ)
        if after is not None:
            some = some.where(trunks.c.id > after)
        return self._calling((await session.execute(some)).mappings().all())

    async def calling_since(self, session: AsyncSession, moment: datetime) -> list[CallingTrunk]:
        """The trunks that were made or changed since."""
        changed = select(*CALLING).where(trunks.c.updated_at >= moment).order_by(trunks.c.id)
        return self._calling((await session.execute(changed)).mappings().all())

    async def count(self, session: AsyncSession) -> int:
        """All trunks of the deployment."""
        return await session.scalar(select(func.count()).select_from(trunks)) or 0

    def _calling(self, rows: Sequence[RowMapping]) -> list[CallingTrunk]:
        return [calling(row, self._secrets) for row in rows]

    def _prepare(self, body: TrunkFields, stored: Trunk | None) -> tuple[dict[str, Any], list[str]]:
        values, unused = modern(given(body), stored.address if stored else None)
        password = values.get("auth_password")
        if password is not None:
            values["auth_password"] = sealed(self._secrets, password, stored.auth_password if stored else None)
            if values["auth_password"] is None:
                raise invalid([problem("auth_password", MASK_WITHOUT_SECRET)])
        effective = {**DEFAULTS, **({name: getattr(stored, name) for name in DEFAULTS} if stored else {}), **values}
        password = effective.get("auth_password", stored.auth_password if stored else None)
        _check_together(effective, password)
        # What older versions stored can still be changed in other things.
        if not effective["auth_username"] and password is not None and {"auth_username", "auth_password"} & set(values):
            raise invalid([problem("auth_username", "is required beside auth_password")])
        return values, unused + [name for name in ignored_fields(body) if name not in TRUNK_READ_ONLY]


def _require(body: TrunkCreate, values: dict[str, Any]) -> None:
    """The older ways to write a trunk know no provider. Raises `ApiError` (400)."""
    by_today = "address" in body.model_fields_set or "address" not in values
    required = ("provider", "address") if by_today else ("address",)
    if missing := [problem(name, "is required") for name in required if values.get(name) is None]:
        raise invalid(missing)


def _check_together(values: Mapping[str, Any], password: str | None) -> None:
    """What a trunk's settings ask of one another. Raises `ApiError` (400)."""
    problems = []
    if values["register"] and (not values["auth_username"] or password is None):
        problems.append(problem("register", "needs auth_username and auth_password"))
    if values["outbound_format"] == "national" and values["country_code"] is None:
        problems.append(problem("outbound_format", "needs country_code to be national", values["outbound_format"]))
    if values["outbound_from"] == "account" and not values["auth_username"]:
        problems.append(problem("outbound_from", "needs auth_username to be account", values["outbound_from"]))
    if values["international_prefix"] == values["national_prefix"]:
        prefix = values["international_prefix"]
        problems.append(problem("international_prefix", "must differ from national_prefix", prefix))
    if problems:
        raise invalid(problems)


def _with_state(organization_id: str) -> Select[Any]:
    """Trunks, their registrations, and whether their servers answer."""
    return (
        select_owned(Trunk, organization_id)
        .add_columns(TrunkRegistration, TrunkKeepAlive.answers)
        .outerjoin(TrunkRegistration, TrunkRegistration.trunk_id == Trunk.id)
        .outerjoin(TrunkKeepAlive, is_known_of_trunk())
    )


async def _row(session: AsyncSession, organization_id: str, trunk_id: str, *, lock: bool = False) -> Trunk:
    row = await get_owned(session, Trunk, organization_id, trunk_id, lock=lock)
    if row is None:
        raise not_found("trunk")
    return row


def show(row: Trunk, registration: TrunkRegistration | None, answers: bool | None) -> dict[str, Any]:
    """A trunk as the API shows it. `answers`: whether its server does, as far as that is known."""
    return {
        "id": row.id,
        "org_id": row.organization_id,
        **{name: getattr(row, name) for name in SHOWN},
        "registration": show_registration(row, registration),
        "reachable": answers,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
