"""Analysis templates: made, changed, looked up, deleted."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.db import Database, iso, now
from dialtone.platform.errors import invalid, not_found
from dialtone.platform.fields import READ_ONLY, given, ignored_fields
from dialtone.platform.json_rules import schema_problems
from dialtone.platform.problems import problem
from dialtone.platform.rows import apply_changes
from dialtone.platform.tenancy import get_owned, refuse_above_limit, select_owned
from dialtone.templates.analysis_schemas import (
    MAX_PROMPT_CHARACTERS,
    AnalysisTemplateCreate,
    AnalysisTemplateFields,
    AnalysisTemplateUpdate,
)
from dialtone.templates.tables import AnalysisTemplate

MAX_ANALYSIS_TEMPLATES = 200
"""Analysis templates of one organization."""
MAX_SCHEMA_BYTES = 64 * 1024
"""Size of a `schema` as JSON."""

_PROMPTS = ("system_prompt", "user_prompt")
FIELDS = ("name", "description", *_PROMPTS, "schema")

_OLDER_PLACEHOLDER = re.compile(r"\{\{\s*(transcript|summary|duration|caller_number)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Page:
    templates: list[dict[str, Any]]
    """As the API shows them."""
    total: int


class AnalysisTemplates:
    """The analysis templates of every organization. Methods raise `ApiError`: 404 for an id that is unknown or
    another organization's, 400 for fields that break rules.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, organization_id: str, body: AnalysisTemplateCreate) -> tuple[dict[str, Any], list[str]]:
        """The new template as the API shows it, and the fields that were ignored."""
        values, ignored = await asyncio.to_thread(_prepare, body)
        if missing := [problem(name, "is required") for name in (*_PROMPTS, "schema") if name not in values]:
            raise invalid(missing)
        moment = now()
        async with self._database.write() as session:
            await refuse_above_limit(
                session, AnalysisTemplate, organization_id, MAX_ANALYSIS_TEMPLATES, "analysis templates"
            )
            row = AnalysisTemplate(organization_id=organization_id, created_at=moment, updated_at=moment, **values)
            session.add(row)
        return show(row), ignored

    async def list_page(self, organization_id: str, limit: int, offset: int) -> Page:
        """Newest first."""
        owned = select_owned(AnalysisTemplate, organization_id)
        newest_first = owned.order_by(AnalysisTemplate.created_at.desc(), AnalysisTemplate.id.desc())
        page = newest_first.limit(limit).offset(offset).execution_options(yield_per=50)
        async with self._database.read() as session:
            total = await session.scalar(owned.with_only_columns(func.count()))
            return Page([show(row) async for row in await session.stream_scalars(page)], total or 0)

    async def get(self, organization_id: str, template_id: str) -> dict[str, Any]:
        async with self._database.read() as session:
            return show(await _row(session, organization_id, template_id))

    async def update(
        self, organization_id: str, template_id: str, body: AnalysisTemplateUpdate
    ) -> tuple[dict[str, Any], list[str]]:
        """The changed template as the API shows it, and the fields that were ignored."""
        values, ignored = await asyncio.to_thread(_prepare, body)
        async with self._database.write() as session:
            row = await _row(session, organization_id, template_id, lock=True)
            apply_changes(row, values)
        return show(row), ignored

    async def delete(self, organization_id: str, template_id: str) -> None:
        async with self._database.write() as session:
            await session.delete(await _row(session, organization_id, template_id, lock=True))


def _prepare(body: AnalysisTemplateFields) -> tuple[dict[str, Any], list[str]]:
    """What `body` sets, and the fields of it that are ignored. Raises `ApiError` (400)."""
    values = given(body)
    ignored = [name for name in ignored_fields(body) if name not in READ_ONLY]
    messages = values.pop("messages", None)
    if messages is not None:
        if any(name in values for name in _PROMPTS):
            ignored.append("messages")
        else:
            values |= _prompts(messages)
    if "schema" in values and (found := _schema_problems(values["schema"])):
        raise invalid(found)
    return values, ignored


def _prompts(messages: list[Mapping[str, Any]]) -> dict[str, str]:
    """Older messages as today's two prompts. Raises `ApiError` (400)."""
    texts: dict[str, list[str]] = {"system": [], "user": []}
    for message in messages:
        texts[message["role"]].append(_OLDER_PLACEHOLDER.sub(r"{\1}", message["content"]))
    prompts = {f"{role}_prompt": "\n\n".join(parts) for role, parts in texts.items()}
    if (longest := max(map(len, prompts.values()))) > MAX_PROMPT_CHARACTERS:
        rule = f"those of one role must have at most {MAX_PROMPT_CHARACTERS} characters together"
        raise invalid([problem("messages", rule, longest)])
    return prompts


def _schema_problems(schema: dict[str, Any]) -> list[str]:
    size = len(json.dumps(schema, ensure_ascii=False).encode())
    if size > MAX_SCHEMA_BYTES:
        return [problem("schema", f"must have at most {MAX_SCHEMA_BYTES} bytes of JSON", size)]
    return schema_problems(schema, "schema")


async def _row(
    session: AsyncSession, organization_id: str, template_id: str, *, lock: bool = False
) -> AnalysisTemplate:
    row = await get_owned(session, AnalysisTemplate, organization_id, template_id, lock=lock)
    if row is None:
        raise not_found("analysis template")
    return row


def show(row: AnalysisTemplate) -> dict[str, Any]:
    """An analysis template as the API shows it."""
    return {
        "id": row.id,
        "org_id": row.organization_id,
        **{name: getattr(row, name) for name in FIELDS},
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
