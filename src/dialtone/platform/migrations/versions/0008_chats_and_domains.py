"""Chat messages and e-mail domains."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "chat_messages",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("contact_id", sa.String(255), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("assistant_id", _id),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chat_messages"),
        _belongs_to_organization("chat_messages"),
    )
    op.create_index("ix_chat_messages_organization_id", "chat_messages", ["organization_id"])
    op.create_index(
        "ix_chat_messages_organization_id_contact_id_position",
        "chat_messages",
        ["organization_id", "contact_id", "position"],
    )
    op.create_table(
        "chat_totals",
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_chat_totals"),
        _belongs_to_organization("chat_totals"),
    )
    _create_email_domains()


def _create_email_domains() -> None:
    op.create_table(
        "email_domains",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("domain_name", sa.String(253), nullable=False),
        sa.Column("resend_domain_id", sa.String(64)),
        sa.Column("claimed_until", _time),
        sa.Column("own_account", sa.Boolean(), nullable=False),
        sa.Column("made_here", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("records", sa.JSON()),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.Column("verified_at", _time),
        sa.PrimaryKeyConstraint("id", name="pk_email_domains"),
        sa.UniqueConstraint("organization_id", name="uq_email_domains_organization_id"),
        _belongs_to_organization("email_domains"),
    )
    op.create_index("ix_email_domains_organization_id", "email_domains", ["organization_id"])


def _belongs_to_organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"],
        ["organizations.id"],
        name=f"fk_{table}_organization_id_organizations",
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for table in ("email_domains", "chat_totals", "chat_messages"):
        op.drop_table(table)
