"""Durable work as it is stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now

WAITING, PARKED, RUNNING, FAILED = "waiting", "parked", "running", "failed"
"""`parked`: an earlier job with the same order must end first. A job that is done is no row any more."""

MAX_KIND, MAX_KEY, MAX_REASON = 64, 200, 500


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class StoredJob(Base):
    """Belongs to no organization: the rooms' rows that the payload names do."""

    __tablename__ = "jobs"
    __table_args__ = (
        # What a process looks through for work: neither what runs nor what stands behind another job.
        Index("ix_jobs_due", "kind", "due_at", "id", **_where("state = 'waiting'")),
        Index("ix_jobs_order", "order_key", "id", **_where("order_key IS NOT NULL AND state <> 'failed'")),
        Index("uq_jobs_order_running", "order_key", unique=True, **_where("state = 'running'")),
        Index("uq_jobs_once_waiting", "once_key", unique=True, **_where("state IN ('waiting', 'parked')")),
        Index("ix_jobs_worker", "worker", **_where("state = 'running'")),
        Index("ix_jobs_failed", "ended_at", **_where("state = 'failed'")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    """Ascending, since it decides which of two jobs was deferred first."""
    kind: Mapped[str] = mapped_column(String(MAX_KIND), nullable=False)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, nullable=False)
    state: Mapped[str] = mapped_column(String(8), nullable=False, default=WAITING)
    attempts: Mapped[int] = mapped_column(Integer, nullable=False, default=0)
    """Begun so far."""
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    order_key: Mapped[str | None] = mapped_column(String(MAX_KEY))
    once_key: Mapped[str | None] = mapped_column(String(MAX_KEY))
    worker: Mapped[str | None] = mapped_column(Id)
    """The process that runs it."""
    reason: Mapped[str | None] = mapped_column(String(MAX_REASON))
    """Why the last attempt failed."""
    deferred_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Worker(Base):
    """A process that runs jobs on PostgreSQL. One that has not been seen for a while has its jobs taken over."""

    __tablename__ = "job_workers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    """By the database's clock."""
