"""Every row behind its organization: the one place that scopes queries."""

from typing import Any, TypeVar

from sqlalchemy import ForeignKey, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Id, new_id, parse_id


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


async def get_owned(
    session: AsyncSession, table: type[Row], organization_id: str, row_id: str, *, lock: bool = False
) -> Row | None:
    """The organization's row with this id; None for an unknown, malformed or foreign id.

    `lock` holds the row until the transaction ends (SQLite's writers are alone anyway).
    """
    canonical = parse_id(row_id)
    if canonical is None:
        return None
    query = select_owned(table, organization_id).where(table.id == canonical)
    row: Row | None = await session.scalar(query.with_for_update() if lock else query)
    return row
