"""Outbound calls, and commands for calls of other nodes."""

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
