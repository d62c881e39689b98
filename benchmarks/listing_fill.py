"""Fills a Dialtone database with calls as a year would leave them, straight into its tables."""

import math
import random
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

YEAR = timedelta(days=365)
OTHER_ORGANIZATIONS = 3
OTHERS_SHARE = 10
"""Each other organization has a tenth as many calls."""
ASSISTANTS = 20
NUMBERS = 10
BATCH = 20_000
SEED = 7

_CALL = (
    "id, organization_id, node, status, direction, assistant_id, assistant_name, caller_phone, assistant_phone, "
    "number_id, end_reason, notes, started_at, ended_at, duration_seconds, created_at, updated_at"
)
_MESSAGE = "call_id, position, organization_id, role, content, created_at"
_TURN = "call_id, position, organization_id, endpointing, total, interrupted"
_STATEMENTS = (("calls", _CALL), ("call_messages", _MESSAGE), ("call_turns", _TURN))

Rows = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Of calls, messages and turns."""


def fill_sqlite(path: Path, calls: int) -> None:
    """Give the first organization of a migrated database `calls` calls, and others some too."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nobody else is here, and what a crash leaves is thrown away. A cache as large as the database: ids are random,
        # so every row goes to another page.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-4000000")
        first = uuid.UUID(connection.execute("SELECT id FROM organizations").fetchone()[0])
        connection.execute("BEGIN")
        organizations = [first]
        for organization in _others():
            connection.execute(_NEW_ORGANIZATION.replace("%s", "?"), _plain((organization, datetime.now(UTC))))
            organizations.append(organization)
        for batch in _batches(organizations, calls):
            for (table, columns), rows in zip(_STATEMENTS, batch, strict=True):
                marks = ", ".join("?" for _ in columns.split(","))
                connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", map(_plain, rows))
        connection.execute("COMMIT")


def fill_postgresql(url: str, calls: int) -> None:
    """As `fill_sqlite`."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT id FROM organizations").fetchone()
        assert row is not None
        organizations = [row[0]]
        for organization in _others():
            connection.execute(_NEW_ORGANIZATION, (organization, datetime.now(UTC)))
            organizations.append(organization)
        for batch in _batches(organizations, calls):
            for (table, columns), rows in zip(_STATEMENTS, batch, strict=True):
                with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for values in rows:
                        copy.write_row(values)
        connection.commit()
        # What PostgreSQL does by itself after a while.
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


_NEW_ORGANIZATION = "INSERT INTO organizations (id, name, created_at) VALUES (%s, 'Another', %s)"


def _others() -> list[uuid.UUID]:
    return [uuid.uuid4() for _ in range(OTHER_ORGANIZATIONS)]


def _plain(values: Sequence[Any]) -> tuple[Any, ...]:
    """As SQLAlchemy stores ids and times in SQLite."""
    return tuple([_PLAIN[type(value)](value) if type(value) in _PLAIN else value for value in values])


_PLAIN: dict[type, Callable[[Any], str]] = {
    uuid.UUID: lambda value: value.hex,
    datetime: lambda value: value.replace(tzinfo=None).isoformat(" ", "microseconds"),
}


def _batches(organizations: Sequence[uuid.UUID], calls: int) -> Iterator[Rows]:
    """Rows in the order of time, the organizations' mixed."""
    chance = random.Random(SEED)
    weights = [1.0] + [1 / OTHERS_SHARE] * (len(organizations) - 1)
    total = round(calls * sum(weights))
    owners = [
        organization
        for organization, weight in zip(organizations, weights, strict=True)
        for _ in range(round(calls * weight))
    ]
    chance.shuffle(owners)
    makers = {organization: CallMaker(organization, chance) for organization in organizations}
    begin = datetime.now(UTC) - YEAR
    rows: Rows = ([], [], [])
    for index, owner in enumerate(owners):
        makers[owner].add(rows, begin + YEAR * (index / total), is_recent=total - index < 20)
        if len(rows[0]) == BATCH:
            yield rows
            rows = ([], [], [])
    yield rows


class CallMaker:
    """Makes up the calls of one organization."""

    def __init__(self, organization: uuid.UUID, chance: random.Random) -> None:
        self._organization = organization
        self._chance = chance
        self._node = uuid.uuid4()
        self._assistants = [uuid.uuid4() for _ in range(ASSISTANTS)]
        self._numbers = [uuid.uuid4() for _ in range(NUMBERS)]

    def add(self, rows: Rows, at: datetime, *, is_recent: bool) -> None:
        """Append one call, two messages and a turn to `rows`."""
        chance, call_id = self._chance, uuid.UUID(int=self._chance.getrandbits(128), version=4)
        status = "in-progress" if is_recent else "failed" if chance.random() < 0.1 else "ended"
        direction = chance.choices(("inbound", "outbound", "web"), (6, 2, 2))[0]
        seconds = min(3600, round(math.exp(chance.gauss(4.4, 0.9)))) if status == "ended" else None
        answered = None if status == "failed" else at + timedelta(seconds=4)
        ended = answered + timedelta(seconds=seconds) if answered and seconds is not None else None
        phones = (None, None) if direction == "web" else (f"+316{chance.randrange(10**8):08}", "+31201234567")
        reason = {"ended": "user_hangup", "failed": "no_answer"}.get(status)
        assistant = chance.randrange(ASSISTANTS)
        number = None if direction == "web" else chance.choice(self._numbers)
        what = (call_id, self._organization, self._node, status, direction)
        who = (self._assistants[assistant], f"Assistant {assistant}", *phones, number)
        rows[0].append((*what, *who, reason, "[]", answered, ended, seconds, at, ended or at))
        if answered:
            rows[1].append((call_id, 0, self._organization, "assistant", "Good morning, how can I help?", answered))
            rows[1].append((call_id, 1, self._organization, "user", "I would like to book a table for two.", answered))
            rows[2].append((call_id, 0, self._organization, 320.0, 910.0, False))
