"""What every room does with its rows: change them, and tell why the database refused one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from dialtone.platform.db import now

_TICK = timedelta(milliseconds=1)
"""The precision of times that the API shows."""

_POSTGRESQL_UNIQUE = "23505"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLITE_UNIQUE = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")  # https://sqlite.org/rescode.html


class Dated(Protocol):
    updated_at: datetime


def apply_changes(row: Dated, values: Mapping[str, Any]) -> None:
    """Set what differs; `updated_at` moves only where something does, and never back."""
    changes = {name: value for name, value in values.items() if value != getattr(row, name)}
    for name, value in changes.items():
        setattr(row, name, value)
    if changes:
        row.updated_at = max(now(), row.updated_at)


def changes_of(row: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a row that no session keeps track of: what to write, nothing where nothing differs.

    `updated_at` always moves on, so that it tells of every change.
    """
    changes = {name: value for name, value in values.items() if value != row[name]}
    if changes:
        changes["updated_at"] = max(now(), row["updated_at"] + _TICK)
    return changes


@cache
def insert_missing(rows: Table, *, is_sqlite: bool) -> Insert:
    """Adds a row, of which it is told the columns, unless it is there."""
    insert: Any = sqlite.insert if is_sqlite else postgresql.insert
    statement: Insert = insert(rows).on_conflict_do_nothing()
    return statement


def is_duplicate(error: IntegrityError) -> bool:
    """Was the row refused because another one has the same unique value?"""
    cause = error.orig
    return (
        getattr(cause, "sqlstate", None) == _POSTGRESQL_UNIQUE
        or getattr(cause, "sqlite_errorname", None) in _SQLITE_UNIQUE
    )
