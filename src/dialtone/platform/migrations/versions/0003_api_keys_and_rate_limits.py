"""What API keys may do and how often."""

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
