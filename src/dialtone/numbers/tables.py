"""Stored phone numbers."""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, UtcDateTime, now
from dialtone.platform.tenancy import Owned


def _same_organization(column: str, table: str) -> ForeignKeyConstraint:
    """What a number refers to is of its own organization. Looked at when the transaction ends: by then the other
    constraint on the column has emptied it where the row it named is gone.
    """
    return ForeignKeyConstraint(
        ["organization_id", column],
        [f"{table}.organization_id", f"{table}.id"],
        deferrable=True,
        initially="DEFERRED",
    )


class Number(Owned, Base):
    __tablename__ = "numbers"
    __table_args__ = (
        _same_organization("assistant_id", "assistants"),
        _same_organization("transfer_trunk_id", "sip_trunks"),
    )

    phone_number: Mapped[str] = mapped_column(String(16), nullable=False, unique=True)
    """E.164. Unique in the whole deployment: a number rings in one organization."""
    name: Mapped[str | None] = mapped_column(String(200))
    assistant_id: Mapped[str | None] = mapped_column(Id, ForeignKey("assistants.id", ondelete="SET NULL"), index=True)
    transfer_trunk_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("sip_trunks.id", ondelete="SET NULL"), index=True
    )
    carrier: Mapped[str | None] = mapped_column(String(16))
    """Whose media streams carry its calls; None: SIP trunks do."""
    is_active: Mapped[bool] = mapped_column(nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
