"""The database: SQLite embedded, or PostgreSQL for many nodes. The same code runs on both.

Rooms declare their tables on `Base` and reach them through `Database.read()` and `Database.write()`.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from sqlalchemy import DateTime, Dialect, Engine, MetaData, Select, Update, Uuid, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import JSON, TypeDecorator
from sqlalchemy.util import greenlet_spawn

from dialtone.platform import engines
from dialtone.settings import Settings

logger = logging.getLogger(__name__)

DROP_TRIES = 50
DROP_PAUSE_SECONDS = 0.2
STARTUP_LOCK = 7_302_114_690_251
"""Key of the PostgreSQL advisory lock held while a process migrates or sets up the database."""


class Base(DeclarativeBase):
    """Parent of every table. The naming convention keeps constraint names equal on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in time, always timezone-aware and in UTC. Binding a naive value raises `ValueError`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON(none_as_null=True)
"""Column type for JSON documents: text on SQLite, `json` on PostgreSQL. Keeps the order of keys."""

Id = Uuid(as_uuid=False)
"""Column type for ids: UUIDs, seen by Python as their canonical strings."""


def new_id() -> str:
    return str(uuid.uuid4())


def parse_id(value: str) -> str | None:
    """The canonical form of a UUID in a request, or None where it is not one."""
    try:
        return str(uuid.UUID(value)) if len(value) <= 45 else None
    except ValueError:
        return None


def now() -> datetime:
    """The present moment in UTC, cut to milliseconds, the precision that the API shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso(moment: datetime) -> str:
    """A moment as the API writes it: `2026-01-31T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def database_url(settings: Settings) -> URL:
    """The URL with the right driver. Raises `ValueError` for a database other than SQLite or PostgreSQL."""
    if settings.database_url is None:
        path = Path(settings.data_dir).resolve() / "dialtone.db"
        return URL.create("sqlite+aiosqlite", database=str(path))
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        raise ValueError("DIALTONE_DATABASE_URL is not a database URL") from None
    match url.get_backend_name():
        case "sqlite":
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise ValueError(f"DIALTONE_DATABASE_URL: must begin with sqlite:// or postgresql:// (got {other}://)")


def _place(url: URL) -> str:
    """Where a database is, without user and password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


class DatabaseUnavailableError(OSError):
    """The database can't be reached or opened."""

    def __init__(self, url: URL, problem: OperationalError) -> None:
        words = str(problem.orig).strip().splitlines() or ["no answer"]
        super().__init__(f"the database {_place(url)} can't be reached: {words[0]}")


class Database:
    """One process's connections to its database. Opens nothing until first used.

    Raises `ValueError` for a URL that is neither SQLite nor PostgreSQL.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = database_url(settings)
        self.place = _place(self.url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engines = engines.connect(self.url, _serialize)
        self.engine = self._engines.writing
        self._migrates_on_start = settings.migrate_on_start
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._reading_sessions = async_sessionmaker(self._engines.reading, expire_on_commit=False)
        self._writing: AbstractAsyncContextManager[None] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session to look things up; what it changes is not kept."""
        async with self._reading_sessions() as session:
            yield session

    async def look_up(self, query: Select[Any], given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The rows of one query that finds a few by their keys. For what clients ask all day: a session and its
        transaction cost as much again.
        """
        if self._engines.in_loop is not None:
            try:
                return _rows(self._engines.in_loop, query, given)
            except OperationalError:  # the database is locked, or not there yet
                pass
        return await self.look_up_many(query, given)

    async def look_up_many(self, query: Select[Any], given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The same for rows that may be many."""
        return await greenlet_spawn(_rows, self._engines.single_query.sync_engine, query, given)

    async def write_one(self, statement: Update, given: Mapping[str, Any]) -> int:
        """How many rows one statement changed, in a transaction of its own: one way to the database and back, where
        `write` takes four.
        """

        def changed() -> int:
            with self._engines.single_write.sync_engine.connect() as connection:
                return connection.execute(statement, given).rowcount

        async with self._writing:
            return await greenlet_spawn(changed)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction: kept on leaving, rolled back on an exception.

        SQLite's one write lock is taken by the first statement. Writers of this process queue for it here, in order:
        SQLite itself has waiting connections poll, and under load some of them never find it free before their time
        is up.
        """
        async with self._writing, self._sessions() as session, session.begin():
            yield session

    async def drop_deleted(self) -> None:
        """Let what was deleted go from the disk as well, as far as that is this process's to do: from SQLite's
        write-ahead log, which keeps earlier states of pages until it is written anew. PostgreSQL's VACUUM and its log
        are its operator's.
        """
        if not self.is_sqlite:
            return

        def tried() -> bool:
            """A reader that looks at an earlier state keeps it there for the moment; writers must not wait for it."""
            with self._engines.single_write.sync_engine.connect() as connection:
                connection.execute(text("PRAGMA busy_timeout=0"))
                try:
                    return not connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]
                finally:
                    connection.execute(text(f"PRAGMA busy_timeout={engines.SQLITE_BUSY_MILLISECONDS}"))

        for _ in range(DROP_TRIES):
            async with self._writing:
                if await greenlet_spawn(tried):
                    return
            await asyncio.sleep(DROP_PAUSE_SECONDS)
        logger.warning("the database's log could not be emptied of what was deleted: it was read all the time")

    @asynccontextmanager
    async def startup_lock(self) -> AsyncIterator[AsyncSession]:
        """A writing session that only one process of the deployment can hold at a time."""
        async with self.write() as session:
            if not self.is_sqlite:
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STARTUP_LOCK})
            yield session

    async def revision(self) -> str | None:
        """The schema's revision; None for an empty database.

        Raises `DatabaseUnavailableError`, and `migrate.SchemaError` for a revision that only a newer version knows.
        """
        from dialtone.platform.migrate import current_revision

        if self.is_sqlite and not self.has_file():
            return None  # connecting would make one
        try:
            async with self._engines.single_query.connect() as connection:
                return await connection.run_sync(current_revision)
        except OperationalError as problem:
            raise DatabaseUnavailableError(self.url, problem) from None

    def has_file(self) -> bool:
        """Whether there is a SQLite database at all."""
        return Path(self.url.database or "").exists()

    async def migrate(self, *, make: bool = True) -> None:
        """Bring the schema up to date, where the settings let a start do that; without `make` only that of a database
        that has one.

        Raises `DatabaseUnavailableError`, or `migrate.SchemaError` where the schema is not one to work with.
        """
        from dialtone.platform.migrate import SchemaError, newest_revision

        found = await self.revision()
        if found == newest_revision():
            return
        if not self._migrates_on_start:
            raise SchemaError(
                f"the database {self.place} has {f'schema {found}' if found else 'no schema yet'}, this version "
                f"needs {newest_revision()}, and DIALTONE_MIGRATE_ON_START is off: run `dialtone db upgrade`"
            )
        if found is None and not make:
            raise SchemaError(
                f"there is no database of Dialtone at {self.place}: start the server once, or name the right place "
                "with --data-dir, DIALTONE_DATA_DIR or DIALTONE_DATABASE_URL"
            )
        await self.upgrade()

    async def upgrade(self, target: str = "head") -> None:
        """Run the migrations that are missing. Safe while other processes start at the same time.

        Raises `migrate.SchemaError`.
        """
        from dialtone.platform.migrate import upgrade

        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        without_foreign_keys = engines.connect(self.url, _serialize, foreign_keys=False)
        try:
            async with without_foreign_keys.writing.begin() as connection:
                if not self.is_sqlite:
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STARTUP_LOCK})
                await connection.run_sync(upgrade, target)
        finally:
            await without_foreign_keys.dispose()

    async def ping(self) -> float:
        """Milliseconds that the database takes to answer. Raises `sqlalchemy.exc.SQLAlchemyError` or `OSError`."""
        started = perf_counter()
        async with self._engines.single_query.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return (perf_counter() - started) * 1000

    def single_connection(self) -> AsyncEngine:
        """An engine of one connection to this PostgreSQL, on which every statement is a transaction of its own and
        costs one round trip. Statements find out themselves that a connection has gone. Whoever asks for it closes it.
        """
        return create_async_engine(
            self.url,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=0,
            connect_args={"connect_timeout": 5},
        )

    async def close(self) -> None:
        await self._engines.dispose()


def _rows(engine: Engine, query: Select[Any], given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    with engine.connect() as connection:
        return cast(Sequence[Mapping[str, Any]], connection.execute(query, given).mappings().all())


def _serialize(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
