"""Stored SIP trunks."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


class Trunk(Owned, Base):
    __tablename__ = "sip_trunks"
    # What refers to a trunk refers to the pair, so that the database itself keeps organizations apart.
    __table_args__ = (Index(None, "organization_id", "id", unique=True),)

    name: Mapped[str] = mapped_column(String(200), nullable=False)
    provider: Mapped[str | None] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(262), nullable=False)
    transport: Mapped[str] = mapped_column(String(8), nullable=False)
    auth_username: Mapped[str | None] = mapped_column(String(255))
    auth_password: Mapped[str | None] = mapped_column(Text, info=SECRET)
    """Encrypted."""
    inbound_addresses: Mapped[list[str] | None] = mapped_column(Json)
    outbound_number: Mapped[str | None] = mapped_column(String(16))
    is_active: Mapped[bool] = mapped_column(nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class TrunkEvent(Owned, Base):
    """A call that came in by a trunk and was turned away. Names no caller."""

    __tablename__ = "sip_trunk_events"
    __table_args__ = (Index(None, "trunk_id", "created_at", "id"),)

    trunk_id: Mapped[str] = mapped_column(Id, ForeignKey("sip_trunks.id", ondelete="CASCADE"), nullable=False)
    status: Mapped[int] = mapped_column(nullable=False)
    reason: Mapped[str] = mapped_column(String(500), nullable=False)
    called: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
