"""The processes that hold calls, so that others notice when one is lost."""

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"


def upgrade() -> None:
    op.create_table(
        "call_nodes",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_call_nodes"),
    )


def downgrade() -> None:
    op.drop_table("call_nodes")
