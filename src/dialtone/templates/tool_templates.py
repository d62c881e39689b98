"""Tool templates: made, changed, looked up, deleted."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.assistants.addresses import tool_addresses
from dialtone.platform.address_rules import address_problems
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database, iso, now
from dialtone.platform.errors import invalid, not_found
from dialtone.platform.fields import READ_ONLY, given, ignored_fields
from dialtone.platform.problems import problem
from dialtone.platform.rows import apply_changes
from dialtone.platform.tenancy import get_owned, refuse_above_limit, select_owned
from dialtone.templates.tables import ToolTemplate
from dialtone.templates.tool_configs import check_config, check_name, masked, modern
from dialtone.templates.tool_schemas import ToolTemplateCreate, ToolTemplateFields, ToolTemplateUpdate

MAX_TOOL_TEMPLATES = 500
"""Tool templates of one organization."""

FIELDS = ("name", "description", "tool_type", "tool_config")


class ToolTemplates:
    """The tool templates of every organization. Methods raise `ApiError`: 404 for an id that is unknown or another
    organization's, 400 for fields that break rules.
    """

    def __init__(self, database: Database, secrets: Secrets, *, allow_private_addresses: bool) -> None:
        self._database = database
        self._secrets = secrets
        self._allow_private = allow_private_addresses

    async def create(self, organization_id: str, body: ToolTemplateCreate) -> tuple[dict[str, Any], list[str]]:
        """The new template as the API shows it, and the fields that were ignored."""
        values, ignored = await asyncio.to_thread(self._prepare, body, None)
        moment = now()
        async with self._database.write() as session:
            await refuse_above_limit(session, ToolTemplate, organization_id, MAX_TOOL_TEMPLATES, "tool templates")
            row = ToolTemplate(organization_id=organization_id, created_at=moment, updated_at=moment, **values)
            session.add(row)
        return show(row), ignored

    async def list_all(self, organization_id: str) -> list[dict[str, Any]]:
        """All of an organization's tool templates, newest first."""
        newest_first = select_owned(ToolTemplate, organization_id).order_by(
            ToolTemplate.created_at.desc(), ToolTemplate.id.desc()
        )
        async with self._database.read() as session:
            rows = await session.stream_scalars(newest_first.execution_options(yield_per=50))
            return [show(row) async for row in rows]

    async def get(self, organization_id: str, template_id: str) -> dict[str, Any]:
        async with self._database.read() as session:
            return show(await _row(session, organization_id, template_id))

    async def update(
        self, organization_id: str, template_id: str, body: ToolTemplateUpdate
    ) -> tuple[dict[str, Any], list[str]]:
        """The changed template as the API shows it, and the fields that were ignored."""
        async with self._database.write() as session:
            row = await _row(session, organization_id, template_id, lock=True)
            stored = {name: getattr(row, name) for name in FIELDS}
            values, ignored = await asyncio.to_thread(self._prepare, body, stored)
            apply_changes(row, values)
        return show(row), ignored

    async def delete(self, organization_id: str, template_id: str) -> None:
        async with self._database.write() as session:
            await session.delete(await _row(session, organization_id, template_id, lock=True))

    def _prepare(self, body: ToolTemplateFields, stored: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
        """The whole template as it is to be stored, and the paths of fields that were ignored."""
        changes, ignored = modern(given(body), stored)
        ignored += [name for name in ignored_fields(body) if name not in READ_ONLY]
        whole = {**(stored or {"description": None}), **changes}
        if stored and "tool_config" not in changes and whole["tool_type"] != stored["tool_type"]:
            changes["tool_config"] = {}
        elif missing := [problem(name, "is required") for name in ("tool_type", "tool_config") if name not in whole]:
            raise invalid(missing)
        if "tool_config" in changes:
            checked = check_config(
                self._secrets, whole["tool_type"], changes["tool_config"], stored and stored["tool_config"]
            )
            whole["tool_config"] = checked.config
            ignored += checked.ignored
            saved = {url for _, url in tool_addresses(stored["tool_config"] if stored else {}, "tool_config")}
            addresses = tool_addresses(checked.config, "tool_config")
            if wrong := address_problems(addresses, saved, allow_private=self._allow_private):
                raise invalid(wrong)
        check_name(whole)
        return whole, ignored


async def _row(session: AsyncSession, organization_id: str, template_id: str, *, lock: bool = False) -> ToolTemplate:
    row = await get_owned(session, ToolTemplate, organization_id, template_id, lock=lock)
    if row is None:
        raise not_found("tool template")
    return row


def show(row: ToolTemplate) -> dict[str, Any]:
    """A tool template as the API shows it."""
    return {
        "id": row.id,
        "org_id": row.organization_id,
        "name": row.name,
        "description": row.description,
        "tool_type": row.tool_type,
        "tool_config": masked(row.tool_config),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
