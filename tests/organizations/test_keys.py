"""API keys: the first one, the configured one, and what is remembered of them."""

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from dialtone.organizations.key_commands import revoke_any_key
from dialtone.organizations.tables import ApiKey
from dialtone.platform.auth import hash_key, key_prefix, new_key
from dialtone.server import create_app
from dialtone.settings import Settings


async def start(settings: Settings) -> list[str]:
    """The keys that a start shows."""
    app = create_app(settings)
    shown: list[str] = []
    async with app.router.lifespan_context(app):
        await app.state.parts.organizations.ensure_key(shown.append)
    return shown


async def accepts(settings: Settings, key: str) -> bool:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://dialtone.test") as client:
            answer = await client.get("/api/v1/assistants", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code == 200


async def test_the_first_start_makes_a_key_and_later_ones_do_not(settings: Settings) -> None:
    without = settings.model_copy(update={"api_key": None})
    (key,) = await start(without)
    assert key.startswith("fl_live_")
    assert await start(without) == []
    assert await accepts(without, key)


async def test_a_key_that_could_not_be_shown_is_not_kept(settings: Settings) -> None:
    without = settings.model_copy(update={"api_key": None})
    app = create_app(without)

    def torn(_key: str) -> None:
        raise BrokenPipeError

    async with app.router.lifespan_context(app):
        with pytest.raises(BrokenPipeError):
            await app.state.parts.organizations.ensure_key(torn)
    (key,) = await start(without)
    assert await accepts(without, key)


async def test_the_configured_key_follows_the_settings(settings: Settings) -> None:
    first = Settings(data_dir=settings.data_dir, database_url=settings.database_url, api_key="fl_first_key")
    second = Settings(data_dir=settings.data_dir, database_url=settings.database_url, api_key="fl_second_key")
    assert await start(first) == []
    assert await accepts(first, "fl_first_key")
    assert await accepts(second, "fl_second_key")
    assert not await accepts(second, "fl_first_key")


async def test_an_unusable_configured_key_is_refused_in_words(settings: Settings, subtests: pytest.Subtests) -> None:
    for key in ("sk-other", "fl_", "fl_with space", "fl_é1234567", "fl_" + "x" * 300):
        with subtests.test(key=key[:20]), pytest.raises(ValueError, match="DIALTONE_API_KEY: must begin") as raised:
            await start(Settings(data_dir=settings.data_dir, database_url=settings.database_url, api_key=key))
        assert key == "fl_" or key not in str(raised.value)


async def test_only_hashes_are_stored(app: FastAPI, api_key: str) -> None:
    async with app.state.parts.database.read() as session:
        row = await session.scalar(select(ApiKey))
    assert row.hash == hash_key(api_key)
    assert api_key not in str(vars(row))
    assert api_key.startswith(row.prefix)


def test_the_shown_beginning_is_never_most_of_a_key() -> None:
    assert key_prefix("fl_short") == "fl_s"
    assert len(key_prefix(new_key())) == 12
    assert new_key() != new_key()


async def test_a_key_that_was_revoked_cannot_be_configured(settings: Settings, app: FastAPI) -> None:
    _, key = await app.state.parts.organizations.create("Another")
    await revoke_any_key(app.state.parts.database, key)
    with pytest.raises(ValueError, match="DIALTONE_API_KEY: this key was revoked") as raised:
        await start(settings.model_copy(update={"api_key": SecretStr(key)}))
    assert key not in str(raised.value)
