"""Children and retention of organizations, and their own keys of vendors."""

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
