"""Durable work."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("order_key", sa.String(200)),
        sa.Column("once_key", sa.String(200)),
        sa.Column("worker", sa.Uuid(as_uuid=False)),
        sa.Column("reason", sa.String(500)),
        sa.Column("deferred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_due", "jobs", ["kind", "due_at", "id"], **_where("state = 'waiting'"))
    op.create_index(
        "ix_jobs_order", "jobs", ["order_key", "id"], **_where("order_key IS NOT NULL AND state <> 'failed'")
    )
    op.create_index("uq_jobs_order_running", "jobs", ["order_key"], unique=True, **_where("state = 'running'"))
    op.create_index(
        "uq_jobs_once_waiting", "jobs", ["once_key"], unique=True, **_where("state IN ('waiting', 'parked')")
    )
    op.create_index("ix_jobs_worker", "jobs", ["worker"], **_where("state = 'running'"))
    op.create_index("ix_jobs_failed", "jobs", ["ended_at"], **_where("state = 'failed'"))
    op.create_table(
        "job_workers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_workers"),
    )


def downgrade() -> None:
    op.drop_table("job_workers")
    op.drop_table("jobs")
