"""Organizations' own keys of vendors: kept encrypted, shown never, used before the deployment's."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.byok.carriers import base_url, problems_of, settings_of
from dialtone.byok.schemas import DOCUMENT, MAX_PLAIN_KEY, PLAIN_KEY, WITH_DOCUMENTS, ConfigChange, KeyIds, KeyUpsert
from dialtone.byok.tables import ProviderKey
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.db import Database, new_id, now
from dialtone.platform.errors import ApiError, invalid
from dialtone.platform.fields import ignored_fields
from dialtone.platform.problems import problem
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed
from dialtone.platform.tenancy import AllOwnedLookUps, owned_by, select_owned
from dialtone.providers.addresses import BASE_URLS, check_own_address
from dialtone.providers.factory import OwnKey
from dialtone.settings import Settings

MAX_CONFIG_BYTES = 8192
"""Size of one vendor's settings as JSON."""


class Byok:
    """The own keys of every organization. A key that is not there falls back to the deployment's; a parent's keys
    are not its children's.
    """

    def __init__(self, database: Database, secrets: Secrets, settings: Settings) -> None:
        self._database = database
        self._secrets = secrets
        self._settings = settings
        self._to_base_urls = settings.byok_to_base_urls
        self._rows = AllOwnedLookUps(database, ProviderKey)

    # What the API does

    async def show(self, organization_id: str) -> dict[str, Any]:
        """`byok_keys`: the id of each stored key."""
        async with self._database.read() as session:
            return await _key_ids(session, organization_id)

    async def set_key(self, organization_id: str, body: KeyUpsert) -> dict[str, Any]:
        """Store or replace a key; its settings stay. Returns `byok_keys`; raises `ApiError` (400)."""
        if problems := _key_problems(body.provider, body.api_key):
            raise invalid(problems)
        key = body.api_key.strip()
        moment = now()
        insert: Any = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = insert(ProviderKey).values(
            id=new_id(),
            organization_id=organization_id,
            provider=body.provider,
            secret=self._secrets.encrypt(key),
            config={},
            secret_config={},
            created_at=moment,
            updated_at=moment,
        )
        new = {"secret": row.excluded.secret, "updated_at": row.excluded.updated_at}
        async with self._database.write() as session:
            await session.execute(row.on_conflict_do_update(index_elements=["organization_id", "provider"], set_=new))
            return await _key_ids(session, organization_id)

    async def remove_key(self, organization_id: str, provider: str) -> dict[str, Any]:
        """Forget a key and its settings; where there was none, nothing happens. Returns `byok_keys`."""
        async with self._database.write() as session:
            await session.execute(
                delete(ProviderKey).where(owned_by(ProviderKey, organization_id), ProviderKey.provider == provider)
            )
            return await _key_ids(session, organization_id)

    async def configure(self, organization_id: str, body: ConfigChange) -> tuple[dict[str, Any], list[str]]:
        """Merge settings into a vendor's. Returns `byok_config`, and the fields that had no effect.

        Raises `ApiError`: 400 for settings that break rules, 409 where no key is stored.
        """
        _check_base_url(body)
        if problems := problems_of(body.provider, body.config):
            raise invalid(problems)
        async with self._database.write() as session:
            row = await session.scalar(_of_vendor(organization_id, body.provider).with_for_update())
            if row is None:
                raise ApiError(
                    409,
                    "provider_key_missing",
                    "No key is stored",
                    f"Store a key of {body.provider} first: POST /byok.",
                )
            secrets = self._secret_config(row, body)
            plain = {name: value for name, value in body.config.items() if not _is_secret(body.provider, name)}
            config = {name: value for name, value in {**row.config, **plain}.items() if value is not None}
            size = len(json.dumps(config, ensure_ascii=False).encode())
            if size > MAX_CONFIG_BYTES:
                raise invalid([f"config: must have at most {MAX_CONFIG_BYTES} bytes of JSON (got {size})"])
            if config != row.config or secrets != row.secret_config:
                row.config = config
                row.secret_config = secrets
                row.updated_at = now()
            await session.flush()
            rows = await session.scalars(select_owned(ProviderKey, organization_id).order_by(ProviderKey.provider))
            shown = {row.provider: _shown(row) for row in rows if row.config or row.secret_config}
        known = {"base_url", *settings_of(body.provider)}
        without_effect = [f"config.{name}" for name in body.config if name not in known]
        return shown, ignored_fields(body) + without_effect

    async def close(self) -> None:
        await self._rows.close()

    # What other rooms ask

    async def key(self, organization_id: str, provider: str) -> str | None:
        """The organization's own key of one vendor. Raises `crypto.SecretKeyError`."""
        async with self._database.read() as session:
            row = await session.scalar(_of_vendor(organization_id, provider))
        return None if row is None else self._secrets.decrypt(row.secret)

    async def providers(self, organization_id: str) -> frozenset[str]:
        """The vendors of which the organization has a key of its own."""
        rows = await self._rows.get(organization_id)
        return frozenset(row["provider"] for row in rows)

    async def own_keys(self, organization_id: str) -> Mapping[str, OwnKey]:
        """The keys that the organization's calls use, by vendor. Raises `crypto.SecretKeyError`."""
        rows = await self._rows.get(organization_id)
        return {row["provider"]: OwnKey(self._secrets.decrypt(row["secret"]), self._address(row)) for row in rows}

    async def carrier_account(self, session: AsyncSession, organization_id: str, carrier: str) -> CarrierAccount | None:
        """The organization's account at a carrier; None where its key or a setting is missing.

        Raises `crypto.SecretKeyError`.
        """
        row = await session.scalar(_of_vendor(organization_id, carrier))
        if row is None:
            return None
        opened = {name: self._secrets.decrypt(value) for name, value in row.secret_config.items()}
        config = {**row.config, **opened}
        if not settings_of(carrier).keys() <= config.keys():
            return None
        address = base_url(carrier, config, self._settings if self._to_base_urls else None)
        return CarrierAccount(organization_id, carrier, self._secrets.decrypt(row.secret), config, address)

    def _secret_config(self, row: ProviderKey, body: ConfigChange) -> dict[str, str]:
        """The secret settings after a change, encrypted. Raises `ApiError` (400) for the mask of none."""
        changed = dict(row.secret_config)
        for name, value in body.config.items():
            if not _is_secret(body.provider, name):
                continue
            if value is None:
                changed.pop(name, None)
                continue
            new = sealed(self._secrets, value, changed.get(name))
            if new is None:
                raise invalid([problem(f"config.{name}", MASK_WITHOUT_SECRET)])
            changed[name] = new
        return changed

    def _address(self, row: Mapping[str, Any]) -> str | None:
        chosen: str | None = row["config"].get("base_url")
        if chosen is not None:
            return chosen.rstrip("/")
        return None if self._to_base_urls else BASE_URLS.get(row["provider"])


def _is_secret(provider: str, name: str) -> bool:
    setting = settings_of(provider).get(name)
    return setting is not None and setting.secret


def _shown(row: ProviderKey) -> dict[str, Any]:
    return {**row.config, **dict.fromkeys(row.secret_config, MASK)}


def _of_vendor(organization_id: str, provider: str) -> Select[Any]:
    return select_owned(ProviderKey, organization_id).where(ProviderKey.provider == provider)


async def _key_ids(session: AsyncSession, organization_id: str) -> dict[str, Any]:
    query = select_owned(ProviderKey, organization_id).with_only_columns(ProviderKey.provider, ProviderKey.id)
    stored = {f"{provider}_secret_id": key_id for provider, key_id in (await session.execute(query)).all()}
    return {name: stored.get(name) for name in KeyIds.model_fields}


def _key_problems(provider: str, key: str) -> list[str]:
    if provider in WITH_DOCUMENTS:
        sound = re.fullmatch(DOCUMENT, key)
        return [] if sound else [problem("api_key", "must be ASCII text without control characters")]
    sound = re.fullmatch(PLAIN_KEY, key)
    return [] if sound else [problem("api_key", f"must be at most {MAX_PLAIN_KEY} ASCII characters without spaces")]


def _check_base_url(body: ConfigChange) -> None:
    url = body.config.get("base_url")
    if url is None:
        return
    if not isinstance(url, str):
        raise invalid([problem("config.base_url", "must be a string", url)])
    try:
        check_own_address(body.provider, url)
    except ValueError as wrong:
        raise invalid([f"config.base_url: {wrong}"]) from None
