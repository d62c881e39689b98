"""Stored chat messages."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime
from dialtone.platform.tenancy import Owned


class ChatMessage(Owned, Base):
    """One message of a conversation with a contact. Never changed."""

    __tablename__ = "chat_messages"
    __table_args__ = (
        Index("ix_chat_messages_organization_id_contact_id_position", "organization_id", "contact_id", "position"),
        Index("ix_chat_messages_organization_id_position", "organization_id", "position"),
    )

    contact_id: Mapped[str] = mapped_column(String(255), nullable=False)
    position: Mapped[int] = mapped_column(BigInteger, nullable=False)
    """Grows with every message of the organization: the order in which they came, also within one millisecond."""
    assistant_id: Mapped[str | None] = mapped_column(Id)
    """Not a foreign key: a message outlives its assistant."""
    channel: Mapped[str] = mapped_column(String(32), nullable=False)
    role: Mapped[str] = mapped_column(String(32), nullable=False)
    content: Mapped[str] = mapped_column(Text, nullable=False)
    message_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", Json, nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)


class ChatTotal(Base):
    """How many messages an organization has, so that a limit on them costs no counting."""

    __tablename__ = "chat_totals"

    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )
    messages: Mapped[int] = mapped_column(nullable=False)
    last_position: Mapped[int] = mapped_column(BigInteger, nullable=False)
