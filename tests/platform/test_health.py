"""The health check, with the database up and down."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from dialtone import __version__


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
async def test_a_sound_server_says_so_without_a_key(anonymous: httpx.AsyncClient, path: str) -> None:
    answer = await anonymous.get(path)
    body = answer.json()
    assert answer.status_code == 200
    assert body["status"] == "ok"
    assert body["version"] == __version__
    assert body["checks"]["database"]["status"] == "ok"
    assert body["checks"]["database"]["latency_ms"] >= 0
    assert body["timestamp"].endswith("Z")


async def test_a_server_without_its_database_answers_503(
    anonymous: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> float:
        raise OperationalError("SELECT 1", None, ConnectionRefusedError())

    monkeypatch.setattr(app.state.parts.database, "ping", refuse)
    answer = await anonymous.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == {"status": "error", "latency_ms": None}
