"""Trunks that register, are limited, come one after the other, and write numbers their own way."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)


def _added() -> list[sa.Column[Any]]:
    return [
        sa.Column("register", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("register_expires", sa.Integer(), nullable=False, server_default=sa.text("600")),
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("100")),
        sa.Column("max_channels", sa.Integer()),
        sa.Column("max_calls_per_second", sa.Float(53)),
        sa.Column("next_call_at", _time),
        sa.Column("country_code", sa.String(3)),
        sa.Column("national_prefix", sa.String(5), nullable=False, server_default=sa.text("'0'")),
        sa.Column("international_prefix", sa.String(5), nullable=False, server_default=sa.text("'00'")),
        sa.Column("outbound_format", sa.String(24), nullable=False, server_default=sa.text("'e164'")),
    ]


def _foreign_key(table: str, column: str, referred: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{referred}"
    return sa.ForeignKeyConstraint([column], [f"{referred}.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    for added in _added():
        op.add_column("sip_trunks", added)
    with op.batch_alter_table("sip_trunk_events") as events:
        events.add_column(sa.Column("kind", sa.String(16), nullable=False, server_default=sa.text("'inbound'")))
        events.alter_column("status", existing_type=sa.Integer(), nullable=True)
    op.create_table(
        "sip_trunk_channels",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("trunk_id", _id, nullable=False),
        sa.Column("call_id", _id, nullable=False),
        sa.Column("taken_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sip_trunk_channels"),
        _foreign_key("sip_trunk_channels", "organization_id", "organizations"),
        _foreign_key("sip_trunk_channels", "trunk_id", "sip_trunks"),
        _foreign_key("sip_trunk_channels", "call_id", "calls"),
    )
    for column in ("organization_id", "trunk_id", "call_id"):
        op.create_index(f"ix_sip_trunk_channels_{column}", "sip_trunk_channels", [column])
    op.create_table(
        "sip_registrations",
        sa.Column("trunk_id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("contact", sa.String(64), nullable=False),
        sa.Column("node", _id),
        sa.Column("renewed_at", _time, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("reason", sa.String(500)),
        sa.Column("since", _time, nullable=False),
        sa.PrimaryKeyConstraint("trunk_id", name="pk_sip_registrations"),
        _foreign_key("sip_registrations", "trunk_id", "sip_trunks"),
        _foreign_key("sip_registrations", "organization_id", "organizations"),
    )
    op.create_index("ix_sip_registrations_organization_id", "sip_registrations", ["organization_id"])


def downgrade() -> None:
    op.drop_table("sip_registrations")
    op.drop_table("sip_trunk_channels")
    op.execute("DELETE FROM sip_trunk_events WHERE status IS NULL OR kind <> 'inbound'")
    with op.batch_alter_table("sip_trunk_events") as events:
        events.alter_column("status", existing_type=sa.Integer(), nullable=False)
        events.drop_column("kind")
    with op.batch_alter_table("sip_trunks") as trunks:
        for added in _added():
            trunks.drop_column(added.name)
