"""Making, listing and revoking API keys, for whoever has the machine."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from dialtone.organizations.tables import ApiKey, Organization
from dialtone.platform.auth import hash_key, key_prefix, new_key
from dialtone.platform.db import Database, new_id, parse_id


class KeyChangeError(Exception):
    """The change can't be made. `str()` says why."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    id: str
    prefix: str
    """The key's beginning."""
    organization: str
    """The organization's name."""
    created_at: datetime
    from_settings: bool
    """The key comes from DIALTONE_API_KEY."""


async def list_keys(database: Database) -> list[KeyEntry]:
    """All keys, the oldest first."""
    query = select(ApiKey, Organization.name).join(Organization).order_by(ApiKey.created_at)
    async with database.read() as session:
        rows = (await session.execute(query)).all()
    return [KeyEntry(key.id, key.prefix, name, key.created_at, key.from_settings) for key, name in rows]


async def create_key(database: Database, organization: str | None) -> str:
    """A further key of the organization with this name or id, by default of the first one. Shown only now.

    Raises `KeyChangeError`.
    """
    async with database.write() as session:
        query = select(Organization).order_by(Organization.created_at)
        found = [
            row
            for row in (await session.scalars(query)).all()
            if organization is None or organization in (row.id, row.name)
        ]
        if not found:
            raise KeyChangeError(f"there is no organization {organization or 'yet: start the server once'}")
        if organization is not None and len(found) > 1:
            raise KeyChangeError(f"{len(found)} organizations are called {organization}: give the id")
        key = new_key()
        session.add(ApiKey(organization_id=found[0].id, hash=hash_key(key), prefix=key_prefix(key)))
    return key


async def revoke_key(database: Database, which: str) -> KeyEntry:
    """Delete a key, named by its id or given whole. A running server forgets it within seconds.

    Raises `KeyChangeError`.
    """
    async with database.write() as session:
        query = (
            select(ApiKey, Organization.name)
            .join(Organization)
            .where(or_(ApiKey.hash == hash_key(which), ApiKey.id == (parse_id(which) or new_id())))
        )
        found = (await session.execute(query)).one_or_none()
        if found is None:
            raise KeyChangeError("there is no such key; see `dialtone keys list`")
        key, organization = found
        if key.from_settings:
            raise KeyChangeError("this key comes from DIALTONE_API_KEY: change it there")
        await session.delete(key)
    return KeyEntry(key.id, key.prefix, organization, key.created_at, key.from_settings)
