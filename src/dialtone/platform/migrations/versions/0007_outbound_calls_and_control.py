"""Outbound calls, and commands for live calls: no change of the schema.

An outbound call is a row of `calls` like any other, and commands for calls of other nodes pass through PostgreSQL's
NOTIFY without being stored.
"""

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Nothing to change."""


def downgrade() -> None:
    """Nothing to change."""
