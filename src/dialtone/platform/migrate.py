"""Schema migrations: plain numbered files in `migrations/versions`, run at every start or by `dialtone db upgrade`."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaError(Exception):
    """This version of Dialtone can't work with the database as it is. `str()` says why and what to do."""


def revisions() -> list[str]:
    """Every revision that this version knows, oldest first; a file is named after its revision."""
    return sorted(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def newest_revision() -> str:
    return revisions()[-1]


def current_revision(connection: Connection) -> str | None:
    """The database's revision; None for a database without tables of ours.

    Raises `SchemaError` for one that this version does not know.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in revisions():
        raise SchemaError(
            f"the database has schema {revision}, made by a newer version of Dialtone; this version knows schemas up "
            f"to {newest_revision()}. Install the newer version, or restore the backup from before the upgrade"
        )
    return revision


def alembic_config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, target: str = "head") -> None:
    """Run every migration that this database lacks, in the caller's transaction. Raises `SchemaError`.

    On SQLite foreign keys must be off: a migration may have to make a table anew, and dropping the old one would
    delete the rows that refer to it.
    """
    if current_revision(connection) == newest_revision():
        return
    # Alembic and its template engine weigh 15 MB and a tenth of a second: they load only where there is work to do.
    from alembic import command

    command.upgrade(alembic_config(connection), target)
    if connection.dialect.name == "sqlite" and (
        broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    ):
        raise SchemaError(f"rows of {broken[0]} refer to rows of {broken[2]} that do not exist; nothing was changed")
