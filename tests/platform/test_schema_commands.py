"""`dialtone db`, and starts on databases that are older, newer, or not there."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from dialtone.cli import main
from dialtone.platform.crypto import Secrets
from dialtone.platform.data_keys import DataKeys
from dialtone.platform.db import Database
from dialtone.platform.migrate import newest_revision, revisions
from dialtone.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str | None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Also what the commands find in their environment."""
    monkeypatch.setenv("DIALTONE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DIALTONE_PORT", "0")
    if empty_database_url:
        monkeypatch.setenv("DIALTONE_DATABASE_URL", empty_database_url)
    return Settings()


def _in_database(settings: Settings, statement: str | None = None, upgrade_to: str | None = None) -> None:
    async def change() -> None:
        database = Database(settings)
        if upgrade_to:
            await database.upgrade(upgrade_to)
        if statement:
            async with database.write() as session:
                await session.execute(text(statement))
        await database.close()

    asyncio.run(change())


def test_the_schema_is_upgraded_and_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    newest = newest_revision()
    assert main(["db", "version"]) == 0
    place = Database(settings).place
    assert capsys.readouterr().out == f"the database {place} has no schema; this version needs {newest}\n"
    _in_database(settings, upgrade_to="0002")
    assert main(["db", "version"]) == 0
    assert capsys.readouterr().out == f"the database {place} has schema 0002; this version needs {newest}\n"
    assert main(["db", "upgrade"]) == 0
    assert capsys.readouterr().out == f"the database was upgraded from schema 0002 to schema {newest}\n"
    assert main(["db", "upgrade"]) == 0
    assert capsys.readouterr().out == f"the database has schema {newest}: nothing to do\n"


def test_a_start_that_may_not_upgrade_names_the_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIALTONE_MIGRATE_ON_START", "false")
    for found in ("no schema yet", "schema 0001"):
        for command in (["serve"], ["keys", "list"], ["keys", "rotate"]):
            assert main(command) == 1
            told = capsys.readouterr().err
            assert found in told
            assert "`dialtone db upgrade`" in told
            assert len(told.splitlines()) == 1
        _in_database(settings, upgrade_to="0001")
    assert main(["db", "upgrade"]) == 0
    assert main(["keys", "list"]) == 0


def test_a_database_of_a_newer_version_is_refused(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    _in_database(settings, "UPDATE alembic_version SET version_num = '9001'", upgrade_to=revisions()[-1])
    for command in (["serve"], ["db", "upgrade"], ["db", "version"], ["keys", "list"]):
        assert main(command) == 1
        told = capsys.readouterr().err
        assert "schema 9001, made by a newer version" in told
        assert newest_revision() in told
        assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        *(["keys", "list"], ["keys", "create"], ["keys", "rotate"], ["organizations", "list"]),
        *(["organizations", "create", "Bakery"], ["jobs", "failed"]),
    ],
)
def test_a_command_makes_no_database(
    command: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = settings.data_dir / "wrong"
    monkeypatch.setenv("DIALTONE_DATA_DIR", str(wrong))
    assert main(command) == 1
    place = settings.database_url.rpartition("/")[2] if settings.database_url else str(wrong / "dialtone.db")
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("dialtone: there is no database of Dialtone at ")
    assert f"{place}: start the server once" in told
    assert told.endswith("with --data-dir, DIALTONE_DATA_DIR or DIALTONE_DATABASE_URL")
    assert not wrong.exists()
    monkeypatch.setenv("DIALTONE_DATA_DIR", str(settings.data_dir))
    assert main(["db", "version"]) == 0
    assert "has no schema" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"], ["keys", "list"]])
def test_a_database_that_is_not_there_is_told_in_a_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIALTONE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DIALTONE_DATABASE_URL", "postgresql://user:very-private@127.0.0.1:1/name")
    assert main(command) == 1
    told = capfd.readouterr()
    assert "the database 127.0.0.1:1/name can't be reached" in told.err
    assert len(told.err.splitlines()) == 1
    assert "very-private" not in told.out + told.err


def test_another_master_key_is_refused_at_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def first_start() -> None:
        database = Database(settings)
        await database.migrate()
        await DataKeys(database, Secrets(["the first"])).load()
        await database.close()

    asyncio.run(first_start())
    monkeypatch.setenv("DIALTONE_SECRET_KEY", "another")
    capsys.readouterr()
    assert main(["serve"]) == 1
    told = capsys.readouterr().err
    assert "bring back the old DIALTONE_SECRET_KEY" in told
    assert len(told.splitlines()) == 1


def test_a_setting_out_of_range_is_named_as_it_was_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIALTONE_MAX_CALLS", "many")
    with pytest.raises(SystemExit) as left:
        main(["serve", "--port", "70000"])
    assert left.value.code == 2
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "dialtone: --port: must be at most 65535 (got 70000)",
        'dialtone: DIALTONE_MAX_CALLS: must be a whole number (got "many")',
    ]
