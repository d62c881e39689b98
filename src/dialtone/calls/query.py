"""What the query strings of lists mean: pages, filters, and dates in any form that people write."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator, StringConstraints

from dialtone.calls.counts import DAY, midnight
from dialtone.calls.listing import CallFilter
from dialtone.calls.paging import CURSOR_PATTERN, DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, NOT_A_CURSOR, Window
from dialtone.platform.db import parse_id
from dialtone.platform.errors import invalid
from dialtone.platform.fields import Matches, rule
from dialtone.platform.patterns import WRITTEN_TIME
from dialtone.platform.problems import problem

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
"""Dates beyond these mean the same as these: there is no call there."""

_PLUS_AS_SPACE = re.compile(r"(:\S*) (\d\d:?\d\d)$")
"""A zone of `+02:00` whose plus was not percent-encoded."""


def _canonical_id(value: str) -> str:
    canonical = parse_id(value)
    if canonical is None:
        raise rule("must be a UUID")
    return canonical


def _storable(value: str) -> str:
    if "\x00" in value:
        raise rule("must not contain a NUL")
    return value


IdFilter = Annotated[str, AfterValidator(_canonical_id)]
TextFilter = Annotated[str, AfterValidator(_storable)]
_UUID = {"max_length": 45, "json_schema_extra": {"format": "uuid"}}

_Date = Annotated[
    str,
    StringConstraints(max_length=64),
    Matches(WRITTEN_TIME, "must be a date like 2026-01-31 or an ISO 8601 date-time"),
]
StartDate = Annotated[
    _Date | None,
    Query(
        description="Only calls created at or after this: a date, or an ISO 8601 date-time (UTC where it has no zone).",
        examples=["2026-01-01", "2026-01-31T09:30:00Z"],
    ),
]
EndDate = Annotated[
    _Date | None,
    Query(
        description="Only calls created at or before this; a date without a time includes that whole day.",
        examples=["2026-01-31", "2026-01-31T18:00:00+01:00"],
    ),
]


def window(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many to show at most.")] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many of the newest to skip.")] = 0,
    cursor: Annotated[
        Annotated[str, Matches(CURSOR_PATTERN, NOT_A_CURSOR)] | None,
        Query(
            description="Instead of `offset`, for pages that do not shift while new calls come in. Empty for the first "
            "page, then the `next_cursor` of the page before, with the same filters, until that is null.",
        ),
    ] = None,
) -> Window:
    """The part of a list that a request asks for. Raises `ApiError` (400)."""
    if cursor is not None and offset:
        raise invalid([problem("cursor", "can't be combined with offset")])
    return Window(limit, offset, cursor)


def period(start_date: StartDate = None, end_date: EndDate = None) -> CallFilter:
    """The calls of a time."""
    since = None if start_date is None else _span(start_date)[0]
    until = None if end_date is None else _span(end_date)[1]
    return CallFilter(since=since, until=until)


def _span(given: str) -> tuple[datetime, datetime]:
    """The time that a text names, which fits `WRITTEN_TIME`: a whole day, or a microsecond; the end is not in it."""
    text = _PLUS_AS_SPACE.sub(r"\1+\2", given.upper())
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    else:
        begin = _known(midnight(day))
        return begin, begin + DAY
    begin = _known(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    return begin, begin + timedelta(microseconds=1)


def _known(moment: datetime) -> datetime:
    """In UTC, and within the time that calls can be of."""
    if moment.year < EARLIEST.year:
        return EARLIEST
    return LATEST if moment.year >= LATEST.year else moment.astimezone(UTC)


def call_filter(
    time: Annotated[CallFilter, Depends(period)],
    status: Annotated[
        TextFilter | None, Query(max_length=32, description="Only calls of this status.", examples=["ended"])
    ] = None,
    assistant_id: Annotated[IdFilter | None, Query(**_UUID, description="Only calls of this assistant.")] = None,
    agent_id: Annotated[
        IdFilter | None, Query(**_UUID, description="The older name of `assistant_id`.", deprecated=True)
    ] = None,
    number_id: Annotated[IdFilter | None, Query(**_UUID, description="Only calls of this phone number.")] = None,
    direction: Annotated[
        TextFilter | None,
        Query(max_length=16, description="Only `inbound`, `outbound` or `web` calls.", examples=["inbound"]),
    ] = None,
) -> CallFilter:
    """The calls that a request asks for. Raises `ApiError` (400)."""
    if assistant_id and agent_id and assistant_id != agent_id:
        raise invalid([problem("agent_id", "is the older name of assistant_id; give one of them")])
    return replace(time, status=status, assistant_id=assistant_id or agent_id, number_id=number_id, direction=direction)
