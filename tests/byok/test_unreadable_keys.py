"""A stored key that nothing opens any more is told in words, not by a crash."""

import httpx
from fastapi import FastAPI
from sqlalchemy import text


async def test_an_unreadable_key_is_told_in_words(app: FastAPI, client: httpx.AsyncClient) -> None:
    key = {"provider": "resend", "api_key": "re_secret_of_the_organization"}
    assert (await client.post("/api/v1/byok", json=key)).status_code == 200
    async with app.state.parts.database.write() as session:
        await session.execute(text("UPDATE provider_keys SET secret = 'v2:00000000-0000-4000-8000-000000000000:AAAA'"))
    answer = await client.post("/api/v1/domains", json={"domain_name": "example.com"})
    assert answer.status_code == 503
    assert answer.json()["code"] == "secret_unreadable"
    assert "DIALTONE_SECRET_KEY" in answer.json()["message"]
