"""The server as a whole over real sockets, with an engine of the test's own: a call comes in, the server stops."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from dialtone.serving import Server
from dialtone.settings import Settings
from tests.calls.conftest import TRANSIENT, House, build_house, open_house


@asynccontextmanager
async def serving(data_dir: Path, drain_seconds: float = 0.0) -> AsyncIterator[tuple[House, Server, str]]:
    house = build_house(Settings(data_dir=data_dir, port=0, api_key=SecretStr("fl_test_of_serving")))
    server = Server(house.app, house.settings, drain_seconds)
    async with asyncio.timeout(10):
        task = asyncio.create_task(server.serve())
        address = await server.ready()
        try:
            yield house, server, address
        finally:
            server.should_exit = True
            await task


async def _create(http: aiohttp.ClientSession, house: House, address: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {house.key}"}
    async with http.post(f"{address}/v1/web-calls", json={"assistant": TRANSIENT}, headers=headers) as answer:
        assert answer.status == 201
        created: dict[str, Any] = await answer.json()
    return created


async def _call(http: aiohttp.ClientSession, house: House, address: str) -> aiohttp.ClientWebSocketResponse:
    created = await _create(http, house, address)
    assert created["server_url"] == address.replace("http", "ws") + "/api/v1/web-calls/stream"
    client = await http.ws_connect(created["server_url"], params={"token": created["token"]})
    ready = await client.receive_json(timeout=5)
    assert (ready["type"], ready["call_id"]) == ("ready", created["call_id"])
    return client


async def test_a_call_comes_in_and_the_stopping_server_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path) as (house, server, address), aiohttp.ClientSession() as http:
        assert f"Dialtone listens on {address}" in capsys.readouterr().out
        client = await _call(http, house, address)
        server.should_exit = True
        assert await client.receive_json(timeout=5) == {"type": "end", "end_reason": "server_shutdown"}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(address.rsplit(":", 1)[1]))) != 0
    async with open_house(house.settings) as reopened:
        call = await reopened.get(house.engine.calls[0].plan.call_id)
        assert (call["status"], call["end_reason"], call["error"]) == (
            "ended",
            "server_shutdown",
            "The server was stopped.",
        )


async def test_a_second_signal_ends_calls_that_may_still_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path, drain_seconds=60) as (house, server, address), aiohttp.ClientSession() as http:
        client = await _call(http, house, address)
        server._told_to_stop(signal.SIGTERM)
        refused = await _refusal(http, house, address)
        assert refused["code"] == "server_shutdown"
        server._told_to_stop(signal.SIGTERM)
        assert await client.receive_json(timeout=5) == {"type": "end", "end_reason": "server_shutdown"}


async def _refusal(http: aiohttp.ClientSession, house: House, address: str) -> dict[str, Any]:
    """What a caller is told by a server that drains, once it has noticed that it shall."""
    while True:
        created = await _create(http, house, address)
        async with http.ws_connect(created["server_url"], params={"token": created["token"]}) as client:
            first: dict[str, Any] = await client.receive_json(timeout=5)
            if first["type"] == "error":
                return first
