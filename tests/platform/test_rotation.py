"""`dialtone keys rotate`: every stored secret under a new key, while servers run, also after being killed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.assistants.tables import Assistant
from dialtone.byok.tables import ProviderKey
from dialtone.organizations.tables import Organization
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.data_keys import DataKey, DataKeys
from dialtone.platform.db import Database, new_id
from dialtone.platform.rotation import BATCH_ROWS, RotationError, rotate
from dialtone.settings import Settings

ROWS = 2 * BATCH_ROWS + 50
OLD = Fernet.generate_key().decode()
NEW = "a new passphrase"


class Node:
    """A process with the deployment's database open."""

    def __init__(self, settings: Settings, *master_keys: str) -> None:
        self.database = Database(settings)
        self.secrets = Secrets(list(master_keys))
        self.keys = DataKeys(self.database, self.secrets)

    async def rotate(self) -> list[str]:
        told: list[str] = []
        await rotate(self.database, self.secrets, told.append, settle_seconds=0)
        return told

    async def stored(self) -> dict[str, str]:
        """Every secret of the test's rows as it is stored, by what it should decrypt to."""
        async with self.database.read() as session:
            keys = {f"key of {row.provider}": row.secret for row in await session.scalars(select(ProviderKey))}
            (organization,) = await session.scalars(select(Organization))
            (assistant,) = await session.scalars(select(Assistant))
        tool = assistant.llm_config["tools"][1]
        return {
            **keys,
            "account": organization.webhook_secret or "",
            "assistant": assistant.webhook_secret or "",
            "tool": tool["server"]["secret"],
            "header": tool["headers"]["Authorization"],
        }

    async def check(self) -> None:
        """Every secret decrypts to what was stored."""
        for plain, stored in (await self.stored()).items():
            assert self.secrets.decrypt(stored) == plain


@asynccontextmanager
async def node(settings: Settings, *master_keys: str) -> AsyncIterator[Node]:
    one = Node(settings, *master_keys)
    await one.database.migrate()
    await one.keys.load()
    try:
        yield one
    finally:
        await one.database.close()


async def fill(first: Node) -> None:
    """Secrets in text columns and in JSON, more than fit in a batch; the account's is one of an earlier version."""
    encrypt, organization = first.secrets.encrypt, new_id()
    async with first.database.write() as session:
        token = Fernet(OLD).encrypt(b"account").decode()
        session.add(Organization(id=organization, name="x", webhook_secret=token))
        await session.flush()
        session.add(_assistant(organization, encrypt))
        for number in range(ROWS):
            secret = encrypt(f"key of {number}")
            session.add(ProviderKey(organization_id=organization, provider=str(number), secret=secret))


def _assistant(organization: str, encrypt: Callable[[str], str]) -> Assistant:
    server = {"url": "https://example.com", "secret": encrypt("tool")}
    closed = {"name": "closed", "server": server, "headers": {"Authorization": encrypt("header")}}
    tools = [{"name": "open"}, closed, {"name": "bare", "server": {"url": "https://b"}}]
    return Assistant(
        organization_id=organization,
        name="Ada",
        is_active=True,
        autonomous_silence_handling=True,
        silence_timeout_seconds=8,
        voicemail_detection=False,
        gdpr_mode=False,
        webhook_secret=encrypt("assistant"),
        llm_config={"provider": "openai", "tools": tools},
    )


async def test_every_secret_is_renewed_and_the_old_master_key_can_go(settings: Settings) -> None:
    async with node(settings, OLD) as server:
        await fill(server)
        before = await server.stored()
        async with node(settings, NEW, OLD) as command:
            told = await command.rotate()
            assert "rows of provider_keys encrypted with it: 250" in told
            assert "take them out of DIALTONE_SECRET_KEY" in told[-1]
        async with node(settings, NEW) as later:
            await later.check()
            after = await later.stored()
            assert len({stored.split(":")[1] for stored in after.values()}) == 1
            assert not set(before.values()) & set(after.values())
    async with node(settings, NEW) as later:
        with pytest.raises(SecretKeyError):
            Secrets([OLD]).decrypt((await later.stored())["tool"])


async def test_without_the_master_key_nothing_opens_in_words(settings: Settings) -> None:
    async with node(settings, OLD):
        pass
    stranger = Node(settings, "another")
    with pytest.raises(SecretKeyError, match="DIALTONE_SECRET_KEY"):
        await stranger.keys.load()
    with pytest.raises(SecretKeyError, match="DIALTONE_SECRET_KEY"):
        await stranger.rotate()
    await stranger.database.close()


async def test_a_running_server_reads_what_a_rotation_made_and_learns_its_key(settings: Settings) -> None:
    async with node(settings, OLD) as server, node(settings, OLD) as command:
        await fill(server)
        signs = server.secrets.derive("urls")
        await command.rotate()
        await server.check()  # without having been told of the new key
        new = server.secrets.encrypt("x").split(":")[1]
        assert new == (await server.stored())["tool"].split(":")[1]
        assert command.secrets.decrypt(server.secrets.encrypt("x")) == "x"
        assert signs in command.secrets.derive_all("urls")


class _Killed(BaseException):
    """Nobody catches it: what was not committed is gone, as after a kill."""


class _Dying(Secrets):
    """Dies in the middle of a batch."""

    renewals_left = BATCH_ROWS + 60

    def renewed(self, stored: str) -> str:
        if not self.renewals_left:
            raise _Killed
        self.renewals_left -= 1
        return super().renewed(stored)


async def test_a_rotation_that_was_killed_goes_on_with_its_key(settings: Settings) -> None:
    async with node(settings, OLD) as server:
        await fill(server)
        with pytest.raises(_Killed):
            await rotate(server.database, _Dying([OLD]), lambda _: None, settle_seconds=0)
        stored = [value for value in (await server.stored()).values() if value.startswith("v2:")]
        assert len({value.split(":")[1] for value in stored}) == 2, "some batches were renewed, the others not"
        await server.check()
        async with node(settings, OLD) as again:
            assert "goes on" in (await again.rotate())[0]
            assert await _count(again, DataKey.retired_at.is_(None)) == 1
            assert await _count(again, DataKey.retired_at.is_not(None)) == 1
            await again.check()


async def _count(on: Node, condition: Any) -> int:
    async with on.database.read() as session:
        return await session.scalar(select(func.count()).select_from(DataKey).where(condition)) or 0


async def test_rotations_at_the_same_time_share_a_key(settings: Settings) -> None:
    async with node(settings, OLD) as one, node(settings, OLD) as other:
        await fill(one)
        await asyncio.gather(one.rotate(), other.rotate())
        await one.check()
        stored = {value.split(":")[1] for value in (await one.stored()).values()}
        assert len(stored) == 1
        assert await _count(one, DataKey.retired_at.is_(None)) == 1


async def test_a_change_made_meanwhile_is_not_lost(settings: Settings) -> None:
    async with node(settings, OLD) as server, node(settings, OLD) as command:
        await fill(server)

        async def change() -> None:
            for number in range(ROWS):
                await server.keys.load()
                async with server.database.write() as session:
                    await _set(session, number, server.secrets.encrypt(f"changed {number}"))

        await asyncio.gather(command.rotate(), change())
        async with server.database.read() as session:
            rows = (await session.scalars(select(ProviderKey))).all()
        assert {server.secrets.decrypt(row.secret) for row in rows} == {f"changed {number}" for number in range(ROWS)}


async def _set(session: AsyncSession, number: int, secret: str) -> None:
    await session.execute(update(ProviderKey).where(ProviderKey.provider == str(number)).values(secret=secret))


async def test_a_secret_that_no_key_opens_is_named_and_nothing_is_retired(settings: Settings) -> None:
    async with node(settings, NEW) as server:
        await fill(server)  # the account's secret is a token of a master key that is not configured
        with pytest.raises(RotationError, match="organizations"):
            await server.rotate()
        assert await _count(server, DataKey.retired_at.is_not(None)) == 0
    async with node(settings, NEW, OLD) as server:
        assert "goes on" in (await server.rotate())[0]
        await server.check()
