"""A busy run with every kind of secret: none is in the database, a file, a log line, an answer or on the terminal."""

import json
import logging
import secrets as randomness
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import ClientSession, web
from pydantic import SecretStr
from sqlalchemy import Connection, text

from dialtone.platform.db import Base, Database
from dialtone.platform.stored_secrets import secret_columns
from tests.calls.conftest import TRANSIENT
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.fakes.resend import FakeResend
from tests.upgrades.stored import stored
from tests.whole.house import KEY, VENDOR_SECRETS, WholeHouse, calling, whole_house
from tests.whole.test_whole_calls import SPEAKS_AT, ears

API = "/api/v1"


class Hush:
    """The run's secrets, by what they are for."""

    def __init__(self) -> None:
        self.all: dict[str, str] = {"the first API key": KEY}
        self.shown: set[tuple[str, str]] = set()
        """Secrets that one answer shows, once: (secret, path of the request)."""

    def new(self, purpose: str, start: str = "") -> str:
        """A secret that anything printed of it, but its very beginning, gives away."""
        return self.note(purpose, start + randomness.token_hex(16))

    def note(self, purpose: str, secret: str) -> str:
        self.all[f"{purpose} {len(self.all)}"] = secret
        return secret

    def found_in(self, words: str | bytes) -> list[str]:
        """Which of them, or a recognizable part, is in `words`."""
        if isinstance(words, str):
            words = words.encode("utf-8", "replace")
        return [purpose for purpose, secret in self.all.items() if secret[-16:].encode() in words]


class Client:
    """Asks the API, and keeps every answer."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.answers: list[tuple[str, str]] = []
        """Path, headers and body."""

    async def ask(self, method: str, path: str, expected: int | None = None, **request: Any) -> Any:
        answer = await self.http.request(method, path, **request)
        words = f"{answer.headers}\n{answer.content.decode('utf-8', 'replace')}"
        self.answers.append((path, words))
        if expected is not None:
            assert answer.status_code == expected, answer.text
        else:
            assert answer.status_code >= 400, answer.text
        return answer.json() if "json" in answer.headers.get("content-type", "") else None


@pytest.fixture
def hush() -> Hush:
    return Hush()


@asynccontextmanager
async def _tool_server() -> AsyncIterator[str]:
    """Answers with what it was sent, as careless servers do."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"error": f"{dict(request.headers)} {await request.text()}"}, status=500)

    app = web.Application()
    app.router.add_post("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_no_secret_is_found_anywhere(
    tmp_path: Path,
    database_url: str | None,
    hush: Hush,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for of_the_test in ("httpx", "aiohttp.access"):
        caplog.set_level(logging.WARNING, of_the_test)
    for others in (None, "sqlalchemy"):
        caplog.set_level(logging.INFO, others)
    caplog.set_level(logging.DEBUG, "dialtone")
    for vendor, secret in VENDOR_SECRETS.items():
        hush.note(f"the deployment's key of {vendor}", secret)
    own = hush.new("own key of openai", "sk-")
    refusal = Reply(
        status=401, error={"message": f"Incorrect API key provided: {own}.", "type": "invalid_request_error"}
    )
    chat = FakeOpenAIChat(
        [Reply("Let me look.", [Call("calendar", "{}")]), Reply("Goodbye.", [Call("end_call")]), refusal]
    )
    async with FakeResend() as resend, _tool_server() as tool_url:
        keys = {"secret_key": hush.new("the master key"), "resend_api_key": hush.new("the deployment's key of resend")}
        async with whole_house(
            tmp_path,
            ears(),
            chat,
            database_url=database_url,
            resend_base_url=resend.url,
            byok_to_base_urls=True,
            smtp_url=SecretStr(f"smtp://desk:{hush.new('password of the mail server')}@127.0.0.1:1"),
            mail_from="calls@example.com",
            **{name: SecretStr(value) for name, value in keys.items()},
        ) as house:
            headers = {"Authorization": f"Bearer {KEY}"}
            async with httpx.AsyncClient(base_url=house.url, headers=headers, timeout=30) as http:
                client = Client(http)
                assistant = await _store(client, hush, own, tool_url)
                await _hold_calls(client, hush, house, assistant)
                await _send_wrong_things(client, hush)
                await _be_a_stranger(client, hush, house)
                await _break_the_database(client, hush, house.parts.database)
                await _begin_an_erasure(client, hush, house.parts.database)
            async with calling(house, assistant):  # what is kept of a call is there while it runs
                await house.parts.calls.flush()
                await _check_database(house.parts.database, hush)
    assert any(request.headers["Authorization"] == f"Bearer {own}" for request in chat.requests), "the own key was used"
    _check_words(hush, client, caplog, capfd)
    _check_files(hush, tmp_path)


async def _store(client: Client, hush: Hush, own: str, tool_url: str) -> str:
    """Store every kind of secret, read and change the objects that hold them. Returns an assistant's id."""
    own_headers = {"Authorization": f"Bearer {hush.new('tool header')}", "X-Api-Key": hush.new("tool key")}
    tool = {
        "name": "calendar",
        "description": "d",
        "server": {"url": tool_url, "secret": hush.new("tool")},
        "headers": own_headers,
        "method": "POST",
    }
    body = {
        "name": "Ada",
        "first_message": "Hello, this is Ada.",
        "webhook_url": tool_url,
        "webhook_secret": hush.new("assistant's webhook"),
        "notification_email": "desk@example.com",
        "llm_config": {"provider": "openai", "model": "gpt-4.1", "tools": [tool, {"type": "end_call"}]},
    }
    assistant = (await client.ask("POST", f"{API}/assistants", 201, json=body))["assistant"]
    path = f"{API}/assistants/{assistant['id']}"
    await client.ask("PATCH", path, 200, json=assistant)
    await client.ask("PATCH", path, 200, json={"webhook_secret": hush.new("assistant's new webhook")})
    await client.ask("GET", path, 200)
    await client.ask("GET", f"{API}/assistants", 200)

    account = {"webhook_url": tool_url, "webhook_secret": hush.new("account's webhook")}
    await client.ask("PATCH", f"{API}/organizations", 200, json=account)
    await client.ask("GET", f"{API}/organizations", 200)

    trunk = {"name": "Voys", "provider": "voys", "address": "sip.voys.nl", "auth_username": "100"}
    await client.ask("POST", f"{API}/sip-trunks", 201, json={**trunk, "auth_password": hush.new("trunk")})
    await client.ask("POST", f"{API}/sip-trunks", 201, json={**trunk, "password": hush.new("trunk, older name")})
    await client.ask("GET", f"{API}/sip-trunks", 200)

    server = {"url": tool_url, "secret": hush.new("template")}
    function = {"description": "d", "server": server, "headers": {"X-Api-Key": hush.new("template header")}}
    template = {"name": "calendar", "tool_type": "function", "tool_config": function}
    await client.ask("POST", f"{API}/tool-templates", 201, json=template)
    older = {"name": "older", "type": "function", "server_url": tool_url, "server_secret": hush.new("older template")}
    await client.ask("POST", f"{API}/tool-templates", 201, json={**older, "description": "d"})
    await client.ask("GET", f"{API}/tool-templates", 200)

    await client.ask("POST", f"{API}/byok", 200, json={"provider": "openai", "api_key": own})
    resend = {"provider": "resend", "api_key": hush.new("own key of resend")}
    await client.ask("POST", f"{API}/byok", 200, json=resend)
    document = {"private_key": hush.new("service account"), "project_id": "p"}
    await client.ask("POST", f"{API}/byok", 200, json={"provider": "google_vertex", "api_key": json.dumps(document)})
    key = f"-----BEGIN PRIVATE KEY-----\n{hush.new('private key')}\n-----END PRIVATE KEY-----"
    await client.ask("POST", f"{API}/byok", 200, json={"provider": "vonage", "api_key": key})
    signing = {"provider": "vonage", "config": {"signature_secret": hush.new("signature secret")}}
    await client.ask("POST", f"{API}/byok/config", 200, json=signing)
    wrong = {"provider": "vonage", "config": {"signature_secret": f"{hush.new('wrong signature secret')} "}}
    await client.ask("POST", f"{API}/byok/config", 400, json=wrong)
    await client.ask("GET", f"{API}/byok", 200)
    await client.ask("POST", f"{API}/domains", json={"domain_name": "mail.example.com"})  # Resend refuses the key
    return str(assistant["id"])


async def _hold_calls(client: Client, hush: Hush, house: WholeHouse, assistant: str) -> None:
    """A call with a failing tool, one whose vendor refuses the key, and one that nobody takes."""
    async with calling(house, assistant, SPEAKS_AT) as caller:
        await caller.until_over()
    record = await house.record(caller.call.call_id)
    path = f"{API}/calls/{caller.call.call_id}"
    signature = str(record["recording_url"]).rpartition("=")[2]
    hush.shown |= {(signature, path), (signature, f"{API}/calls")}
    hush.note("signature of a recording", signature)
    await client.ask("GET", path, 200)
    async with ClientSession() as http, http.get(record["recording_url"]) as answer:
        assert answer.status == 200
    await client.ask("GET", f"{path}/recording?expires=1&signature={hush.new('forged signature')}", 403)
    async with calling(house, assistant, SPEAKS_AT) as caller:
        await caller.until_over()
    refused = await client.ask("GET", f"{API}/calls/{caller.call.call_id}", 200)
    assert refused["end_reason"] in ("error", None), "None: not written yet"
    config = {"provider": "openai", "model": "gpt-4.1", "tools": [_tool(hush.new("transient tool"))]}
    transient = {**TRANSIENT, "webhook_secret": hush.new("transient webhook"), "llm_config": config}
    created = await client.ask("POST", f"{API}/web-calls", 201, json={"assistant": transient})
    hush.shown.add((hush.note("token", created["token"]), f"{API}/web-calls"))
    params = {"token": hush.new("wrong token")}
    async with ClientSession() as http, http.ws_connect(created["server_url"], params=params) as stranger:
        client.answers.append(("stream", str([message async for message in stranger])))


async def _send_wrong_things(client: Client, hush: Hush) -> None:
    """Requests that are refused, each with a secret where it should be, in a form it should not have."""
    places: list[tuple[str, str, Any]] = [
        ("POST", "/assistants", lambda wrong: {"name": "Ada", "webhook_secret": wrong}),
        ("POST", "/assistants", lambda wrong: {"name": "Ada", "llm_config": {"tools": [_tool(wrong)]}}),
        ("POST", "/assistants", lambda wrong: {"name": "Ada", "llm_config": {"tools": [{"server": wrong}]}}),
        ("POST", "/assistants", lambda wrong: {"name": "Ada", "llm_config": {"tools": [_tool_with_header(wrong)]}}),
        ("POST", "/web-calls", lambda wrong: {"assistant": {"name": "Ada", "webhook_secret": wrong}}),
        ("PATCH", "/organizations", lambda wrong: {"webhook_secret": wrong}),
        (
            "POST",
            "/sip-trunks",
            lambda wrong: {"name": "T", "provider": "v", "address": "a.nl", "auth_password": wrong},
        ),
        ("POST", "/sip-trunks", lambda wrong: {"name": "T", "provider": "v", "address": "a.nl", "password": wrong}),
        ("POST", "/tool-templates", lambda wrong: {"name": "t", "tool_type": "function", "tool_config": _tool(wrong)}),
        ("POST", "/tool-templates", lambda wrong: {"name": "t", "type": "function", "server_secret": wrong}),
        ("POST", "/byok", lambda wrong: {"provider": "openai", "api_key": wrong}),
        ("POST", "/byok", lambda wrong: {"provider": "nobody", "api_key": wrong}),
        ("POST", "/byok", lambda wrong: {"api_key": wrong}),
    ]
    for method, path, body in places:
        for form in _wrong_forms(hush, f"{method} {path}"):
            await client.ask(method, f"{API}{path}", json=body(form))
        secret = hush.new(f"{method} {path}, cut short")
        cut = json.dumps(body(secret)).encode()[:-1]
        await client.ask(method, f"{API}{path}", 400, content=cut, headers={"Content-Type": "application/json"})
        await client.ask(method, f"{API}{path}", 415, content=cut, headers={"Content-Type": "text/plain"})
        await client.ask(method, f"{API}/nowhere", 404, json=body(secret))


def _tool(secret: Any) -> dict[str, Any]:
    return {"name": "t", "description": "d", "server": {"url": "https://example.com", "secret": secret}}


def _tool_with_header(value: Any) -> dict[str, Any]:
    return {"name": "t", "description": "d", "url": "https://example.com", "headers": {"Authorization": value}}


def _wrong_forms(hush: Hush, place: str) -> Iterator[Any]:
    yield [hush.new(f"{place}, in a list")]
    yield {"secret": hush.new(f"{place}, in an object")}
    yield hush.new(f"{place}, too long") * 20_000
    yield hush.new(f"{place}, with a zero") + "\x00" + hush.new(f"{place}, after a zero") + " " * 70_000


async def _be_a_stranger(client: Client, hush: Hush, house: WholeHouse) -> None:
    """Keys made, revoked, unknown, or in the wrong place."""
    created = await client.ask("POST", f"{API}/api-keys", 201, json={"name": "Website"})
    key = next(value for value in _strings(created) if value.startswith("fl_") and len(value) > 30)
    hush.shown.add((hush.note("made API key", key), f"{API}/api-keys"))
    key_id = next(value for value in _strings(created) if len(value) == 36)
    await client.ask("GET", f"{API}/api-keys", 200)
    await client.ask("GET", f"{API}/assistants", 200, headers={"Authorization": f"Bearer {key}"})
    await client.ask("DELETE", f"{API}/api-keys/{key_id}", 200)
    for strange in (f"Bearer {key}", f"Bearer {hush.new('unknown key', 'fl_live_')}", f"Basic {hush.new('password')}"):
        await client.ask("GET", f"{API}/assistants", 401, headers={"Authorization": strange})
    await client.ask("GET", f"{API}/assistants?api_key={hush.new('key in the address')}", 200)


async def _break_the_database(client: Client, hush: Hush, database: Database) -> None:
    """Failures in the middle of storing a secret."""
    bodies = {
        "provider_keys": ("/byok", {"provider": "deepgram", "api_key": hush.new("own key, table gone")}),
        "sip_trunks": (
            "/sip-trunks",
            {"name": "T", "provider": "v", "address": "a.nl", "auth_password": hush.new("trunk, table gone")},
        ),
        "assistants": ("/assistants", {"name": "Ada", "webhook_secret": hush.new("webhook, table gone")}),
    }
    for table, (path, body) in bodies.items():
        await _rename(database, table, "gone")
        await client.ask("POST", f"{API}{path}", json=body)
        await _rename(database, "gone", table)


async def _begin_an_erasure(client: Client, hush: Hush, database: Database) -> None:
    """One that can't end while this goes on: until it does, it must know the number."""
    await _rename(database, "chat_messages", "gone")
    number = hush.note("number of a caller", "+31623731537")
    await client.ask("POST", f"{API}/privacy/erase", 202, json={"phone_number": number})


async def _rename(database: Database, table: str, name: str) -> None:
    async with database.write() as session:
        await session.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


async def _check_database(database: Database, hush: Hush) -> None:
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(stored)
        marked = await connection.run_sync(_marked)
    assert "Hello, this is Ada." in str(tables)
    assert hush.found_in(str(tables)) == []
    unused = [place for place, found in marked.items() if not found]
    assert unused == [], "secrets are stored here too: have this run store one"
    ciphertexts = {value for value in _strings(tables) if value.startswith("v2:")}
    wrapped = {row["wrapped"] for row in tables["data_keys"].values()}
    assert ciphertexts - wrapped == set().union(*marked.values()), "mark the column with `info`, or a rotation loses it"


def _marked(connection: Connection) -> dict[str, set[str]]:
    """What is stored in the columns that are marked to hold secrets."""
    found: dict[str, set[str]] = {}
    for table, columns in secret_columns(Base.metadata).items():
        for secret in columns:
            here: set[str] = found.setdefault(str(secret), set())
            for value in connection.scalars(table.select().with_only_columns(secret.column)):
                secret.replaced(value, lambda stored, here=here: here.add(stored) or stored)  # type: ignore[misc]
    return found


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _check_words(
    hush: Hush, client: Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = {(secret[-16:], path) for secret, path in hush.shown}
    leaks = [
        (path, purpose, words[:300])
        for path, words in client.answers
        for purpose in hush.found_in(words)
        if (hush.all[purpose][-16:], path) not in shown
    ]
    assert leaks == []
    assert {"dialtone.conversation.call", "sqlalchemy.engine.Engine"} <= {record.name for record in caplog.records}
    logged = [
        (purpose, record.name, record.getMessage()[:300])
        for record in caplog.records
        for purpose in hush.found_in(f"{record.getMessage()} {record.args} {caplog.handler.format(record)}")
    ]
    assert logged == []
    assert hush.found_in("".join(capfd.readouterr())) == []


def _check_files(hush: Hush, data_dir: Path) -> None:
    """SQLite's file and its log among them."""
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wav" for path in files)
    leaks = {str(path): found for path in files if (found := hush.found_in(path.read_bytes()))}
    assert leaks == {}
