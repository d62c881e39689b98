"""Is this process fit to serve?"""

import asyncio
import logging
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from dialtone import __version__
from dialtone.platform.db import Database, iso, now

log = logging.getLogger(__name__)

PING_SECONDS = 3.0
"""A database that takes longer counts as down."""


class DatabaseCheck(BaseModel):
    """How the database is."""

    status: Literal["ok", "error"] = Field(description="Whether it answers.")
    latency_ms: float | None = Field(description="How long the database took to answer; null where it did not.")


class Checks(BaseModel):
    """What was looked at."""

    database: DatabaseCheck = Field(description="The database.")


class Health(BaseModel):
    """Whether this process is fit to serve."""

    status: Literal["ok", "error"] = Field(description="error: one of the checks failed.")
    timestamp: str = Field(description="When it was looked at.", examples=["2026-01-31T09:30:00.000Z"])
    version: str = Field(description="The server's version.", examples=["0.1.0"])
    checks: Checks = Field(description="What was looked at.")


async def _check(database: Database) -> DatabaseCheck:
    try:
        async with asyncio.timeout(PING_SECONDS):
            return DatabaseCheck(status="ok", latency_ms=round(await database.ping(), 2))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("the database does not answer: %s", type(error).__name__)
        return DatabaseCheck(status="error", latency_ms=None)


def router(database: Database, prefix: str, *, in_schema: bool = True) -> APIRouter:
    routes = APIRouter(prefix=prefix, tags=["Health"], include_in_schema=in_schema)

    @routes.get(
        "/health",
        operation_id="getHealth",
        summary="Health of the server",
        response_model=Health,
        responses={503: {"model": Health, "description": "The database does not answer."}},
    )
    async def get_health(response: Response) -> Health:
        check = await _check(database)
        response.status_code = 200 if check.status == "ok" else 503
        return Health(status=check.status, timestamp=iso(now()), version=__version__, checks=Checks(database=check))

    return routes
