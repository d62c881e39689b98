"""Carriers: which numbers are at one, secret settings of own keys, and calls that carriers told of."""

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"

_id = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    op.add_column("numbers", sa.Column("carrier", sa.String(16)))
    op.add_column("provider_keys", sa.Column("secret_config", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "carrier_calls",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("call_id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_carrier_calls"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_carrier_calls_call_id_calls", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_carrier_calls_organization_id_organizations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_carrier_calls_call_id", "carrier_calls", ["call_id"])


def downgrade() -> None:
    op.drop_table("carrier_calls")
    op.drop_column("provider_keys", "secret_config")
    op.drop_column("numbers", "carrier")
