"""Durable work as a part of the server."""

from dialtone.jobs.jobs import Jobs
from dialtone.platform.db import Database
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.jobs.conftest import Handled, defer


async def test_the_server_works_while_it_runs_and_keeps_the_rest_for_the_next_start(settings: Settings) -> None:
    kept = Handled()
    for start in (1, 2):
        app = create_app(settings)
        jobs: Jobs = app.state.parts.jobs
        database: Database = app.state.parts.database
        handled = Handled()
        jobs.handle("of a test", handled)
        if start == 2:
            jobs.handle("of a newer version", kept)
        async with app.router.lifespan_context(app):
            await defer(database, jobs, "of a test", start)
            await handled.wait_for(ended=1)
            if start == 1:
                await defer(database, jobs, "of a newer version", 1)
            await kept.wait_for(ended=start - 1)
    assert kept.payloads == [1]
