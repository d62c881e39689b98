"""What is stored that telephone calls need: read as it is, beside a running server or without one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet
from sqlalchemy.exc import SQLAlchemyError

from dialtone.byok.service import Byok
from dialtone.doctor.finding import Finding, failed, warning
from dialtone.numbers.service import numbers_at_carriers
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.data_keys import all_keys
from dialtone.platform.db import Database, parse_id
from dialtone.platform.migrate import SchemaError, newest_revision
from dialtone.settings import Settings
from dialtone.trunks.examining import ExaminedTrunk, active_trunks

WHAT = "database"
MAX_TRUNKS = 200
"""Examined in one go: the newest."""


class UnreadableError(Exception):
    """Nothing could be read."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.words)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Records:
    trunks: list[ExaminedTrunk]
    """The newest `MAX_TRUNKS` that are active."""
    has_more: bool
    carriers: Mapping[tuple[str, bool], int]
    """Active numbers by their carrier and by whether their organization has a whole account there."""


async def read(settings: Settings, trunk_id: str | None = None) -> Records:
    """What is stored; of the trunks only the one with this id, where one is given. Raises `UnreadableError`."""
    try:
        database = Database(settings)
        try:
            await _check_schema(database)
            return await _read(settings, database, trunk_id)
        finally:
            await database.close()
    except SecretKeyError as problem:
        fix = "Run the doctor with the DIALTONE_SECRET_KEY and the data directory of the server."
        raise UnreadableError(failed(WHAT, f"Stored secrets can't be read: {problem}.", fix)) from None
    except (SchemaError, OSError, ValueError) as problem:
        fix = "Run the doctor with the server's environment, as a user who may read its data."
        raise UnreadableError(failed(WHAT, f"{problem}.", fix)) from None
    except SQLAlchemyError as problem:
        words = f"The database can't be read ({type(problem).__name__})."
        raise UnreadableError(failed(WHAT, words, "See the server's log.")) from None


async def _check_schema(database: Database) -> None:
    """Raises `UnreadableError` unless the schema is this version's; upgrading it is not the doctor's to do."""
    start = "Start the server once, and make a trunk."
    if database.is_sqlite and not database.has_file():
        raise UnreadableError(warning(WHAT, f"There is none yet at {database.url.database}.", start))
    found = await database.revision()
    if found is None:
        raise UnreadableError(warning(WHAT, "It is empty.", start))
    if found != newest_revision():
        words = f"It has schema {found}, and this version needs {newest_revision()}."
        raise UnreadableError(failed(WHAT, words, "Start this version of the server, or run `dialtone db upgrade`."))


async def _read(settings: Settings, database: Database, trunk_id: str | None) -> Records:
    secrets = _master_keys(settings)
    byok = Byok(database, secrets, settings)
    carriers: Counter[tuple[str, bool]] = Counter()
    async with database.read() as session:
        secrets.use([key.stored() for key in await session.scalars(all_keys())])
        known = trunk_id is None or parse_id(trunk_id) is not None
        wanted = parse_id(trunk_id) if trunk_id is not None else None
        trunks = await active_trunks(session, secrets, MAX_TRUNKS + 1, wanted) if known else []
        for organization_id, carrier, count in await numbers_at_carriers(session):
            account = await byok.carrier_account(session, organization_id, carrier)
            carriers[carrier, account is not None] += count
    return Records(trunks[:MAX_TRUNKS], len(trunks) > MAX_TRUNKS, carriers)


def _master_keys(settings: Settings) -> Secrets:
    """The deployment's. Where none is at hand a key of nobody's stands in, which opens nothing: making one for good is
    the server's to do.
    """
    if settings.secret_key is None and not (settings.data_dir / "secret.key").exists():
        return Secrets([Fernet.generate_key().decode()])
    return Secrets.from_settings(settings)
