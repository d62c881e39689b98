"""Children, minutes and retention of organizations, and their own keys of vendors."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)

_RELATIVES = ("parent_id", "payer_id")
_COLUMNS = (
    "content_retention_days",
    "metadata_retention_days",
    "webhook_url",
    "webhook_secret",
    "balance_seconds",
)


def upgrade() -> None:
    # Column by column: SQLite's other way, copying the table, would delete every row that refers to it.
    for name in _RELATIVES:
        relative = sa.ForeignKey("organizations.id", name=f"fk_organizations_{name}_organizations")
        op.add_column("organizations", sa.Column(name, _id, relative), inline_references=True)
        op.create_index(f"ix_organizations_{name}", "organizations", [name])
    op.add_column("organizations", sa.Column("balance_seconds", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("organizations", sa.Column("content_retention_days", sa.Integer()))
    op.add_column("organizations", sa.Column("metadata_retention_days", sa.Integer()))
    op.add_column("organizations", sa.Column("webhook_url", sa.Text()))
    op.add_column("organizations", sa.Column("webhook_secret", sa.Text()))
    op.create_table(
        "provider_keys",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider_keys"),
        sa.UniqueConstraint("organization_id", "provider", name="uq_provider_keys_organization_id_provider"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_provider_keys_organization_id_organizations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_provider_keys_organization_id", "provider_keys", ["organization_id"])


def downgrade() -> None:
    op.drop_table("provider_keys")
    for name in _COLUMNS:
        op.drop_column("organizations", name)
    for name in _RELATIVES:
        op.drop_index(f"ix_organizations_{name}", "organizations")
        op.drop_column("organizations", name)
