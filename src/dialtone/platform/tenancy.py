"""Every row behind its organization: the one place that scopes queries."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, ForeignKey, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Id, new_id, parse_id
from dialtone.platform.errors import ApiError


class Owned:
    """A table whose rows each belong to one organization and have an id of their own."""

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False, index=True
    )


Row = TypeVar("Row", bound=Owned)


def select_owned(table: type[Row], organization_id: str) -> Select[Any]:
    """A query over the organization's own rows of `table`; narrow it with further `.where()`."""
    return select(table).where(table.organization_id == organization_id)


def select_owned_ids(table: type[Row], organization_id: str, ids: Sequence[str]) -> Select[Any]:
    """A query for the organization's rows among these ids, in no particular order.

    The organization is compared through an expression, which no index fits: SQLite, knowing nothing of the table, would
    rather walk over all of the organization's rows than look up a few ids.
    """
    owner = func.coalesce(table.organization_id, table.organization_id)
    return select(table).where(table.id.in_(ids), owner == organization_id)


def owned_by(table: Any, organization_id: str) -> ColumnElement[bool]:
    """The condition of `select_owned`, for queries over some columns and for tables whose rows have no id."""
    condition: ColumnElement[bool] = table.organization_id == organization_id
    return condition


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
    """Raises `ApiError` (409) where the organization has `maximum` rows already; `things` is their plural."""
    count = await session.scalar(select_owned(table, organization_id).with_only_columns(func.count()))
    if (count or 0) >= maximum:
        raise ApiError(
            409,
            f"too_many_{things.replace(' ', '_')}",
            f"Too many {things}",
            f"An organization can have {maximum}; delete one first.",
        )
