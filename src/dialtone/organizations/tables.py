"""Tenants and their API keys."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, UtcDateTime, new_id, now


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False, index=True
    )
    prefix: Mapped[str] = mapped_column(String(16), nullable=False)
    """The key's beginning, so that people can tell their keys apart."""
    hash: Mapped[str] = mapped_column(String(64), nullable=False, unique=True)
    """SHA-256 of the whole key, in hex."""
    from_settings: Mapped[bool] = mapped_column(nullable=False, default=False)
    """The key comes from DIALTONE_API_KEY, and goes when that changes."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
