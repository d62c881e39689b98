"""Tenants and their API keys."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, UtcDateTime, new_id, now
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("organizations.id"), index=True)
    """None for a top-level organization."""
    payer_id: Mapped[str | None] = mapped_column(Id, ForeignKey("organizations.id"), index=True)
    """The top-level organization above, whose minutes the calls use up; None for one that pays itself."""
    balance_seconds: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")
    """Seconds of calls still paid for; below zero they are owed. Counts only where the organization pays itself."""
    content_retention_days: Mapped[int | None]
    """None until it is set."""
    metadata_retention_days: Mapped[int | None]
    webhook_url: Mapped[str | None] = mapped_column(Text)
    webhook_secret: Mapped[str | None] = mapped_column(Text, info=SECRET)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class ApiKey(Owned, Base):
    __tablename__ = "api_keys"

    name: Mapped[str | None] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16), nullable=False)
    """The key's beginning, so that people can tell their keys apart."""
    hash: Mapped[str] = mapped_column(String(64), nullable=False, unique=True)
    """SHA-256 of the whole key, in hex."""
    from_settings: Mapped[bool] = mapped_column(nullable=False, default=False)
    """The key comes from DIALTONE_API_KEY, and goes when that changes."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The key is refused from this moment on; None: never."""
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Up to a minute behind."""
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
