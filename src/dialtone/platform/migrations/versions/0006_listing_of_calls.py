"""What long lists of calls and usage are read from."""

revision: str = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
