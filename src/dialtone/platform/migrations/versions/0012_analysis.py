"""What is found out after a call, and what it cost."""

revision: str = "0012"
down_revision: str | None = "0011"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
