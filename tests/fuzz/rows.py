"""What a database holds, as seen from outside: to find out that a refused request has left nothing behind."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql

UNCOUNTED_TABLES = frozenset({"rate_limits", "job_workers", "call_nodes", "audit_lines", "erasures"})
UNCOUNTED_COLUMNS = frozenset({"last_used_at"})
"""What every request may count, also one that is refused; and what a server writes by itself, to say that it lives and
while it does what accepted requests began."""
SWEPT_TABLES = frozenset({"web_call_tokens", "jobs"})
"""Whose rows a server changes and takes by itself, when they run, are done or have expired. None may be added: their
first column is the key.
"""

Rows = dict[str, list[str]]
"""The rows of each table, as text, sorted."""


def left_behind(before: Rows, after: Rows) -> dict[str, set[str]]:
    """What a request changed, by table: the rows that are new, and those that are gone."""
    found = {}
    for table in before.keys() | after.keys():
        old, new = set(before.get(table, ())), set(after.get(table, ()))
        if table in SWEPT_TABLES:
            known = {row.partition(",")[0] for row in old}
            changed = {row for row in new if row.partition(",")[0] not in known}
        else:
            changed = new ^ old
        if changed:
            found[table] = changed
    return found


class Look(Protocol):
    def __call__(self) -> Rows: ...


@contextmanager
def looking_at(database_url: str | None, data_dir: Path) -> Iterator[Look]:
    """A function that tells all rows of the server's database; None is SQLite in its data directory."""
    if database_url is None:
        with _sqlite(data_dir / "dialtone.db") as look:
            yield look
    else:
        with _postgresql(database_url) as look:
            yield look


def _counted(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        table: [name for name in names if name not in UNCOUNTED_COLUMNS]
        for table, names in sorted(columns.items())
        if table not in UNCOUNTED_TABLES
    }


@contextmanager
def _sqlite(path: Path) -> Iterator[Look]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=30)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {
        table: [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
        for table in tables
        if not table.startswith("sqlite_")
    }
    queries = {
        table: 'SELECT {} FROM "{}"'.format(", ".join(f'"{name}"' for name in names), table)
        for table, names in _counted(columns).items()
    }

    def look() -> Rows:
        connection.execute("BEGIN")
        try:
            return {table: sorted(map(repr, connection.execute(query))) for table, query in queries.items()}
        finally:
            connection.execute("COMMIT")

    try:
        yield look
    finally:
        connection.close()


@contextmanager
def _postgresql(url: str) -> Iterator[Look]:
    with psycopg.connect(url, autocommit=True) as connection:
        columns: dict[str, list[str]] = {}
        for table, name in connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        ):
            columns.setdefault(table, []).append(name)
        # One statement sees one moment, and is one way to the database and back.
        query = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, CAST(ROW({}) AS text) FROM {}").format(
                sql.Literal(table), sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table)
            )
            for table, names in _counted(columns).items()
        )

        def look() -> Rows:
            rows: Rows = {}
            for table, row in connection.execute(query):
                rows.setdefault(table, []).append(row)
            return {table: sorted(found) for table, found in rows.items()}

        yield look
