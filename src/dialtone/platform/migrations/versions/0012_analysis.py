"""What is found out after a call, what it used of its vendors and what that cost, and reports that wait to be mailed.

The counters of `call_counts` (migration 0006) now sum up what calls cost, so their triggers are made anew.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"

_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)
_KEY = "organization_id, day, status, connection"
_FIGURES = ("calls", "timed_calls", "duration_seconds", "minutes")
_NAMES = ("count_new_calls", "count_deleted_calls", "count_changed_calls")
_CHANGES = ("organization_id", "status", "duration_seconds", "created_at")


def upgrade() -> None:
    _drop_triggers()
    for column in (
        sa.Column("summary", sa.Text()),
        sa.Column("analysis", sa.JSON()),
        sa.Column("analysis_error", sa.Text()),
        sa.Column("cost_millionths", sa.BigInteger()),
    ):
        op.add_column("calls", column)
    cost = sa.Column("cost_millionths", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("call_counts", cost)
    _create_triggers((*_FIGURES, "cost_millionths"), (*_CHANGES, "cost_millionths"))
    op.create_table(
        "call_usage",
        sa.Column("call_id", _id, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("audio_seconds", sa.Float(53)),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("characters", sa.BigInteger()),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("own_key", sa.Boolean(), nullable=False),
        sa.Column("cost_millionths", sa.BigInteger()),
        sa.PrimaryKeyConstraint("call_id", "role", name="pk_call_usage"),
        _reference("call_usage", "call_id", "calls"),
        _reference("call_usage", "organization_id", "organizations"),
    )
    op.create_table(
        "report_emails",
        sa.Column("id", _id, nullable=False),
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("call_id", _id, nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report_emails"),
        _reference("report_emails", "organization_id", "organizations"),
        _reference("report_emails", "call_id", "calls"),
    )
    for column_name in ("organization_id", "call_id"):
        op.create_index(f"ix_report_emails_{column_name}", "report_emails", [column_name])


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete="CASCADE")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _drop_triggers() -> None:
    for name in _NAMES:
        op.execute(f"DROP TRIGGER {name}" if _is_sqlite() else f"DROP FUNCTION {name}() CASCADE")


def _create_triggers(figures: tuple[str, ...], changes: tuple[str, ...]) -> None:
    """`figures`: the counters; `changes`: the columns of a call whose change is one of counters."""
    add = f"ON CONFLICT ({_KEY}) DO UPDATE SET " + ", ".join(
        f"{name} = call_counts.{name} + excluded.{name}" for name in figures
    )
    target = f"INSERT INTO call_counts ({_KEY}, {', '.join(figures)})"
    if _is_sqlite():
        _create_sqlite_triggers(target, add, figures, changes)
    else:
        _create_postgresql_triggers(target, add, figures, changes)


def _create_sqlite_triggers(target: str, add: str, figures: tuple[str, ...], changes: tuple[str, ...]) -> None:
    def values(row: str, sign: str) -> str:
        seconds = f"COALESCE({row}.duration_seconds, 0)"
        counted = {
            "calls": "1",
            "timed_calls": f"({row}.duration_seconds IS NOT NULL)",
            "duration_seconds": seconds,
            "minutes": f"(({seconds} + 59) / 60)",
            "cost_millionths": f"COALESCE({row}.cost_millionths, 0)",
        }
        sums = ", ".join(f"{sign}{counted[name]}" for name in figures)
        return f"{row}.organization_id, date({row}.created_at), {row}.status, 0, {sums}"

    put = f"{target} VALUES ({values('NEW', '')}) {add};"
    # While an organization is deleted, its calls go after it: there is nothing left to count for.
    take_away = (
        f"{target} SELECT {values('OLD', '-')} "
        f"WHERE EXISTS (SELECT 1 FROM organizations WHERE id = OLD.organization_id) {add};"
    )
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in changes)
    op.execute(f"CREATE TRIGGER count_new_calls AFTER INSERT ON calls BEGIN {put} END")
    op.execute(f"CREATE TRIGGER count_deleted_calls AFTER DELETE ON calls BEGIN {take_away} END")
    op.execute(
        f"CREATE TRIGGER count_changed_calls AFTER UPDATE OF {', '.join(changes)} ON calls "
        f"WHEN {changed} BEGIN {take_away} {put} END"
    )


def _create_postgresql_triggers(target: str, add: str, figures: tuple[str, ...], changes: tuple[str, ...]) -> None:
    """Inserts and deletes are counted a statement at a time, for the sake of many rows at once."""
    day = "CAST(created_at AT TIME ZONE 'UTC' AS date)"
    counted = {
        "calls": "COUNT(*)",
        "timed_calls": "COUNT(duration_seconds)",
        "duration_seconds": "COALESCE(SUM(duration_seconds), 0)",
        "minutes": "COALESCE(SUM((duration_seconds + 59) / 60), 0)",
        "cost_millionths": "COALESCE(SUM(cost_millionths), 0)",
    }

    def count(rows: str, sign: str, where: str) -> str:
        sums = ", ".join(f"{sign}{counted[name]}" for name in figures)
        return (
            f"{target} SELECT organization_id, {day}, status, pg_backend_pid(), {sums} FROM {rows} AS counted {where} "
            f"GROUP BY organization_id, {day}, status {add};"
        )

    # While an organization is deleted, its calls go after it: there is nothing left to count for.
    alive = "WHERE EXISTS (SELECT 1 FROM organizations WHERE organizations.id = counted.organization_id)"
    bodies = (
        count("changed", "", ""),
        count("changed", "-", alive),
        count("(SELECT OLD.*)", "-", alive) + count("(SELECT NEW.*)", "", ""),
    )
    for name, statements in zip(_NAMES, bodies, strict=True):
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statements} RETURN NULL; END $$"
        )
    for name, event, rows in (("count_new_calls", "INSERT", "NEW"), ("count_deleted_calls", "DELETE", "OLD")):
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON calls REFERENCING {rows} TABLE AS changed "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    old, new = (", ".join(f"{row}.{name}" for name in changes) for row in ("OLD", "NEW"))
    op.execute(
        f"CREATE TRIGGER count_changed_calls AFTER UPDATE OF {', '.join(changes)} ON calls "
        f"FOR EACH ROW WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION count_changed_calls()"
    )


def downgrade() -> None:
    op.drop_table("report_emails")
    op.drop_table("call_usage")
    _drop_triggers()
    op.execute("ALTER TABLE call_counts DROP COLUMN cost_millionths")
    for column in ("cost_millionths", "analysis_error", "analysis", "summary"):
        op.execute(f"ALTER TABLE calls DROP COLUMN {column}")
    _create_triggers(_FIGURES, _CHANGES)
