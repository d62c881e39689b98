"""`dialtone keys`: what whoever has the machine can do about keys."""

import asyncio
from pathlib import Path

import pytest

from dialtone.cli import main
from dialtone.organizations.api_keys import ApiKeys
from dialtone.organizations.service import Organizations
from dialtone.platform.auth import Authenticator
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.settings import Settings


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with one organization and its first key, as a first start leaves it."""

    asyncio.run(_first_start(tmp_path))
    return tmp_path


async def _first_start(data_dir: Path) -> list[str]:
    """The keys that it shows."""
    settings = Settings(data_dir=data_dir)
    database = Database(settings)
    await database.migrate()
    organizations, shown = Organizations(database), list[str]()
    await organizations.ensure_first(settings)
    await organizations.ensure_key(shown.append)
    await database.close()
    return shown


def _works(data_dir: Path, key: str) -> bool:
    async def look() -> bool:
        database = Database(Settings(data_dir=data_dir))
        try:
            await Authenticator(ApiKeys(database).find).identify(key)
        except ApiError:
            return False
        else:
            return True
        finally:
            await database.close()

    return asyncio.run(look())


def _keys(data_dir: Path, *arguments: str) -> int:
    return main(["keys", "--data-dir", str(data_dir), *arguments])


def test_a_key_is_made_listed_and_revoked(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _keys(data_dir, "create", "--name", "the shop", "--expires", "2999-01-31T09:30+01:00") == 0
    key = capsys.readouterr().out.strip()
    assert _works(data_dir, key)
    assert _keys(data_dir, "list") == 0
    listed = capsys.readouterr().out
    assert len(listed.splitlines()) == 2
    assert key not in listed
    line = listed.splitlines()[1]
    assert key[:12] in line
    assert "'the shop'" in line
    assert "expires 2999-01-31T08:30:00.000Z" in line
    assert _keys(data_dir, "revoke", key) == 0
    assert not _works(data_dir, key)
    capsys.readouterr()
    assert _keys(data_dir, "list") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "revoked" in second
    assert "revoked" not in first


def test_even_the_last_key_can_be_revoked_and_a_start_makes_another(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _keys(data_dir, "list") == 0
    assert _keys(data_dir, "revoke", capsys.readouterr().out.split()[0]) == 0
    (key,) = asyncio.run(_first_start(data_dir))
    assert _works(data_dir, key)


def test_what_cannot_be_done_is_told(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _keys(data_dir, "revoke", "fl_live_unknown") == 1
    assert "there is no such key" in capsys.readouterr().err
    assert _keys(data_dir, "create", "--organization", "Nobody") == 1
    assert "there is no organization Nobody" in capsys.readouterr().err
    assert _keys(data_dir, "create", "--name", "x" * 201) == 1
    assert "at most 200 characters" in capsys.readouterr().err
    assert _keys(data_dir, "create", "--expires", "soon") == 1
    assert "soon is no time" in capsys.readouterr().err
    assert _keys(data_dir, "create", "--expires", "2020-01-01") == 1
    assert "expired already" in capsys.readouterr().err
    assert _keys(data_dir / "new", "create") == 1
    assert "start the server once" in capsys.readouterr().err
