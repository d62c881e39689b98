"""Stored templates of tools and of analyses."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import secrets_at
from dialtone.platform.tenancy import Owned


class Template(Owned):
    """What both kinds of template have."""

    name: Mapped[str] = mapped_column(String(200), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class ToolTemplate(Template, Base):
    __tablename__ = "tool_templates"

    tool_type: Mapped[str] = mapped_column(String(16), nullable=False)
    tool_config: Mapped[dict[str, Any]] = mapped_column(
        Json, nullable=False, info=secrets_at("server.secret", "headers.*")
    )
    """The secrets inside are encrypted."""


class AnalysisTemplate(Template, Base):
    __tablename__ = "analysis_templates"

    system_prompt: Mapped[str] = mapped_column(Text, nullable=False)
    user_prompt: Mapped[str] = mapped_column(Text, nullable=False)
    schema: Mapped[dict[str, Any]] = mapped_column(Json, nullable=False)
