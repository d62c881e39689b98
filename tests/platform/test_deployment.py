"""What a deployment tells of itself: enough to use it, nothing that is secret."""

import httpx
import pytest
from pydantic import SecretStr

from dialtone import __version__
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import API_KEY, client_of


async def test_the_settings_that_concern_users_are_told(settings: Settings) -> None:
    given = {
        "rate_limit": 7,
        "control_rate_limit": 0,
        "max_calls": 30,
        "recording": False,
        "public_url": "https://voice.example.com",
        "deepgram_api_key": SecretStr("very-private"),
        "openai_api_key": SecretStr("very-private"),
    }
    app = create_app(settings.model_copy(update=given))
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        answer = await client.get("/api/v1/deployment")
    assert answer.json() == {
        "version": __version__,
        "database": "sqlite" if settings.database_url is None else "postgresql",
        "public_url": "https://voice.example.com",
        "limits": {
            "requests_per_minute": 7,
            "control_commands_per_minute": None,
            "max_calls": 30,
            "max_body_bytes": 2 * 1024 * 1024,
            "recording_url_seconds": 3600,
        },
        "recording": False,
        "allow_private_addresses": False,
        "provider_keys": ["deepgram", "openai"],
    }
    for secret in ("very-private", API_KEY, str(settings.data_dir), "dialtone_test_"):
        assert secret not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_strangers_are_told_nothing(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/api/v1/deployment")).status_code == 401
