"""`dialtone keys`: what whoever has the machine can do about keys."""

import asyncio
from pathlib import Path

import pytest

from dialtone.cli import main
from dialtone.organizations.service import Organizations
from dialtone.platform.auth import hash_key
from dialtone.platform.db import Database
from dialtone.settings import Settings


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with one organization and its first key, as a first start leaves it."""

    async def first_start() -> None:
        settings = Settings(data_dir=tmp_path)
        database = Database(settings)
        await database.migrate()
        await Organizations(database).ensure_first(settings)
        await database.close()

    asyncio.run(first_start())
    return tmp_path


def _works(data_dir: Path, key: str) -> bool:
    async def look() -> bool:
        database = Database(Settings(data_dir=data_dir))
        try:
            return await Organizations(database).find_key(hash_key(key)) is not None
        finally:
            await database.close()

    return asyncio.run(look())


def _keys(data_dir: Path, *arguments: str) -> int:
    return main(["keys", "--data-dir", str(data_dir), *arguments])


def test_a_key_is_made_listed_and_revoked(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _keys(data_dir, "create") == 0
    key = capsys.readouterr().out.strip()
    assert _works(data_dir, key)
    assert _keys(data_dir, "list") == 0
    listed = capsys.readouterr().out
    assert len(listed.splitlines()) == 2
    assert key[:12] in listed
    assert key not in listed
    assert _keys(data_dir, "revoke", key) == 0
    assert not _works(data_dir, key)
    capsys.readouterr()
    assert _keys(data_dir, "list") == 0
    first = capsys.readouterr().out.split()[0]
    assert _keys(data_dir, "revoke", first) == 0
    capsys.readouterr()
    assert _keys(data_dir, "list") == 0
    assert capsys.readouterr().out == ""


def test_what_cannot_be_done_is_told(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _keys(data_dir, "revoke", "fl_live_unknown") == 1
    assert "there is no such key" in capsys.readouterr().err
    assert _keys(data_dir, "create", "--organization", "Nobody") == 1
    assert "there is no organization Nobody" in capsys.readouterr().err
    assert _keys(data_dir / "new", "create") == 1
    assert "start the server once" in capsys.readouterr().err
