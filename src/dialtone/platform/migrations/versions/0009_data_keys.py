"""The keys that secrets are encrypted with, themselves encrypted."""

revision: str = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
