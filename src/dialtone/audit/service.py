"""The audit log: written in the transaction of what it tells of, read by the organization."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.audit.tables import AuditLine
from dialtone.platform.db import Database, iso, now
from dialtone.platform.tenancy import prune, select_owned


def write(
    session: AsyncSession,
    organization_id: str,
    actor: str,
    action: str,
    details: Mapping[str, Any],
    subject_id: str | None = None,
) -> None:
    """Add a line in the session's transaction. `details` name no person: counts, periods, masked numbers."""
    session.add(
        AuditLine(
            organization_id=organization_id, actor=actor, action=action, subject_id=subject_id, details=dict(details)
        )
    )


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, organization_id: str, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Lines as the API shows them, the newest first, and how many there are in all."""
        query = select_owned(AuditLine, organization_id)
        newest_first = query.order_by(AuditLine.created_at.desc(), AuditLine.id.desc()).limit(limit).offset(offset)
        async with self._database.read() as session:
            total = await session.scalar(query.with_only_columns(func.count())) or 0
            return [_shown(line) for line in await session.scalars(newest_first)], total

    async def prune(self, older_than: timedelta) -> None:
        """Forget lines older than that."""
        await prune(self._database, AuditLine, AuditLine.created_at < now() - older_than)


def _shown(line: AuditLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "actor": line.actor,
        "action": line.action,
        "subject_id": line.subject_id,
        "details": line.details,
        "created_at": iso(line.created_at),
    }
