"""Organizations, their API keys, and assistants."""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", _id, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("from_settings", sa.Boolean(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
        _belongs_to_organization("api_keys"),
    )
    op.create_index("ix_api_keys_organization_id", "api_keys", ["organization_id"])
    _create_assistants()


def _create_assistants() -> None:
    op.create_table(
        "assistants",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("business_name", sa.String(200)),
        sa.Column("notification_email", sa.String(254)),
        sa.Column("notification_emails", sa.JSON()),
        sa.Column("first_message", sa.Text()),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("max_duration_seconds", sa.Integer()),
        sa.Column("autonomous_silence_handling", sa.Boolean(), nullable=False),
        sa.Column("silence_timeout_seconds", sa.Float(53), nullable=False),
        sa.Column("voicemail_detection", sa.Boolean(), nullable=False),
        sa.Column("voicemail_message", sa.Text()),
        sa.Column("gdpr_mode", sa.Boolean(), nullable=False),
        sa.Column("recording_consent", sa.JSON()),
        sa.Column("webhook_url", sa.Text()),
        sa.Column("webhook_secret", sa.Text()),
        sa.Column("webhook_events", sa.JSON()),
        sa.Column("analysis_plan", sa.JSON()),
        sa.Column("stt_config", sa.JSON()),
        sa.Column("llm_config", sa.JSON(), nullable=False),
        sa.Column("tts_config", sa.JSON()),
        sa.Column("speech_config", sa.JSON()),
        sa.Column("postcall_stt", sa.JSON()),
        sa.Column("postcall_llm", sa.JSON()),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assistants"),
        _belongs_to_organization("assistants"),
    )
    op.create_index("ix_assistants_organization_id", "assistants", ["organization_id"])


def _belongs_to_organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"],
        ["organizations.id"],
        name=f"fk_{table}_organization_id_organizations",
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.drop_table("assistants")
    op.drop_table("api_keys")
    op.drop_table("organizations")
