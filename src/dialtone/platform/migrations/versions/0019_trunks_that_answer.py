"""Which trunks' servers are asked whether they are there, by whom, and whether they answer; which show the account that
calls are placed with; who sent calls on.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"

_id = sa.Uuid(as_uuid=False)
_FORWARDED = sa.text("forwarded_from IS NOT NULL")


def upgrade() -> None:
    op.add_column("sip_trunks", sa.Column("keep_alive", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column(
        "sip_trunks", sa.Column("outbound_from", sa.String(8), nullable=False, server_default=sa.text("'number'"))
    )
    op.create_table(
        "sip_keep_alives",
        sa.Column("trunk_id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("node", _id),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(262)),
        sa.Column("transport", sa.String(8)),
        sa.Column("answers", sa.Boolean()),
        sa.PrimaryKeyConstraint("trunk_id", name="pk_sip_keep_alives"),
        sa.ForeignKeyConstraint(
            ["trunk_id"], ["sip_trunks.id"], name="fk_sip_keep_alives_trunk_id_sip_trunks", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_sip_keep_alives_organization_id_organizations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_sip_keep_alives_organization_id", "sip_keep_alives", ["organization_id"])
    op.add_column("calls", sa.Column("forwarded_from", sa.JSON()))
    op.create_index(
        "ix_calls_forwarded",
        "calls",
        ["organization_id"],
        sqlite_where=_FORWARDED,
        postgresql_where=_FORWARDED,
    )


def downgrade() -> None:
    op.drop_index("ix_calls_forwarded", "calls")
    op.drop_column("calls", "forwarded_from")
    op.drop_table("sip_keep_alives")
    op.execute("DELETE FROM sip_trunk_events WHERE kind = 'keep_alive'")
    op.drop_column("sip_trunks", "outbound_from")
    op.drop_column("sip_trunks", "keep_alive")
