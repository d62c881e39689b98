"""Webhooks as they are stored: those on their way, and the log of those that are done."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


class WebhookDelivery(Owned, Base):
    """One event for one address. Its id is the `X-Webhook-Id` of every try."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_organization_id_created_at", "organization_id", "created_at", "id"),)

    organization_id: Mapped[str] = mapped_column(Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False)
    call_id: Mapped[str] = mapped_column(Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True)
    event: Mapped[str] = mapped_column(String(32), nullable=False)
    status: Mapped[str] = mapped_column(String(16), nullable=False)
    url: Mapped[str] = mapped_column(Text, nullable=False)
    secret: Mapped[str | None] = mapped_column(Text, info=SECRET)
    """What signs it, as it was when the event happened."""
    body: Mapped[str | None] = mapped_column(Text, info=SECRET)
    """The request's body, encrypted; None once it was deleted."""
    keeps_content: Mapped[bool] = mapped_column(nullable=False)
    """False in GDPR mode: the body goes when the delivery is over, and no answer is kept."""
    attempts: Mapped[int] = mapped_column(nullable=False, default=0)
    attempts_before: Mapped[int] = mapped_column(nullable=False, default=0)
    """How many of them were made before `tried_from`."""
    tries: Mapped[list[dict[str, Any]]] = mapped_column(Json, nullable=False, default=list)
    """What came of the last ones: `at`, `duration_ms`, `status`, `error`."""
    response_body: Mapped[str | None] = mapped_column(Text)
    """How the last answer began."""
    tried_from: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    """When the tries began that go on, or went on, for a day: at the event, or at a replay."""
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None where no try is to come."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now, index=True)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
