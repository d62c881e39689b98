"""Every row behind its organization: the one place that scopes queries."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ForeignKey,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.batches import Batches
from dialtone.platform.db import Base, Database, Id, new_id, parse_id
from dialtone.platform.errors import ApiError


class Owned:
    """A table whose rows each belong to one organization and have an id of their own."""

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False, index=True
    )


Row = TypeVar("Row", bound=Owned)

OWNER = bindparam("owner", type_=Id)
"""In place of an organization's id, for a statement that is made once and told at each use whose rows it is about:
SQLAlchemy takes longer to put one together than SQLite takes to carry it out.
"""
OrganizationId = str | BindParameter[str]

PRUNE_ROWS = 1000
_ROW, _SEEN, _NEW = "row", "seen", "new_"


def select_owned(table: type[Row], organization_id: OrganizationId) -> Select[Any]:
    """A query over the organization's own rows of `table`; narrow it with further `.where()`."""
    return select(table).where(table.organization_id == organization_id)


def select_owned_ids(table: type[Row], organization_id: str, ids: Sequence[str]) -> Select[Any]:
    """A query for the organization's rows among these ids, in no particular order.

    The organization is compared through an expression, which no index fits: SQLite, knowing nothing of the table, would
    rather walk over all of the organization's rows than look up a few ids.
    """
    owner = func.coalesce(table.organization_id, table.organization_id)
    return select(table).where(table.id.in_(ids), owner == organization_id)


def owned_by(table: Any, organization_id: OrganizationId) -> ColumnElement[bool]:
    """The condition of `select_owned`, for queries over some columns and for tables whose rows have no id."""
    condition: ColumnElement[bool] = table.organization_id == organization_id
    return condition


def update_owned(table: type[Row], organization_id: str, row_id: str) -> Update:
    """A change of the organization's row with this id, of which add the `.values()`."""
    return update(table).where(table.organization_id == organization_id, table.id == row_id)


@cache
def change_owned(table: type[Owned], *names: str) -> Update:
    """`update_owned` made once, for these columns; `given` says what to tell it. Narrow it with further `.where()`."""
    rows = _rows(table)
    return update(rows).where(rows.c.organization_id == OWNER, rows.c.id == bindparam(_ROW)).values(_new(rows, names))


def given(organization_id: str, row_id: str, **new: Any) -> dict[str, Any]:
    """What `change_owned` is told: whose row, which one, and its columns' new values."""
    return {OWNER.key: organization_id, _ROW: row_id, **{f"{_NEW}{name}": value for name, value in new.items()}}


async def prune(database: Database, table: type[Row], *old: ColumnElement[bool]) -> int:
    """Delete the rows of all organizations that fulfil these conditions, in transactions of 1,000 rows, so that no
    writer waits for long. Returns how many.
    """
    pruned, count = 0, PRUNE_ROWS
    while count == PRUNE_ROWS:
        async with database.write() as session:
            some = select(table.id).where(*old).limit(PRUNE_ROWS)
            gone = delete(table).where(table.id.in_(some)).returning(table.id)
            count = len((await session.scalars(gone)).all())
        pruned += count
    return pruned


async def get_owned(
    session: AsyncSession, table: type[Row], organization_id: str, row_id: str, *, lock: bool = False
) -> Row | None:
    """The organization's row with this id; None for an unknown, malformed or foreign id.

    `lock` holds the row, read afresh, until the transaction ends (SQLite's writers are alone anyway).
    """
    canonical = parse_id(row_id)
    if canonical is None:
        return None
    query = select_owned(table, organization_id).where(table.id == canonical)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row: Row | None = await session.scalar(query)
    return row


class OwnedLookUps:
    """Rows of a table by their ids, as their columns: for what clients ask all day. No session keeps track of them, and
    who asks while a statement is under way shares the next one. `Batches` says what that raises.
    """

    def __init__(self, database: Database, table: type[Owned], most: int) -> None:
        """`most` rows are read in one go, and keep the event loop busy for as long as that takes."""
        self._database = database
        rows = _rows(table)
        self._query = select(*rows.c).where(rows.c.id.in_(bindparam(_ROW, expanding=True)))
        self._batches: Batches[str, Mapping[str, Any] | None] = Batches(self._look_up, most)

    async def get(self, organization_id: str, row_id: str) -> Mapping[str, Any] | None:
        """The columns of the row that `get_owned` finds, by their names."""
        canonical = parse_id(row_id)
        row = await self._batches.ask(canonical) if canonical is not None else None
        return row if row is not None and row["organization_id"] == organization_id else None

    async def close(self) -> None:
        await self._batches.close()

    async def _look_up(self, ids: Sequence[str]) -> list[Mapping[str, Any] | None]:
        found = await self._database.look_up(self._query, {_ROW: list(dict.fromkeys(ids))})
        rows = {row["id"]: row for row in found}
        return [rows.get(row_id) for row_id in ids]


class AllOwnedLookUps:
    """The columns of all rows that `select_owned` selects, for tables of which an organization has few: shared like
    `OwnedLookUps`.
    """

    def __init__(self, database: Database, table: type[Owned]) -> None:
        self._database = database
        rows = _rows(table)
        self._query = select(*rows.c).where(rows.c.organization_id.in_(bindparam(_ROW, expanding=True)))
        self._batches: Batches[str, list[Mapping[str, Any]]] = Batches(self._look_up)

    async def get(self, organization_id: str) -> list[Mapping[str, Any]]:
        return await self._batches.ask(organization_id)

    async def close(self) -> None:
        await self._batches.close()

    async def _look_up(self, owners: Sequence[str]) -> list[list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {owner: [] for owner in owners}
        for row in await self._database.look_up(self._query, {_ROW: list(found)}):
            found[row["organization_id"]].append(row)
        return [found[owner] for owner in owners]


async def change_if_unchanged(
    database: Database, table: type[Owned], row: Mapping[str, Any], changes: Mapping[str, Any]
) -> bool:
    """Write columns of a row that `OwnedLookUps` gave, unless somebody changed or deleted it since. The table has an
    `updated_at`, and `changes` moves it on: that is how a change is known.
    """
    told = {_SEEN: row["updated_at"], **given(row["organization_id"], row["id"], **changes)}
    return await database.write_one(_change(_rows(table), tuple(changes)), told) == 1


def _rows(table: type[Owned]) -> Table:
    return cast(Table, table.__table__)  # type: ignore[attr-defined]


@lru_cache(maxsize=256)
def _change(rows: Table, names: tuple[str, ...]) -> Update:
    """Made once for each set of columns that clients change together."""
    of_owner = rows.c.organization_id == OWNER
    unchanged = rows.c.updated_at == bindparam(_SEEN)
    return update(rows).where(of_owner, rows.c.id == bindparam(_ROW), unchanged).values(_new(rows, names))


def _new(rows: Table, names: Sequence[str]) -> dict[str, Any]:
    """Columns by their names, and what stands for their values in a statement that is made once."""
    return {name: bindparam(f"{_NEW}{name}", type_=rows.c[name].type) for name in names}


async def hold_owned(session: AsyncSession, table: type[Row], organization_id: str, row_id: str) -> str | None:
    """The canonical id of the organization's row, which nobody can delete until the transaction ends; None as with
    `get_owned`. For a row that another one is about to refer to.
    """
    canonical = parse_id(row_id)
    if canonical is None:
        return None
    query = select_owned(table, organization_id).where(table.id == canonical).with_only_columns(table.id)
    held: str | None = await session.scalar(query.with_for_update(read=True, key_share=True))
    return held


async def refuse_above_limit(
    session: AsyncSession, table: type[Owned], organization_id: str, maximum: int, things: str
) -> None:
    """Raises `ApiError` (409) where the organization has `maximum` rows already; `things` is their plural.

    Whoever adds rows holds the organization's own row until the transaction ends, so that they count in turn. Rows that
    refer to the organization don't wait for it.
    """
    organizations = Base.metadata.tables["organizations"]
    held = select(organizations.c.id).where(organizations.c.id == organization_id)
    await session.execute(held.with_for_update(key_share=True))
    count = await session.scalar(select_owned(table, organization_id).with_only_columns(func.count()))
    if (count or 0) >= maximum:
        raise ApiError(
            409,
            f"too_many_{things.replace(' ', '_')}",
            f"Too many {things}",
            f"An organization can have {maximum}; delete one first.",
        )
