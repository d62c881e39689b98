"""Erasures, and how far retention has come."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


class Erasure(Owned, Base):
    """One caller's wish to be forgotten by an organization."""

    __tablename__ = "erasures"
    __table_args__ = (Index("ix_erasures_finished_at", "finished_at"),)

    masked_number: Mapped[str] = mapped_column(String(64), nullable=False)
    phone_number: Mapped[str | None] = mapped_column(Text, info=SECRET)
    """Encrypted; None once the erasure is done."""
    chats_until: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0)
    """The position of the chat message up to which they were looked through."""
    counts: Mapped[dict[str, int]] = mapped_column(Json, nullable=False, default=dict)
    """What was erased so far."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RetentionMark(Base):
    """The newest call of which something was deleted since the organization's period for it is over. Older ones need
    not be looked at again.
    """

    __tablename__ = "retention_marks"

    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`content` or `metadata`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    """The call's."""
    call_id: Mapped[str] = mapped_column(Id, nullable=False)
    """No foreign key: the mark holds also where the call has gone."""
    counts: Mapped[dict[str, int]] = mapped_column(Json, nullable=False, default=dict)
    """What was deleted since the last line in the audit log."""
