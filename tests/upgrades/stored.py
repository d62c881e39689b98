"""Databases as earlier versions left them.

`rows/<revision>.json` holds rows as that revision's schema has them; a database of a revision holds the rows of all
revisions up to it. So they were stored once and went through every migration since, as in a deployment.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import CHAR, Column, Connection, Date, DateTime, MetaData, Table, Uuid, insert, select

from dialtone.platform.db import Database
from dialtone.platform.migrate import revisions

ROWS = Path(__file__).parent / "rows"
MASTER_KEY = "the master key of the upgrade rows"
API_KEY = "fl_live_of_every_version"
"""The first organization's."""

Row = dict[str, Any]
Rows = dict[str, dict[tuple[Any, ...], Row]]
"""Tables, their rows by primary key."""


def rows_of(revision: str) -> dict[str, list[Row]]:
    """The rows by their tables, in the order in which they can be stored. Raises `OSError` where there are none."""
    rows: dict[str, list[Row]] = json.loads((ROWS / f"{revision}.json").read_text())
    return rows


async def fill(database: Database, revision: str) -> None:
    """Make an empty database, or one of an earlier revision with its data, one of this revision with data."""
    known, found = revisions(), await database.revision()
    for each in known[known.index(found) + 1 if found else 0 : known.index(revision) + 1]:
        await database.upgrade(each)
        await add_rows(database, each)


async def add_rows(database: Database, revision: str) -> None:
    """Store the rows of a revision, which the database has."""
    async with database.write() as session:
        await (await session.connection()).run_sync(_store, rows_of(revision))


def _store(connection: Connection, tables: dict[str, list[Row]]) -> None:
    metadata = MetaData()
    for name, rows in tables.items():
        table = Table(name, metadata, autoload_with=connection)
        for row in rows:
            values = {key: _bound(table.c[key], value) for key, value in row.items() if value is not None}
            connection.execute(insert(table).values(values))


def _bound(column: Column[Any], value: Any) -> Any:
    """The JSON value as the reflected column takes it: SQLite keeps UUIDs without dashes, and times without a zone."""
    match column.type:
        case DateTime():
            moment = datetime.fromisoformat(value)
            return moment if column.type.timezone else moment.replace(tzinfo=None)
        case Date():
            return date.fromisoformat(value)
        case Uuid():
            return uuid.UUID(value)
        case CHAR(length=32):
            return value.replace("-", "")
    return value


def stored(connection: Connection) -> Rows:
    """Everything in the database."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {
        table.name: _stored(connection, table) for table in metadata.sorted_tables if table.name != "alembic_version"
    }


def _stored(connection: Connection, table: Table) -> dict[tuple[Any, ...], Row]:
    key: Sequence[str] = [column.name for column in table.primary_key.columns]
    rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    return {tuple(row[name] for name in key): row for row in rows}
