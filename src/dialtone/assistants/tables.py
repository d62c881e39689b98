"""Stored assistants."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET, secrets_at
from dialtone.platform.tenancy import Owned


class Assistant(Owned, Base):
    """One assistant. Config blocks are JSON as the client gave them; secrets inside are encrypted."""

    __tablename__ = "assistants"
    # What refers to an assistant refers to the pair, so that the database itself keeps organizations apart.
    __table_args__ = (Index(None, "organization_id", "id", unique=True),)

    name: Mapped[str] = mapped_column(String(200), nullable=False)
    business_name: Mapped[str | None] = mapped_column(String(200))
    notification_email: Mapped[str | None] = mapped_column(String(254))
    notification_emails: Mapped[list[str] | None] = mapped_column(Json)
    first_message: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(nullable=False)
    max_duration_seconds: Mapped[int | None]
    autonomous_silence_handling: Mapped[bool] = mapped_column(nullable=False)
    silence_timeout_seconds: Mapped[float] = mapped_column(Float(53), nullable=False)
    voicemail_detection: Mapped[bool] = mapped_column(nullable=False)
    voicemail_message: Mapped[str | None] = mapped_column(Text)
    gdpr_mode: Mapped[bool] = mapped_column(nullable=False)
    recording_consent: Mapped[dict[str, Any] | None] = mapped_column(Json)
    webhook_url: Mapped[str | None] = mapped_column(Text)
    webhook_secret: Mapped[str | None] = mapped_column(Text, info=SECRET)
    webhook_events: Mapped[list[str] | None] = mapped_column(Json)
    analysis_plan: Mapped[dict[str, Any] | None] = mapped_column(Json)
    stt_config: Mapped[dict[str, Any] | None] = mapped_column(Json)
    llm_config: Mapped[dict[str, Any]] = mapped_column(
        Json, nullable=False, info=secrets_at("tools.*.server.secret", "tools.*.headers.*")
    )
    tts_config: Mapped[dict[str, Any] | None] = mapped_column(Json)
    speech_config: Mapped[dict[str, Any] | None] = mapped_column(Json)
    postcall_stt: Mapped[dict[str, Any] | None] = mapped_column(Json)
    postcall_llm: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
