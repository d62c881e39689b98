"""The wire contract of the audit log."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class AuditLineObject(BaseModel):
    """One thing that was done to your data."""

    id: str = Field(description="The line's id.", json_schema_extra={"format": "uuid"})
    actor: str = Field(
        description="The beginning of the API key that asked for it, or the name of the server's own work.",
        examples=["fl_live_Xk3d"],
    )
    action: str = Field(
        description="What was done: retention.changed, retention.content_deleted, retention.metadata_deleted, "
        "erasure.requested or erasure.done.",
        examples=["erasure.done"],
    )
    subject_id: str | None = Field(
        description="The id of what it was done to, such as the erasure; null where that has none.",
        json_schema_extra={"format": "uuid"},
    )
    details: dict[str, Any] = Field(
        description="Counts, periods, and numbers only masked.", examples=[{"calls": 3, "messages": 41}]
    )
    created_at: datetime = Field(description="When it was done.")


class AuditPagination(BaseModel):
    """Where in the whole log this page is."""

    total: int = Field(description="How many lines there are.", ge=0)
    limit: int = Field(description="As asked.", ge=1)
    offset: int = Field(description="As asked.", ge=0)


class AuditLogPage(BaseModel):
    """A page of the audit log, newest first."""

    audit_log: list[AuditLineObject] = Field(description="The page.")
    pagination: AuditPagination = Field(description="Where in the whole log it is.")
