"""`dialtone organizations`: what whoever has the machine can do about organizations."""

import asyncio
from pathlib import Path

import pytest

from dialtone.cli import main
from dialtone.organizations.service import Organizations
from dialtone.platform.db import Database
from dialtone.settings import Settings


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory as a first start leaves it."""

    async def first_start() -> None:
        settings = Settings(data_dir=tmp_path)
        database = Database(settings)
        await database.migrate()
        await Organizations(database).ensure_first(settings)
        await database.close()

    asyncio.run(first_start())
    return tmp_path


def _organizations(data_dir: Path, *arguments: str) -> int:
    return main(["organizations", "--data-dir", str(data_dir), *arguments])


def test_organizations_are_made_and_listed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _organizations(data_dir, "create", "Bakery") == 0
    bakery, key = capsys.readouterr().out.split()
    assert key.startswith("fl_live_")
    assert _organizations(data_dir, "create", "Branch", "--parent", "Bakery") == 0
    branch = capsys.readouterr().out.split()[0]
    assert _organizations(data_dir, "list") == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.endswith("  'Default'  0 minutes")
    assert second == f"{bakery}  'Bakery'  0 minutes"
    assert third == f"{branch}  'Branch'  below {bakery}"


def test_minutes_are_given_and_taken(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _organizations(data_dir, "credit", "Default", "100.5") == 0
    assert capsys.readouterr().out == "100.5 minutes\n"
    assert _organizations(data_dir, "credit", "Default", "--", "-0.25") == 0
    assert capsys.readouterr().out == "100.25 minutes\n"
    assert _organizations(data_dir, "credit", "Default", "5000000") == 0
    assert capsys.readouterr().out == "5000100.25 minutes\n"


def test_what_cannot_be_done_is_told(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _organizations(data_dir, "create", "Twin")
    _organizations(data_dir, "create", "Twin")
    _organizations(data_dir, "create", "Branch", "--parent", "Default")
    capsys.readouterr()
    for arguments, words in (
        (("create", " "), "an organization's name has 1 to 200 characters"),
        (("create", "x", "--parent", "Nobody"), "there is no organization Nobody"),
        (("credit", "Twin", "1"), "several organizations are called Twin: give the id"),
        (("credit", "Branch", "1"), "Branch uses the minutes of the organization"),
        (("credit", "Default", "nan"), "the minutes must be a number between"),
        (("credit", "Default", "1e300"), "the minutes must be a number between"),
    ):
        assert _organizations(data_dir, *arguments) == 1
        assert words in capsys.readouterr().err
