"""What long lists of calls and usage are read from: counters that triggers keep exact, and indexes in reading order.

`calls/tables.py` (`CallCount`) says what the counters hold. A later migration that rebuilds the table `calls`, as batch
operations on SQLite do for anything but an added column, would drop the triggers with the old table.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"

_id = sa.Uuid(as_uuid=False)
_vendors = ("byok_stt", "byok_llm", "byok_tts")
_filters = ("assistant_id", "number_id", "direction")

_columns = "organization_id, day, status, connection, calls, timed_calls, duration_seconds, minutes"
_add = """
ON CONFLICT (organization_id, day, status, connection) DO UPDATE SET
    calls = call_counts.calls + excluded.calls,
    timed_calls = call_counts.timed_calls + excluded.timed_calls,
    duration_seconds = call_counts.duration_seconds + excluded.duration_seconds,
    minutes = call_counts.minutes + excluded.minutes"""
_sums = """
    COUNT(*), COUNT(duration_seconds), COALESCE(SUM(duration_seconds), 0),
    COALESCE(SUM((duration_seconds + 59) / 60), 0)"""


def upgrade() -> None:
    for vendor in _vendors:
        op.add_column("calls", sa.Column(vendor, sa.Boolean(), nullable=False, server_default=sa.false()))
    _create_indexes()
    op.create_table(
        "call_counts",
        sa.Column("organization_id", _id, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("connection", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("timed_calls", sa.BigInteger(), nullable=False),
        sa.Column("duration_seconds", sa.BigInteger(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "day", "status", "connection", name="pk_call_counts"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_call_counts_organization_id_organizations",
            ondelete="CASCADE",
        ),
    )
    unmerged = sa.text("connection <> 0")
    op.create_index("ix_call_counts_unmerged", "call_counts", ["day"], sqlite_where=unmerged, postgresql_where=unmerged)
    # The triggers come first: making one keeps writers of an older version out until all this is committed.
    if op.get_bind().dialect.name == "sqlite":
        _create_sqlite_triggers()
        day = "date(created_at)"
    else:
        _create_postgresql_triggers()
        day = "CAST(created_at AT TIME ZONE 'UTC' AS date)"
    op.execute(
        f"INSERT INTO call_counts ({_columns}) SELECT organization_id, {day}, status, 0, {_sums} "
        f"FROM calls GROUP BY organization_id, {day}, status"
    )


def _create_indexes() -> None:
    op.drop_index("ix_calls_organization_id", "calls")  # the others begin with the organization too
    op.drop_index("ix_calls_organization_id_status", "calls")
    op.create_index("ix_calls_organization_id_status", "calls", ["organization_id", "status", "created_at", "id"])
    for column in _filters:
        op.create_index(f"ix_calls_organization_id_{column}", "calls", ["organization_id", column, "created_at", "id"])
    timed = sa.text("duration_seconds IS NOT NULL")
    op.create_index(
        "ix_calls_timed",
        "calls",
        ["organization_id", "created_at", "id"],
        sqlite_where=timed,
        postgresql_where=timed,
    )


def _create_sqlite_triggers() -> None:
    def values(row: str, sign: str) -> str:
        seconds = f"COALESCE({row}.duration_seconds, 0)"
        return (
            f"{row}.organization_id, date({row}.created_at), {row}.status, 0, {sign}1, "
            f"{sign}({row}.duration_seconds IS NOT NULL), {sign}{seconds}, {sign}(({seconds} + 59) / 60)"
        )

    add = f"INSERT INTO call_counts ({_columns}) VALUES ({values('NEW', '')}) {_add};"
    # While an organization is deleted, its calls go after it: there is nothing left to count for.
    take_away = (
        f"INSERT INTO call_counts ({_columns}) SELECT {values('OLD', '-')} "
        f"WHERE EXISTS (SELECT 1 FROM organizations WHERE id = OLD.organization_id) {_add};"
    )
    op.execute(f"CREATE TRIGGER count_new_calls AFTER INSERT ON calls BEGIN {add} END")
    op.execute(f"CREATE TRIGGER count_deleted_calls AFTER DELETE ON calls BEGIN {take_away} END")
    op.execute(
        "CREATE TRIGGER count_changed_calls "
        "AFTER UPDATE OF organization_id, status, duration_seconds, created_at ON calls "
        "WHEN OLD.organization_id <> NEW.organization_id OR OLD.status <> NEW.status "
        "OR OLD.duration_seconds IS NOT NEW.duration_seconds OR OLD.created_at <> NEW.created_at "
        f"BEGIN {take_away} {add} END"
    )


def _create_postgresql_triggers() -> None:
    """Inserts and deletes are counted a statement at a time, for the sake of many rows at once."""
    day = "CAST(created_at AT TIME ZONE 'UTC' AS date)"
    key = f"organization_id, {day}, status, pg_backend_pid()"
    negative = (
        "-COUNT(*), -COUNT(duration_seconds), -COALESCE(SUM(duration_seconds), 0), "
        "-COALESCE(SUM((duration_seconds + 59) / 60), 0)"
    )

    def add(rows: str) -> str:
        return (
            f"INSERT INTO call_counts ({_columns}) SELECT {key}, {_sums} FROM {rows} AS come "
            f"GROUP BY organization_id, {day}, status {_add};"
        )

    def take_away(rows: str) -> str:
        # While an organization is deleted, its calls go after it: there is nothing left to count for.
        return (
            f"INSERT INTO call_counts ({_columns}) SELECT {key}, {negative} FROM {rows} AS gone "
            "WHERE EXISTS (SELECT 1 FROM organizations WHERE organizations.id = gone.organization_id) "
            f"GROUP BY organization_id, {day}, status {_add};"
        )

    for name, statements in {
        "count_new_calls": add("changed"),
        "count_deleted_calls": take_away("changed"),
        "count_changed_calls": take_away("(SELECT OLD.*)") + add("(SELECT NEW.*)"),
    }.items():
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statements} RETURN NULL; END $$"
        )
    op.execute(
        "CREATE TRIGGER count_new_calls AFTER INSERT ON calls REFERENCING NEW TABLE AS changed "
        "FOR EACH STATEMENT EXECUTE FUNCTION count_new_calls()"
    )
    op.execute(
        "CREATE TRIGGER count_deleted_calls AFTER DELETE ON calls REFERENCING OLD TABLE AS changed "
        "FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_calls()"
    )
    op.execute(
        "CREATE TRIGGER count_changed_calls "
        "AFTER UPDATE OF organization_id, status, duration_seconds, created_at ON calls FOR EACH ROW WHEN "
        "((OLD.organization_id, OLD.status, OLD.duration_seconds, OLD.created_at) IS DISTINCT FROM "
        "(NEW.organization_id, NEW.status, NEW.duration_seconds, NEW.created_at)) "
        "EXECUTE FUNCTION count_changed_calls()"
    )


def downgrade() -> None:
    triggers = ("count_new_calls", "count_deleted_calls", "count_changed_calls")
    if op.get_bind().dialect.name == "sqlite":
        for trigger in triggers:
            op.execute(f"DROP TRIGGER {trigger}")
    else:
        for trigger in triggers:
            op.execute(f"DROP FUNCTION {trigger}() CASCADE")
    op.drop_table("call_counts")
    for index in ("ix_calls_timed", *(f"ix_calls_organization_id_{column}" for column in _filters)):
        op.drop_index(index, "calls")
    op.drop_index("ix_calls_organization_id_status", "calls")
    op.create_index("ix_calls_organization_id_status", "calls", ["organization_id", "status", "created_at"])
    op.create_index("ix_calls_organization_id", "calls", ["organization_id"])
    for vendor in _vendors:
        op.execute(f"ALTER TABLE calls DROP COLUMN {vendor}")
