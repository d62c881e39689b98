"""Webhooks on their way, what became of them, and what is kept of a call until it has been reported."""

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("call_id", _id, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text()),
        sa.Column("body", sa.Text()),
        sa.Column("keeps_content", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempts_before", sa.Integer(), nullable=False),
        sa.Column("tries", sa.JSON(), nullable=False),
        sa.Column("response_body", sa.Text()),
        sa.Column("tried_from", _time, nullable=False),
        sa.Column("next_try_at", _time),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("finished_at", _time),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        _reference("webhook_deliveries", "organization_id", "organizations"),
        _reference("webhook_deliveries", "call_id", "calls"),
    )
    op.create_index("ix_webhook_deliveries_call_id", "webhook_deliveries", ["call_id"])
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    op.create_index(
        "ix_webhook_deliveries_organization_id_created_at",
        "webhook_deliveries",
        ["organization_id", "created_at", "id"],
    )
    op.create_table(
        "kept_calls",
        sa.Column("call_id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_kept_calls"),
        _reference("kept_calls", "organization_id", "organizations"),
        _reference("kept_calls", "call_id", "calls"),
    )


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete="CASCADE")


def downgrade() -> None:
    for table in ("kept_calls", "webhook_deliveries"):
        op.drop_table(table)
