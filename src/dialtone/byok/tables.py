"""Keys of vendors that organizations brought."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET, secrets_at
from dialtone.platform.tenancy import Owned


class ProviderKey(Owned, Base):
    """An organization's own key of one vendor."""

    __tablename__ = "provider_keys"
    __table_args__ = (
        UniqueConstraint("organization_id", "provider", name="uq_provider_keys_organization_id_provider"),
    )

    provider: Mapped[str] = mapped_column(String(32), nullable=False)
    secret: Mapped[str] = mapped_column(Text, nullable=False, info=SECRET)
    config: Mapped[dict[str, Any]] = mapped_column(Json, nullable=False, default=dict)
    secret_config: Mapped[dict[str, str]] = mapped_column(
        Json, nullable=False, default=dict, server_default="{}", info=secrets_at("*")
    )
    """Settings that are secrets, encrypted one by one."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
