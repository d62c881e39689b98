"""A process that begins jobs and never ends one, until it is killed. Started by `test_processes.py`."""

import asyncio
import sys
from pathlib import Path

from dialtone.jobs import heartbeat
from dialtone.jobs.jobs import Job, Jobs
from dialtone.platform.db import Database
from dialtone.settings import Settings


async def main(data_dir: str, database_url: str) -> None:
    heartbeat.BEAT_SECONDS = 0.1
    database = Database(Settings(data_dir=Path(data_dir), database_url=database_url or None))
    jobs = Jobs(database)

    async def hang(job: Job) -> None:
        print(job.payload["n"], flush=True)  # noqa: T201
        await asyncio.Event().wait()

    jobs.handle("work", hang, at_once=5)
    await jobs.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
