"""Making, listing and revoking API keys of any organization, for whoever has the machine."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import or_, select

from dialtone.organizations.keys import MAX_NAME, KeyChangeError, add_key, revoke_key
from dialtone.organizations.tables import ApiKey, Organization
from dialtone.platform.auth import hash_key
from dialtone.platform.db import Database, iso, new_id, now, parse_id


@dataclass(frozen=True, slots=True)
class KeyEntry:
    id: str
    name: str | None
    prefix: str
    """The key's beginning."""
    organization: str
    """The organization's name."""
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    from_settings: bool
    """The key comes from DIALTONE_API_KEY."""

    def __str__(self) -> str:
        """One line for people."""
        notes = [f"made {iso(self.created_at)}"]
        for words, moment in (("used", self.last_used_at), ("expires", self.expires_at), ("revoked", self.revoked_at)):
            if moment is not None:
                notes.append(f"{words} {iso(moment)}")
        if self.from_settings:
            notes.append("from DIALTONE_API_KEY")
        name = f"  {self.name!r}" if self.name is not None else ""
        return f"{self.id}  {self.prefix}...  {self.organization}{name}  {', '.join(notes)}"


def expiry(words: str) -> datetime:
    """A day or a moment as people type it; without a time zone it is UTC. Raises `KeyChangeError`."""
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        raise KeyChangeError("invalid_request", f"{words} is no time such as 2027-01-31T09:30:00Z") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _entry(key: ApiKey, organization: str) -> KeyEntry:
    return KeyEntry(
        key.id,
        key.name,
        key.prefix,
        organization,
        key.created_at,
        key.expires_at,
        key.last_used_at,
        key.revoked_at,
        key.from_settings,
    )


async def list_keys(database: Database) -> list[KeyEntry]:
    """All keys, the oldest first."""
    query = select(ApiKey, Organization.name).join(Organization).order_by(ApiKey.created_at, ApiKey.id)
    async with database.read() as session:
        rows = (await session.execute(query)).all()
    return [_entry(key, name) for key, name in rows]


async def create_key(
    database: Database, organization: str | None, *, name: str | None = None, expires_at: datetime | None = None
) -> str:
    """A further key of the organization with this name or id, by default of the first one. Shown only now.

    Raises `KeyChangeError`.
    """
    if expires_at is not None and expires_at <= now():
        raise KeyChangeError("invalid_request", "the key would have expired already")
    if name is not None and len(name) > MAX_NAME:
        raise KeyChangeError("invalid_request", f"a key's name has at most {MAX_NAME} characters")
    async with database.write() as session:
        first = select(Organization.id).order_by(Organization.created_at, Organization.id).limit(2)
        if organization is not None:
            first = first.where(
                or_(Organization.name == organization, Organization.id == (parse_id(organization) or new_id()))
            )
        found = (await session.scalars(first)).all()
        if not found:
            raise KeyChangeError(
                "not_found", f"there is no organization {organization or 'yet: start the server once'}"
            )
        if organization is not None and len(found) > 1:
            raise KeyChangeError("ambiguous", f"several organizations are called {organization}: give the id")
        _, key = await add_key(session, found[0], name=name, expires_at=expires_at)
    return key


async def revoke_any_key(database: Database, which: str) -> KeyEntry:
    """Revoke a key, named by its id or given whole, even an organization's last. A running server refuses it within
    seconds. Raises `KeyChangeError`.
    """
    async with database.write() as session:
        query = (
            select(ApiKey, Organization.name)
            .join(Organization)
            .where(or_(ApiKey.hash == hash_key(which), ApiKey.id == (parse_id(which) or new_id())))
        )
        found = (await session.execute(query)).one_or_none()
        if found is None:
            raise KeyChangeError("not_found", "there is no such key; see `dialtone keys list`")
        key, organization = found
        await revoke_key(session, key, even_the_last=True)
    return _entry(key, organization)
