"""`dialtone jobs`: what an operator sees of durable work."""

import asyncio
from pathlib import Path

import pytest

from dialtone.cli import main
from dialtone.jobs.jobs import GiveUp, Job, Jobs
from dialtone.platform.db import Database
from dialtone.settings import Settings
from tests.jobs.conftest import defer, until


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Also what the commands find in their environment."""
    monkeypatch.setenv("DIALTONE_DATA_DIR", str(tmp_path))
    if database_url:
        monkeypatch.setenv("DIALTONE_DATABASE_URL", database_url)
    return Settings()


async def _fail(settings: Settings, count: int) -> None:
    async def give_up(job: Job) -> None:
        raise GiveUp(f"nobody wants number {job.payload['n']}")

    database = Database(settings)
    await database.migrate()
    jobs = Jobs(database)
    jobs.handle("work", give_up)
    await jobs.start()
    for number in range(count):
        await defer(database, jobs, "work", number, order="key")

    async def all_failed() -> bool:
        return len(await jobs.failed()) == count

    await until(all_failed)
    await jobs.stop()
    await database.close()


def test_what_failed_is_listed_newest_first(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_fail(settings, 0))
    assert main(["jobs", "failed"]) == 0
    assert capsys.readouterr().out == ""
    asyncio.run(_fail(settings, 3))
    assert main(["jobs", "failed", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in zip((2, 1), lines, strict=True):
        for words in ("work", f"nobody wants number {number}", f"{{'n': {number}}}"):
            assert words in line
