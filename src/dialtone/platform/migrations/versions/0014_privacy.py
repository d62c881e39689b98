"""Erasures of callers, how far retention has come, the audit log, and what finds the calls and chats of a caller."""

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0012"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)
_WITH_CALLER = sa.text("caller_phone IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "audit_lines",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject_id", _id),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_lines"),
        _of_organization("audit_lines"),
    )
    op.create_index("ix_audit_lines_organization_id", "audit_lines", ["organization_id"])
    op.create_index("ix_audit_lines_created_at", "audit_lines", ["created_at"])
    op.create_index("ix_audit_lines_organization_id_created_at", "audit_lines", ["organization_id", "created_at", "id"])
    op.create_table(
        "erasures",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("masked_number", sa.String(64), nullable=False),
        sa.Column("phone_number", sa.Text()),
        sa.Column("chats_until", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("finished_at", _time),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        _of_organization("erasures"),
    )
    op.create_index("ix_erasures_organization_id", "erasures", ["organization_id"])
    op.create_index("ix_erasures_finished_at", "erasures", ["finished_at"])
    op.create_table(
        "retention_marks",
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("call_id", _id, nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "kind", name="pk_retention_marks"),
        _of_organization("retention_marks"),
    )
    op.create_index(
        "ix_calls_organization_id_caller_phone",
        "calls",
        ["organization_id", "caller_phone"],
        sqlite_where=_WITH_CALLER,
        postgresql_where=_WITH_CALLER,
    )
    op.create_index("ix_chat_messages_organization_id_position", "chat_messages", ["organization_id", "position"])


def _of_organization(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_organization_id_organizations"
    return sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    op.drop_index("ix_chat_messages_organization_id_position", "chat_messages")
    op.drop_index("ix_calls_organization_id_caller_phone", "calls")
    for table in ("retention_marks", "erasures", "audit_lines"):
        op.drop_table(table)
