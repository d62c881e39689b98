"""Where a recording lies."""

revision: str = "0014"
down_revision: str | None = "0013"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
