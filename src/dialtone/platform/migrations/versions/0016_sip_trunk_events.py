"""Calls that came in by a trunk and were turned away."""

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"

_id = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    op.create_table(
        "sip_trunk_events",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("trunk_id", _id, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("called", sa.String(16)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sip_trunk_events"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_sip_trunk_events_organization_id_organizations",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trunk_id"], ["sip_trunks.id"], name="fk_sip_trunk_events_trunk_id_sip_trunks", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_sip_trunk_events_organization_id", "sip_trunk_events", ["organization_id"])
    op.create_index("ix_sip_trunk_events_trunk_id_created_at_id", "sip_trunk_events", ["trunk_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("sip_trunk_events")
