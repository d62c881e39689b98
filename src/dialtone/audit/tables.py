"""The audit log as it is stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now
from dialtone.platform.tenancy import Owned


class AuditLine(Owned, Base):
    """One thing that was done. Never changed; holds nothing that a person could be found by."""

    __tablename__ = "audit_lines"
    __table_args__ = (Index("ix_audit_lines_organization_id_created_at", "organization_id", "created_at", "id"),)

    actor: Mapped[str] = mapped_column(String(64), nullable=False)
    """The beginning of the API key that asked for it, or the name of the server's own work."""
    action: Mapped[str] = mapped_column(String(64), nullable=False)
    subject_id: Mapped[str | None] = mapped_column(Id)
    """The id of what it was done to, where that has one."""
    details: Mapped[dict[str, Any]] = mapped_column(Json, nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now, index=True)
