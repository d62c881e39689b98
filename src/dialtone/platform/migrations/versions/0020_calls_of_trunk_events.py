"""Which call a trunk could not carry."""

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"


def upgrade() -> None:
    op.add_column("sip_trunk_events", sa.Column("call_id", sa.Uuid(as_uuid=False)))


def downgrade() -> None:
    op.drop_column("sip_trunk_events", "call_id")
