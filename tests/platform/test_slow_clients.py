"""Clients that begin and never end: they are told so where they can be, and cut off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from dialtone.platform import http, http_protocol
from dialtone.server import create_app
from dialtone.serving import Server
from dialtone.settings import Settings
from tests.conftest import API_KEY

TO = (
    b"POST /api/v1/assistants HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    + f"Authorization: Bearer {API_KEY}\r\n".encode()
)
SHORT = 0.05
LONG = 60


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[int]:
    """The port of a server."""
    settings = Settings(data_dir=data_dir, port=0, api_key=SecretStr(API_KEY))
    server = Server(create_app(settings), settings)
    task = asyncio.create_task(server.serve())
    try:
        yield int((await server.ready()).rsplit(":", 1)[1])
    finally:
        server.should_exit = True
        await task


async def everything_from(port: int, *pieces: bytes) -> bytes:
    """What the server says until it closes, to a client that sends `pieces` and keeps the connection open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(LONG):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("head", [b"", b"GET / HT", TO], ids=["nothing", "in the first line", "in the headers"])
async def test_a_head_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", SHORT)
    async with serving(tmp_path) as port:
        assert await everything_from(port, head) == b""


async def test_a_head_that_never_ends_after_another_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", SHORT)
    async with serving(tmp_path) as port:
        answer = await everything_from(port, b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
        assert answer.count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 20\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
async def test_a_body_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framing: bytes) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", SHORT)
    monkeypatch.setattr(http_protocol, "REST_SECONDS", SHORT)
    async with serving(tmp_path) as port:
        head, _, body = (await everything_from(port, TO + framing)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["code"] == "body_timeout"


async def test_the_rest_of_a_body_that_was_refused_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REST_SECONDS", SHORT)
    async with serving(tmp_path) as port:
        answer = await everything_from(port, TO + b"Content-Length: 99999999\r\n\r\n", b" " * 100_000)
        assert answer.startswith(b"HTTP/1.1 413 ")
