"""From every released schema to the newest, on both databases: nothing is lost, and the API shows it all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, select

from dialtone.platform.crypto import Secrets
from dialtone.platform.data_keys import DataKeys
from dialtone.platform.db import Base, Database
from dialtone.platform.migrate import revisions
from dialtone.platform.rotation import rotate
from dialtone.platform.stored_secrets import secret_columns
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import client_of
from tests.upgrades.stored import API_KEY, MASTER_KEY, Rows, add_rows, fill, rows_of, stored

LISTS = {
    "assistants": "/api/v1/assistants",
    "calls": "/api/v1/calls",
    "numbers": "/api/v1/numbers",
    "sip_trunks": "/api/v1/sip-trunks",
    "tool_templates": "/api/v1/tool-templates",
    "analysis_templates": "/api/v1/analysis-templates",
    "api_keys": "/api/v1/api-keys",
    "chat_messages": "/api/v1/chats?contact_id=contact-1",
    "email_domains": "/api/v1/domains",
    "webhook_deliveries": "/api/v1/webhook-deliveries",
    "audit_lines": "/api/v1/audit-log",
}
"""Where the API shows the rows of a table."""
PLAIN = {
    "assistant's webhook secret",
    "account's webhook secret",
    "tool secret",
    "sk-of-the-organization",
    "trunk password",
    "token at the carrier",
    "signing key of the carrier",
    "dg-of-another",
    '{"assistant_id":"00000000-0000-4000-8000-000000000011"}',
    '{"to":"desk@example.com"}',
    "delivery's webhook secret",
    '{"message":{"type":"status-update","timestamp":"2026-03-09T09:30:15.123Z"}}',
    '{"message":{"type":"end-of-call-report","timestamp":"2026-03-09T09:30:15.123Z"}}',
    '{"context":{"call_type":"web_call"}}',
    "+31612345678",
}
"""The secrets among the rows."""


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str | None) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=empty_database_url, secret_key=SecretStr(MASTER_KEY))


@pytest.fixture
async def database(settings: Settings) -> Any:
    settings.data_dir.mkdir()
    database = Database(settings)
    yield database
    await database.close()


async def _look(database: Database, look: Any) -> Any:
    async with database.engine.connect() as connection:
        return await connection.run_sync(look)


async def test_there_are_rows_with_every_column_of_every_schema(database: Database) -> None:
    """A migration that comes without rows of its own fails here."""
    for revision in revisions():
        await fill(database, revision)
        tables = await _look(database, stored)
        empty = [
            f"{table}.{column}"
            for table, rows in tables.items()
            for column in next(iter(rows.values()), {"*": None})
            if all(row.get(column) is None for row in rows.values())
        ]
        assert empty == [], f"tests/upgrades/rows/{revision}.json should have rows with these columns"


async def test_every_row_is_kept_and_shown(settings: Settings, database: Database) -> None:
    """Rows of every revision go through all migrations after it."""
    before: Rows = {}
    for revision in revisions():
        await database.upgrade(revision)
        _check_kept(before, await _look(database, stored), revision)
        await add_rows(database, revision)
        before = await _look(database, stored)
    assert await _look(database, _differences) == []
    await _check_api(settings)


def _check_kept(before: Rows, after: Rows, revision: str) -> None:
    for table, rows in before.items():
        assert rows.keys() <= after[table].keys(), (revision, table)
        for key, row in rows.items():
            kept = {column: value for column, value in after[table][key].items() if column in row}
            assert kept == row, (revision, table, key)


def _differences(connection: Connection) -> list[object]:
    """Between the schema in the database and the tables that the code declares."""
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


async def _check_api(settings: Settings) -> None:
    """A server on this database shows the first organization's rows."""
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        first = rows_of("0001")["organizations"][0]["id"]
        rows = [(table, row) for each in revisions() for table, rows in rows_of(each).items() for row in rows]
        for table, row in rows:
            if table in LISTS and row["organization_id"] == first and not row.get("revoked_at"):
                await _check(client, LISTS[table], row)
        path = f"/api/v1/assistants/{rows_of('0001')['assistants'][0]['id']}"
        assistant = (await client.get(path)).json()["assistant"]
        assert (assistant["name"], assistant["webhook_secret"]) == ("Zoë, réception", "********")
        # Reading an object and sending it back changes nothing, whichever version stored it.
        again = await client.patch(path, json=assistant)
        assert again.status_code == 200, again.text
        assert {**again.json()["assistant"], "updated_at": None} == {**assistant, "updated_at": None}


async def _check(client: httpx.AsyncClient, path: str, row: dict[str, Any]) -> None:
    listed = await client.get(path)
    assert listed.status_code == 200, listed.text
    assert row["id"] in listed.text
    if path in ("/api/v1/assistants", "/api/v1/calls"):
        assert (await client.get(f"{path}/{row['id']}")).status_code == 200


async def test_every_secret_that_was_ever_stored_still_opens_also_after_a_rotation(database: Database) -> None:
    await fill(database, revisions()[-1])
    ciphertexts = {value for each in revisions() for value in _ciphertexts(rows_of(each))}
    secrets = Secrets([MASTER_KEY])
    await DataKeys(database, secrets).load()
    found = await _look(database, _marked)
    assert found == ciphertexts, "a column with secrets is not marked with `info`"
    assert {secrets.decrypt(value) for value in found} == PLAIN
    await rotate(database, Secrets(["a newer key", MASTER_KEY]), lambda _: None, settle_seconds=0)
    newer = Secrets(["a newer key"])
    await DataKeys(database, newer).load()
    renewed = await _look(database, _marked)
    assert {newer.decrypt(value) for value in renewed} == PLAIN
    assert not found & renewed


def _ciphertexts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _ciphertexts(inner) if key != "data_keys" else ()
        case list():
            for inner in value:
                yield from _ciphertexts(inner)
        case str() if value.startswith(("gAAAA", "v2:")):
            yield value


def _marked(connection: Connection) -> set[str]:
    """What is in the columns that are marked to hold secrets."""
    found: set[str] = set()

    def note(secret: str) -> str:
        found.add(secret)
        return secret

    for table, columns in secret_columns(Base.metadata).items():
        for row in connection.execute(select(*(secret.column for secret in columns)).select_from(table)):
            for secret, value in zip(columns, row, strict=True):
                secret.replaced(value, note)
    return found
