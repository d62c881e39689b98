"""Phone numbers: registered, linked to assistants and trunks, looked up, deleted, and chosen for a call."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.assistants.service import Assistants
from dialtone.numbers.schemas import NUMBER_READ_ONLY, NumberCreate, NumberFields, NumberUpdate
from dialtone.numbers.tables import Number
from dialtone.platform.batches import Batches
from dialtone.platform.db import Database, iso, now, parse_id
from dialtone.platform.errors import ApiError, invalid, not_found
from dialtone.platform.fields import given, ignored_fields
from dialtone.platform.phone_numbers import canonical
from dialtone.platform.problems import problem
from dialtone.platform.rows import apply_changes, is_duplicate
from dialtone.platform.tenancy import OWNER, get_owned, owned_by, refuse_above_limit, select_owned
from dialtone.trunks.service import Trunks

MAX_NUMBERS = 1000
"""Numbers of one organization."""

_CALLED = select(
    *(
        Number.__table__.c[name]
        for name in ("id", "organization_id", "phone_number", "name", "assistant_id", "transfer_trunk_id", "carrier")
    )
).where(Number.phone_number.in_(bindparam("called", expanding=True)))
_ACTIVE = _CALLED.where(Number.is_active)
"""Made once: it is asked for every call that comes in."""
_INACTIVE = _CALLED.where(owned_by(Number, OWNER), ~Number.is_active).limit(1)


@dataclass(frozen=True, slots=True)
class OutboundNumber:
    """A number to call from."""

    id: str
    phone_number: str
    """E.164."""
    trunk_id: str | None
    """The trunk to call through; None = the organization's newest."""
    name: str | None = None
    """How the organization calls it."""
    carrier: str | None = None
    """The carrier to call through; None = a trunk."""


@dataclass(frozen=True, slots=True)
class InboundNumber:
    """A number that was called."""

    id: str
    organization_id: str
    phone_number: str
    """E.164."""
    name: str | None
    assistant_id: str | None
    trunk_id: str | None
    """The trunk for transfers."""
    carrier: str | None = None
    """The carrier that it is at; None = a trunk's."""


class Numbers:
    """The numbers of every organization. Methods raise `ApiError`: 404 for an id that is unknown or another
    organization's, 400 for fields that break rules, 409 for a number that is registered already.
    """

    def __init__(
        self, database: Database, assistants: Assistants, trunks: Trunks, public_url: str | None = None
    ) -> None:
        """`public_url`: how others reach this server, where it is known."""
        self._database = database
        self._public_url = None if public_url is None else public_url.rstrip("/")
        self._assistants = assistants
        self._trunks = trunks
        self._called: Batches[tuple[str, ...], list[InboundNumber]] = Batches(self._look_up)

    async def create(self, organization_id: str, body: NumberCreate) -> tuple[dict[str, Any], list[str]]:
        """The new number as the API shows it, and the fields that were ignored."""
        moment = now()
        try:
            async with self._database.write() as session:
                await refuse_above_limit(session, Number, organization_id, MAX_NUMBERS, "numbers")
                row = Number(
                    organization_id=organization_id,
                    phone_number=body.phone_number,
                    name=body.name,
                    carrier=body.carrier,
                    is_active=body.is_active,
                    created_at=moment,
                    updated_at=moment,
                    **await self._links(session, organization_id, body, None),
                )
                session.add(row)
                await session.flush()
                shown = await self._shown(session, organization_id, row.id)
        except IntegrityError as error:
            if not is_duplicate(error):
                raise
            raise _taken(body.phone_number) from None
        return shown, _ignored(body, None)

    async def list_all(self, organization_id: str) -> list[dict[str, Any]]:
        """All of an organization's numbers, newest first."""
        newest_first = self._with_names(organization_id).order_by(Number.created_at.desc(), Number.id.desc())
        async with self._database.read() as session:
            return [self._show(row) for row in await session.execute(newest_first)]

    async def get(self, organization_id: str, number_id: str) -> dict[str, Any]:
        async with self._database.read() as session:
            return await self._shown(session, organization_id, number_id)

    async def update(
        self, organization_id: str, number_id: str, body: NumberUpdate
    ) -> tuple[dict[str, Any], list[str]]:
        """The changed number as the API shows it, and the fields that were ignored."""
        changes = {name: value for name, value in given(body).items() if name in ("name", "carrier", "is_active")}
        async with self._database.write() as session:
            stored = await _row(session, organization_id, number_id)
            # What the number is to refer to is locked before the number itself: whoever deletes an assistant or a
            # trunk locks in that order too, and neither waits for the other for ever.
            changes |= await self._links(session, organization_id, body, stored)
            row = await _row(session, organization_id, number_id, lock=True)
            apply_changes(row, changes)
            await session.flush()
            shown = await self._shown(session, organization_id, row.id)
        return shown, _ignored(body, row)

    async def delete(self, organization_id: str, number_id: str) -> None:
        async with self._database.write() as session:
            await session.delete(await _row(session, organization_id, number_id, lock=True))

    # For other rooms

    async def count_active(self, organization_id: str) -> int:
        active = select_owned(Number, organization_id).where(Number.is_active).with_only_columns(func.count())
        async with self._database.read() as session:
            return await session.scalar(active) or 0

    async def for_outbound(
        self, session: AsyncSession, organization_id: str, number_id: str | None = None
    ) -> OutboundNumber | None:
        """The number with this id, or the organization's oldest active one: who calls back reaches the same number.

        None where the organization has no active number. Raises `ApiError` (400) for a `number_id` that is unknown
        or not active.
        """
        if number_id is not None:
            row = await get_owned(session, Number, organization_id, number_id)
            if row is None:
                raise invalid([problem("number_id", "must be the id of one of your numbers", number_id)])
            if not row.is_active:
                raise invalid([problem("number_id", "must be the id of an active number", number_id)])
        else:
            active = select_owned(Number, organization_id).where(Number.is_active)
            row = await session.scalar(active.order_by(Number.created_at, Number.id).limit(1))
        return (
            None
            if row is None
            else OutboundNumber(row.id, row.phone_number, row.transfer_trunk_id, row.name, row.carrier)
        )

    async def for_inbound(self, called: str) -> InboundNumber | None:
        """The active number that was called, whosever it is; None where nobody registered it."""
        number = canonical(called)
        return None if number is None else (await self.for_inbound_among([number])).get(number)

    async def for_inbound_among(self, called: Collection[str]) -> dict[str, InboundNumber]:
        """Those of these numbers, in E.164 form, that are registered and active, whosever they are."""
        found = await self._called.ask(tuple(called))
        return {number.phone_number: number for number in found}

    async def inactive_among(self, organization_id: str, called: Collection[str]) -> InboundNumber | None:
        """One of these numbers, in E.164 form, that the organization has and that is not active."""
        if not called:
            return None
        rows = await self._database.look_up(_INACTIVE, {OWNER.key: organization_id, "called": list(called)})
        return next(map(_inbound, rows), None)

    async def close(self) -> None:
        await self._called.close()

    async def _look_up(self, questions: Sequence[tuple[str, ...]]) -> list[list[InboundNumber]]:
        called = list({number for numbers in questions for number in numbers})
        rows = await self._database.look_up(_ACTIVE, {"called": called})
        found = {row["phone_number"]: _inbound(row) for row in rows}
        return [[found[number] for number in numbers if number in found] for numbers in questions]

    async def _links(
        self, session: AsyncSession, organization_id: str, body: NumberFields, stored: Number | None
    ) -> dict[str, str | None]:
        """What `body` changes of the ids that the number refers to, each held until the transaction ends."""
        links: dict[str, str | None] = {}
        for column, names, hold, thing in (
            ("assistant_id", ("agent_id", "assistant_id"), self._assistants.hold, "assistants"),
            ("transfer_trunk_id", ("transfer_trunk_id",), self._trunks.hold, "SIP trunks"),
        ):
            old = getattr(stored, column) if stored else None
            new = _new_reference(body, names, old)
            if new is None:
                continue
            name, reference = new
            links[column] = None if reference is None else await hold(session, organization_id, reference)
            if reference is not None and links[column] is None:
                raise invalid([problem(name, f"must be the id of one of your {thing}", reference)])
        return links

    def _with_names(self, organization_id: str) -> Select[Any]:
        """Numbers with the names of what they refer to, as they are now."""
        assistant, trunk = self._assistants.names(organization_id), self._trunks.names(organization_id)
        return (
            select_owned(Number, organization_id)
            .add_columns(
                assistant.c.name.label("assistant_name"),
                assistant.c.business_name.label("business_name"),
                trunk.c.name.label("trunk_name"),
            )
            .outerjoin(assistant, assistant.c.id == Number.assistant_id)
            .outerjoin(trunk, trunk.c.id == Number.transfer_trunk_id)
        )

    async def _shown(self, session: AsyncSession, organization_id: str, number_id: str) -> dict[str, Any]:
        canonical_id = parse_id(number_id)
        found = None
        if canonical_id is not None:
            query = self._with_names(organization_id).where(Number.id == canonical_id)
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise not_found("number")
        return self._show(found)

    def _show(self, found: Row[Any]) -> dict[str, Any]:
        shown = _show(found)
        if self._public_url is not None and shown["carrier"] is not None:
            shown["carrier_url"] = f"{self._public_url}/carriers/{shown['carrier']}/voice"
        return shown


async def numbers_at_carriers(session: AsyncSession) -> list[tuple[str, str, int]]:
    """Organizations, carriers, and how many active numbers of the one are at the other."""
    counted = select(Number.organization_id, Number.carrier, func.count()).where(Number.is_active)
    at_carriers = counted.where(Number.carrier.is_not(None)).group_by(Number.organization_id, Number.carrier)
    return [(owner, carrier, count) for owner, carrier, count in await session.execute(at_carriers) if carrier]


def _inbound(row: Mapping[str, Any]) -> InboundNumber:
    return InboundNumber(
        row["id"],
        row["organization_id"],
        row["phone_number"],
        row["name"],
        row["assistant_id"],
        row["transfer_trunk_id"],
        row["carrier"],
    )


def _new_reference(body: NumberFields, names: tuple[str, ...], stored: str | None) -> tuple[str, str | None] | None:
    """The field that changes a reference, and its value; None where nothing changes.

    An object that was read carries the reference under each of `names`: where a client then changed one of them, the
    other still holds what is stored. Raises `ApiError` (400) for two different changes.
    """
    offered = {name: _canonical_id(getattr(body, name)) for name in names if name in body.model_fields_set}
    changed = {name: value for name, value in offered.items() if value != stored}
    if len(set(changed.values())) > 1:
        raise invalid([problem(names[0], f"must be the same as {names[1]}, its other name", offered[names[0]])])
    return next(iter(changed.items()), None)


def _canonical_id(reference: str | None) -> str | None:
    return None if reference is None else parse_id(reference) or reference


def _ignored(body: NumberFields, stored: Number | None) -> list[str]:
    ignored = [name for name in ignored_fields(body) if name not in NUMBER_READ_ONLY]
    extra: Mapping[str, Any] = body.model_extra or {}
    if stored is not None and isinstance(sent := extra.get("phone_number"), str):
        ignored = [name for name in ignored if name != "phone_number" or canonical(sent) != stored.phone_number]
    return ignored


async def _row(session: AsyncSession, organization_id: str, number_id: str, *, lock: bool = False) -> Number:
    row = await get_owned(session, Number, organization_id, number_id, lock=lock)
    if row is None:
        raise not_found("number")
    return row


def _taken(number: str) -> ApiError:
    """The same whoever has the number: which organization does is nobody else's business."""
    words = "A number can be registered once in a deployment."
    details = [problem("phone_number", "must not be registered already", number)]
    return ApiError(409, "number_taken", "Number already registered", words, details)


def _show(found: Row[Any]) -> dict[str, Any]:
    """A number as the API shows it."""
    row: Number = found[0]
    return {
        "id": row.id,
        "phone_number": row.phone_number,
        "name": row.name,
        "agent_id": row.assistant_id,
        "agent_name": found.assistant_name,
        "assistant_id": row.assistant_id,
        "assistant_name": found.assistant_name,
        "business_name": found.business_name,
        "transfer_trunk_id": row.transfer_trunk_id,
        "transfer_trunk_name": found.trunk_name,
        "carrier": row.carrier,
        "carrier_url": None,
        "workflow_id": None,
        "workflow_name": None,
        "source": None,
        "is_active": row.is_active,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
