"""A new data key for the whole deployment, while its servers run: `dialtone keys rotate`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.data_keys import REFRESH_SECONDS, DataKey, DataKeys, add_key, all_keys
from dialtone.platform.db import Base, Database, now
from dialtone.platform.stored_secrets import SecretColumn, secret_columns

BATCH_ROWS = 100
SETTLE_SECONDS = 2 * REFRESH_SECONDS
"""After this time every process knows a new data key, and encrypts with it."""
MAX_PASSES = 5

Tell = Callable[[str], None]


class RotationError(Exception):
    """The rotation is not complete. `str()` says why and what to do."""


@dataclass(slots=True)
class _Pass:
    """What one walk over all stored secrets found."""

    renewed: int = 0
    unreadable: list[str] = field(default_factory=list)


async def rotate(database: Database, secrets: Secrets, tell: Tell, settle_seconds: float = SETTLE_SECONDS) -> None:
    """Encrypt every stored secret with a new data key, and every data key with the newest master key.

    It may be killed at any moment and run again: it goes on where it was. Every room's tables must be imported.
    Raises `SecretKeyError` where no configured master key opens the data keys, `RotationError` where secrets remain
    that could not be renewed.
    """
    keys = DataKeys(database, secrets)
    await keys.load()
    newest = await _newest_key(database, secrets, tell)
    await keys.load()
    waiting = (newest.created_at + timedelta(seconds=settle_seconds) - now()).total_seconds()
    if waiting > 0:
        tell(f"waiting {waiting:.0f} s until every running server knows it")
        await asyncio.sleep(waiting)
    await _renew_all(database, secrets, tell)
    async with database.write() as session:
        older = update(DataKey).where(DataKey.id != newest.id, DataKey.retired_at.is_(None))
        await session.execute(older.where(DataKey.created_at <= newest.created_at).values(retired_at=now()))
    tell("done: every stored secret is encrypted with the newest data key")
    if secrets.master_keys > 1:
        tell(
            "no stored key needs the older master keys any more: once every server runs with the newest one in the "
            "first place, take them out of DIALTONE_SECRET_KEY"
        )


async def _newest_key(database: Database, secrets: Secrets, tell: Tell) -> DataKey:
    """The key to encrypt with: a new one, or that of a rotation that was cut short."""
    async with database.startup_lock() as session:
        rows = (await session.scalars(all_keys())).all()
        rewrapped = 0
        for row in rows:
            before, row.wrapped = row.wrapped, secrets.rewrap(row.stored())
            rewrapped += row.wrapped != before
        active = [row for row in rows if row.retired_at is None]
        newest = active[-1] if len(active) > 1 else add_key(session, secrets)
    if rewrapped:
        tell(f"data keys encrypted with the newest master key: {rewrapped}")
    tell(f"data key {newest.id} {'goes on' if len(active) > 1 else 'made'}")
    return newest


async def _renew_all(database: Database, secrets: Secrets, tell: Tell) -> None:
    """Walk over all secrets until none is left: a server may put an older one back in the meantime."""
    for _ in range(MAX_PASSES):
        found = _Pass()
        for table, columns in secret_columns(Base.metadata).items():
            before = found.renewed
            await _renew_table(database, secrets, table, columns, found)
            if found.renewed > before:
                tell(f"rows of {table.name} encrypted with it: {found.renewed - before}")
        if found.unreadable:
            raise RotationError(
                f"{len(found.unreadable)} secrets could not be decrypted with any configured key, among them "
                f"{', '.join(found.unreadable[:5])}. Give the master key they were encrypted with behind the newest "
                "one, or set these secrets anew, and run this again"
            )
        if not found.renewed:
            return
    raise RotationError("servers keep storing secrets with an older data key; are all of them up to date?")


async def _renew_table(
    database: Database, secrets: Secrets, table: Table, columns: list[SecretColumn], found: _Pass
) -> None:
    """Batch by batch, each in a short transaction, in the order of the primary key."""
    last: tuple[Any, ...] | None = None
    while True:
        async with database.write() as session:
            last = await _renew_batch(session, secrets, table, columns, last, found)
        if last is None:
            return


async def _renew_batch(
    session: AsyncSession,
    secrets: Secrets,
    table: Table,
    columns: list[SecretColumn],
    last: tuple[Any, ...] | None,
    found: _Pass,
) -> tuple[Any, ...] | None:
    """Renew the rows after `last`, held so that no server changes them meanwhile. Returns the last row's key."""
    ids = list(table.primary_key.columns)
    query = select(*ids, *(secret.column for secret in columns)).order_by(*ids).limit(BATCH_ROWS).with_for_update()
    rows = (await session.execute(query if last is None else query.where(tuple_(*ids) > last))).all()
    for row in rows:
        row_id = tuple(row[: len(ids)])

        def renewed(stored: str, place: str = f"{table.name} {row_id[0]}") -> str:
            try:
                return secrets.renewed(stored)
            except SecretKeyError:
                found.unreadable.append(place)
                return stored

        old = row[len(ids) :]
        new = [secret.replaced(value, renewed) for secret, value in zip(columns, old, strict=True)]
        changes = {
            secret.column: after for secret, before, after in zip(columns, old, new, strict=True) if after is not before
        }
        if changes:
            of_row = [column == value for column, value in zip(ids, row_id, strict=True)]
            # An update of the table sets its `onupdate` columns too: the row is not changed for its readers.
            kept = {column: column for column in table.columns if column.onupdate is not None and column not in changes}
            await session.execute(update(table).where(*of_row).values({**kept, **changes}))
            found.renewed += 1
    return tuple(rows[-1][: len(ids)]) if len(rows) == BATCH_ROWS else None
