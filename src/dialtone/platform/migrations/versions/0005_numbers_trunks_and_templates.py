"""Phone numbers, SIP trunks, tool templates and analysis templates."""

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_index("ix_assistants_organization_id_id", "assistants", ["organization_id", "id"], unique=True)
    _create_trunks()
    _create_numbers()
    _create_templates()


def _create_trunks() -> None:
    op.create_table(
        "sip_trunks",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("provider", sa.String(100)),
        sa.Column("address", sa.String(262), nullable=False),
        sa.Column("transport", sa.String(8), nullable=False),
        sa.Column("auth_username", sa.String(255)),
        sa.Column("auth_password", sa.Text()),
        sa.Column("inbound_addresses", sa.JSON()),
        sa.Column("outbound_number", sa.String(16)),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sip_trunks"),
        _belongs_to_organization("sip_trunks"),
    )
    op.create_index("ix_sip_trunks_organization_id", "sip_trunks", ["organization_id"])
    op.create_index("ix_sip_trunks_organization_id_id", "sip_trunks", ["organization_id", "id"], unique=True)


def _create_numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("phone_number", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("assistant_id", _id),
        sa.Column("transfer_trunk_id", _id),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_numbers"),
        sa.UniqueConstraint("phone_number", name="uq_numbers_phone_number"),
        _belongs_to_organization("numbers"),
        *_link("assistant_id", "assistants"),
        *_link("transfer_trunk_id", "sip_trunks"),
    )
    for column in ("organization_id", "assistant_id", "transfer_trunk_id"):
        op.create_index(f"ix_numbers_{column}", "numbers", [column])


def _create_templates() -> None:
    op.create_table(
        "tool_templates",
        *_template_columns(),
        sa.Column("tool_type", sa.String(16), nullable=False),
        sa.Column("tool_config", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tool_templates"),
        _belongs_to_organization("tool_templates"),
    )
    op.create_table(
        "analysis_templates",
        *_template_columns(),
        sa.Column("system_prompt", sa.Text(), nullable=False),
        sa.Column("user_prompt", sa.Text(), nullable=False),
        sa.Column("schema", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analysis_templates"),
        _belongs_to_organization("analysis_templates"),
    )
    for table in ("tool_templates", "analysis_templates"):
        op.create_index(f"ix_{table}_organization_id", table, ["organization_id"])


def _template_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
    )


def _belongs_to_organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"],
        ["organizations.id"],
        name=f"fk_{table}_organization_id_organizations",
        ondelete="CASCADE",
    )


def _link(column: str, table: str) -> tuple[sa.ForeignKeyConstraint, sa.ForeignKeyConstraint]:
    """A number's reference: emptied when the row it names goes, and never to a row of another organization."""
    emptied = sa.ForeignKeyConstraint(
        [column], [f"{table}.id"], name=f"fk_numbers_{column}_{table}", ondelete="SET NULL"
    )
    same_organization = sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{table}.organization_id", f"{table}.id"],
        name=f"fk_numbers_organization_id_{table}",
        deferrable=True,
        initially="DEFERRED",
    )
    return emptied, same_organization


def downgrade() -> None:
    for table in ("analysis_templates", "tool_templates", "numbers", "sip_trunks"):
        op.drop_table(table)
    op.drop_index("ix_assistants_organization_id_id", "assistants")
