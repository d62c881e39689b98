"""Assistants: made, changed, looked up, deleted, and resolved for a call."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Subquery, func
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.assistants.blocks import FIELDS as BLOCKS
from dialtone.assistants.blocks import Vendors
from dialtone.assistants.preparing import DEFAULTS, Preparer
from dialtone.assistants.resolving import ResolvedAssistant, Resolver
from dialtone.assistants.schemas import AssistantCreate, AssistantFields, AssistantUpdate
from dialtone.assistants.secrets import masked
from dialtone.assistants.tables import Assistant
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.db import Database, iso, new_id, now
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.problems import problem
from dialtone.platform.rows import changes_of
from dialtone.platform.tenancy import (
    OwnedLookUps,
    change_if_unchanged,
    get_owned,
    hold_owned,
    refuse_above_limit,
    select_owned,
)
from dialtone.settings import Settings

MAX_ASSISTANTS = 1000
"""Assistants of one organization."""

MAX_RESOLVED = 100
"""Assistants that are kept as calls need them, since resolving takes a change of threads."""

READ_AT_ONCE = 10
"""Assistants read in one go: up to 3 ms of the event loop's time at their usual size."""

MAX_TRIES = 100
"""Of a change, each of which another change came before. One of those that are in each other's way always succeeds."""

FIELDS = ("name", *DEFAULTS)

_BLOCKS = frozenset({*BLOCKS, "analysis_plan", "speech_config"})

OwnKeys = Callable[[str], Awaitable[frozenset[str]]]
"""The vendors of which an organization has keys of its own."""
Found = TypeVar("Found")


class Assistants:
    """The assistants of every organization. All methods raise `ApiError`: 404 for an id that is unknown or another
    organization's, 400 for fields that break rules.
    """

    def __init__(self, database: Database, secrets: Secrets, settings: Settings, own_keys: OwnKeys) -> None:
        self._database = database
        self._rows = OwnedLookUps(database, Assistant, READ_AT_ONCE)
        self._own_keys = own_keys
        self._preparer = Preparer(
            secrets, Vendors.from_settings(settings), allow_private=settings.allow_private_addresses
        )
        self._resolver = Resolver(self._preparer, secrets)
        self._resolved: dict[tuple[str, datetime], ResolvedAssistant] = {}
        """By id and last change: whatever changes an assistant moves that on."""

    async def create(self, organization_id: str, body: AssistantCreate) -> tuple[dict[str, Any], list[str]]:
        """The new assistant as the API shows it, and the fields that were ignored."""
        own = await self._own_keys(organization_id)
        values, ignored = await self._prepare(body, None, own)
        async with self._database.write() as session:
            await refuse_above_limit(session, Assistant, organization_id, MAX_ASSISTANTS, "assistants")
            moment = now()
            row = {"id": new_id(), "created_at": moment, "updated_at": moment, **values}
            session.add(Assistant(organization_id=organization_id, **row))
        return show(row), ignored

    async def list_all(self, organization_id: str) -> list[dict[str, Any]]:
        """All of an organization's assistants, newest first."""
        columns = select_owned(Assistant, organization_id).with_only_columns(*Assistant.__table__.c)
        newest_first = columns.order_by(Assistant.created_at.desc(), Assistant.id.desc())
        async with self._database.read() as session:
            rows = await session.stream(newest_first.execution_options(yield_per=READ_AT_ONCE))
            return [show(row._asdict()) async for row in rows]

    async def get(self, organization_id: str, assistant_id: str) -> dict[str, Any]:
        return show(_found(await self._rows.get(organization_id, assistant_id)))

    async def update(
        self, organization_id: str, assistant_id: str, body: AssistantUpdate
    ) -> tuple[dict[str, Any], list[str]]:
        """The changed assistant as the API shows it, and the fields that were ignored."""
        for _ in range(MAX_TRIES):
            row = _found(await self._rows.get(organization_id, assistant_id))
            own = await self._own_keys_for(organization_id, body.model_fields_set)
            values, ignored = await self._prepare(body, _values(row), own)
            changes = changes_of(row, values)
            if not changes or await change_if_unchanged(self._database, Assistant, row, changes):
                return show({**row, **changes}), ignored
        raise ApiError(409, "changed_meanwhile", "Conflict", "Others change this assistant all the time; try again.")

    async def close(self) -> None:
        await self._rows.close()

    async def delete(self, organization_id: str, assistant_id: str) -> None:
        async with self._database.write() as session:
            await session.delete(_found(await get_owned(session, Assistant, organization_id, assistant_id, lock=True)))

    async def count_active(self, organization_id: str) -> int:
        active = select_owned(Assistant, organization_id).where(Assistant.is_active).with_only_columns(func.count())
        async with self._database.read() as session:
            return await session.scalar(active) or 0

    def names(self, organization_id: str) -> Subquery:
        """`id`, `name` and `business_name` of the organization's assistants, for another room's query to join."""
        columns = (Assistant.id, Assistant.name, Assistant.business_name)
        return select_owned(Assistant, organization_id).with_only_columns(*columns).subquery("assistant_names")

    async def hold(self, session: AsyncSession, organization_id: str, assistant_id: str) -> str | None:
        """The id of the organization's assistant, kept from being deleted until the transaction ends; None for an
        unknown one.
        """
        return await hold_owned(session, Assistant, organization_id, assistant_id)

    async def resolve(
        self,
        organization_id: str,
        assistant_id: str | None = None,
        override: dict[str, Any] | None = None,
        transient: dict[str, Any] | None = None,
    ) -> ResolvedAssistant:
        """The assistant of one call: a stored one, a stored one with `override` merged over it block by block, or
        `transient`, given whole for this call. Also raises `crypto.SecretKeyError`.
        """
        if transient is not None and (assistant_id is not None or override is not None):
            raise ApiError(
                400,
                "invalid_request",
                "Invalid request",
                "Give either assistant, or assistant_id with an optional assistant_override.",
            )
        if transient is not None:
            own = await self._own_keys_for(organization_id, transient)
            return await asyncio.to_thread(self._resolver.transient, transient, own)
        if assistant_id is None:
            raise ApiError(400, "missing_field", "Invalid request", "Give assistant_id or assistant.")
        row = await self._rows.get(organization_id, assistant_id)
        if row is None:
            rule = "must be the id of one of your assistants"
            raise not_found("assistant", [problem("assistant_id", rule, assistant_id)])
        if override:
            own = await self._own_keys_for(organization_id, override)
            return await asyncio.to_thread(self._resolver.stored, row["id"], _values(row), override, own)
        version = row["id"], row["updated_at"]
        resolved = self._resolved.get(version)
        if resolved is None:
            resolved = await asyncio.to_thread(self._resolver.stored, row["id"], _values(row), None)
            if len(self._resolved) >= MAX_RESOLVED:
                self._resolved.clear()
            self._resolved[version] = resolved
        return resolved

    async def _prepare(
        self, body: AssistantFields, stored: Mapping[str, Any] | None, own: frozenset[str]
    ) -> tuple[dict[str, Any], list[str]]:
        """Config blocks take time with their size and are checked in a thread; all else is done before one starts."""
        if stored is not None and _BLOCKS.isdisjoint(body.model_fields_set):
            return self._preparer.prepare(body, stored, own_keys=own)
        return await asyncio.to_thread(self._preparer.prepare, body, stored, own_keys=own)

    async def _own_keys_for(self, organization_id: str, fields: Collection[str]) -> frozenset[str]:
        """Own keys decide only how config blocks are filled in and checked: nothing is asked where none is given."""
        if BLOCKS.keys().isdisjoint(fields):
            return frozenset()
        return await self._own_keys(organization_id)


def _found(row: Found | None) -> Found:
    if row is None:
        raise not_found("assistant")
    return row


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}


def show(row: Mapping[str, Any]) -> dict[str, Any]:
    """An assistant as the API shows it."""
    values = {"id": row["id"], **_values(row)}
    values |= {name: iso(row[name]) for name in ("created_at", "updated_at")}
    if float(row["silence_timeout_seconds"]).is_integer():
        values["silence_timeout_seconds"] = int(row["silence_timeout_seconds"])
    values["webhook_secret"] = MASK if row["webhook_secret"] is not None else None
    values["llm_config"] = masked(row["llm_config"])
    return values
