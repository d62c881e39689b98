"""What was deleted leaves SQLite's write-ahead log, and nobody who writes waits for whoever reads meanwhile."""

import asyncio
from pathlib import Path

from sqlalchemy import text

from dialtone.platform.db import Database
from dialtone.settings import Settings
from tests.conftest import SQLITE_FILE


async def test_the_log_is_emptied_once_nobody_reads_an_earlier_state(tmp_path: Path) -> None:
    database, log = Database(Settings(data_dir=tmp_path)), tmp_path / f"{SQLITE_FILE}-wal"
    async with database.write() as session:
        await session.execute(text("CREATE TABLE words (word TEXT)"))
        await session.execute(text("INSERT INTO words VALUES ('pomegranate')"))
    async with database.read() as reader:
        await reader.execute(text("SELECT * FROM words"))
        async with database.write() as session:
            await session.execute(text("DELETE FROM words"))
        dropping = asyncio.create_task(database.drop_deleted())
        for _ in range(20):  # writers come in between
            async with database.write() as session:
                await session.execute(text("INSERT INTO words VALUES ('apple')"))
        assert b"pomegranate" in log.read_bytes()
        assert not dropping.done()
    await dropping
    assert b"pomegranate" not in log.read_bytes() + (tmp_path / SQLITE_FILE).read_bytes()
    await database.close()
