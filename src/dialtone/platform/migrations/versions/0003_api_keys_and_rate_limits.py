"""What API keys may do and how often."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as api_keys:
        api_keys.add_column(sa.Column("name", sa.String(200)))
        for moment in ("expires_at", "last_used_at", "revoked_at"):
            api_keys.add_column(sa.Column(moment, sa.DateTime(timezone=True)))
    # Counts of a minute need not outlive a crash, and are written at every request.
    prefixes = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    op.create_table(
        "rate_limits",
        sa.Column("bucket", sa.String(128), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_rate_limits"),
        prefixes=prefixes,
    )


def downgrade() -> None:
    op.drop_table("rate_limits")
    with op.batch_alter_table("api_keys") as api_keys:
        for column in ("revoked_at", "last_used_at", "expires_at", "name"):
            api_keys.drop_column(column)
