"""Calls, what was said in them, where their time went, and the tokens of web calls."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_calls()
    op.create_table(
        "call_messages",
        sa.Column("call_id", _id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "position", name="pk_call_messages"),
        *_belongs_to_call("call_messages"),
    )
    steps = ("endpointing", "stt_final", "llm_first_token", "tts_first_audio", "playout", "total")
    op.create_table(
        "call_turns",
        sa.Column("call_id", _id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        *(sa.Column(step, sa.Float(53)) for step in steps),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "position", name="pk_call_turns"),
        *_belongs_to_call("call_turns"),
    )
    op.create_table(
        "web_call_tokens",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("call_id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("expires_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_web_call_tokens"),
        *_belongs_to_call("web_call_tokens"),
    )
    op.create_index("ix_web_call_tokens_expires_at", "web_call_tokens", ["expires_at"])
    op.create_index("ix_web_call_tokens_call_id", "web_call_tokens", ["call_id"])


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("node", _id, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("assistant_id", _id),
        sa.Column("assistant_name", sa.String(200)),
        sa.Column("business_name", sa.String(200)),
        sa.Column("caller_phone", sa.String(64)),
        sa.Column("assistant_phone", sa.String(64)),
        sa.Column("number_id", _id),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("error", sa.Text()),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON()),
        sa.Column("recording", sa.String(200)),
        sa.Column("started_at", _time),
        sa.Column("ended_at", _time),
        sa.Column("duration_seconds", sa.Integer()),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        _belongs_to_organization("calls"),
    )
    op.create_index("ix_calls_organization_id_created_at", "calls", ["organization_id", "created_at", "id"])
    op.create_index("ix_calls_organization_id_status", "calls", ["organization_id", "status", "created_at"])
    op.create_index("ix_calls_status_node", "calls", ["status", "node"])
    op.create_index("ix_calls_organization_id", "calls", ["organization_id"])


def _belongs_to_organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"],
        ["organizations.id"],
        name=f"fk_{table}_organization_id_organizations",
        ondelete="CASCADE",
    )


def _belongs_to_call(table: str) -> tuple[sa.ForeignKeyConstraint, sa.ForeignKeyConstraint]:
    call = sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=f"fk_{table}_call_id_calls", ondelete="CASCADE")
    return call, _belongs_to_organization(table)


def downgrade() -> None:
    for table in ("web_call_tokens", "call_turns", "call_messages", "calls"):
        op.drop_table(table)
