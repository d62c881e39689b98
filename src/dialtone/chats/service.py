"""Chats: messages of written conversations, kept for whoever leads them. Nothing here answers a message."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, false, func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.assistants.service import Assistants
from dialtone.chats.schemas import ChatCreate
from dialtone.chats.tables import ChatMessage, ChatTotal
from dialtone.platform.db import Database, iso, now, parse_id
from dialtone.platform.errors import ApiError, invalid, not_found
from dialtone.platform.fields import ignored_fields
from dialtone.platform.problems import problem
from dialtone.platform.tenancy import get_owned, owned_by, select_owned

MAX_MESSAGES = 1_000_000
"""Messages of one organization."""
MAX_MESSAGES_OF_CONTACT = 10_000
"""Bounds what counting and paging through them costs."""


@dataclass(frozen=True, slots=True)
class ChatFilter:
    """Which messages of an organization are meant; None: any."""

    contact_id: str
    channel: str | None = None
    assistant_id: str | None = None


class Chats:
    """The chat messages of every organization. All methods raise `ApiError`."""

    def __init__(self, database: Database, assistants: Assistants) -> None:
        self._database = database
        self._assistants = assistants

    async def create(self, organization_id: str, body: ChatCreate) -> tuple[dict[str, Any], list[str]]:
        """The new message as the API shows it, and the fields that were ignored."""
        async with self._database.write() as session:
            assistant_id = await self._assistant_of(session, organization_id, body)
            position = await _next_position(session, organization_id)
            of_contact = _chosen(organization_id, ChatFilter(body.contact_id)).with_only_columns(func.count())
            if (await session.scalar(of_contact) or 0) >= MAX_MESSAGES_OF_CONTACT:
                raise _too_many(f"A contact can have {MAX_MESSAGES_OF_CONTACT}")
            row = ChatMessage(
                organization_id=organization_id,
                contact_id=body.contact_id,
                position=position,
                assistant_id=assistant_id,
                channel=body.channel,
                role=body.role,
                content=body.content,
                message_metadata=body.metadata,
                created_at=now(),
            )
            session.add(row)
        return show(row), ignored_fields(body)

    async def _assistant_of(self, session: AsyncSession, organization_id: str, body: ChatCreate) -> str | None:
        field = "agent_id" if body.agent_id is not None else "assistant_id"
        given = getattr(body, field)
        if given is None:
            return None
        assistant_id = await self._assistants.hold(session, organization_id, given)
        if assistant_id is None:
            raise invalid([problem(field, "must be the id of an assistant of your organization", given)])
        return assistant_id

    async def page(
        self, organization_id: str, chosen: ChatFilter, limit: int, offset: int = 0
    ) -> tuple[Sequence[dict[str, Any]], int]:
        """Messages as the API shows them, the newest first, and how many there are in all."""
        query = _chosen(organization_id, chosen)
        async with self._database.read() as session:
            total = await session.scalar(query.with_only_columns(func.count())) or 0
            newest_first = query.order_by(ChatMessage.position.desc()).limit(limit).offset(offset)
            return [show(row) for row in await session.scalars(newest_first)], total

    # Privacy

    async def erase_mentions(
        self, session: AsyncSession, organization_id: str, mention: re.Pattern[str], after: int, limit: int
    ) -> tuple[int, int | None]:
        """Delete messages with a contact whom `mention` finds, or in whose text or metadata it finds something: of the
        `limit` messages behind position `after`. Returns how many, and the position reached; None at the end.
        """
        in_order = select_owned(ChatMessage, organization_id).where(ChatMessage.position > after)
        rows = (await session.scalars(in_order.order_by(ChatMessage.position).limit(limit))).all()
        found = await asyncio.to_thread(_mentioning, rows, mention)
        count = 0
        if found:
            gone = delete(ChatMessage).where(owned_by(ChatMessage, organization_id), ChatMessage.id.in_(found))
            count = len((await session.scalars(gone.returning(ChatMessage.id))).all())
            fewer = update(ChatTotal).where(owned_by(ChatTotal, organization_id))
            await session.execute(fewer.values(messages=ChatTotal.messages - count))
        return count, rows[-1].position if len(rows) == limit else None

    async def delete(self, organization_id: str, message_id: str) -> None:
        async with self._database.write() as session:
            row = await get_owned(session, ChatMessage, organization_id, message_id, lock=True)
            if row is None:
                raise not_found("chat message")
            await session.delete(row)
            await session.execute(
                update(ChatTotal).where(owned_by(ChatTotal, organization_id)).values(messages=ChatTotal.messages - 1)
            )


def _mentioning(rows: Sequence[ChatMessage], mention: re.Pattern[str]) -> list[str]:
    return [
        row.id
        for row in rows
        if mention.search(row.contact_id)
        or mention.search(row.content)
        or mention.search(json.dumps(row.message_metadata, ensure_ascii=False))
    ]


def _chosen(organization_id: str, chosen: ChatFilter) -> Select[Any]:
    query = select_owned(ChatMessage, organization_id).where(ChatMessage.contact_id == chosen.contact_id)
    if chosen.channel is not None:
        query = query.where(ChatMessage.channel == chosen.channel)
    if chosen.assistant_id is not None:
        assistant_id = parse_id(chosen.assistant_id)
        query = query.where(false() if assistant_id is None else ChatMessage.assistant_id == assistant_id)
    return query


async def _next_position(session: AsyncSession, organization_id: str) -> int:
    """Count one more message. Holds the organization's total until the transaction ends, so that positions are
    given in the order in which messages become visible. Raises `ApiError` (409) at the limit.
    """
    one_more = (
        update(ChatTotal)
        .where(owned_by(ChatTotal, organization_id))
        .values(messages=ChatTotal.messages + 1, last_position=ChatTotal.last_position + 1)
        .returning(ChatTotal.messages, ChatTotal.last_position)
    )
    counted = (await session.execute(one_more)).one_or_none()
    if counted is None:
        try:
            async with session.begin_nested():
                session.add(ChatTotal(organization_id=organization_id, messages=0, last_position=0))
        except IntegrityError:
            pass  # another process counted the organization's first message at the same moment
        counted = (await session.execute(one_more)).one()
    if counted.messages > MAX_MESSAGES:
        raise _too_many(f"An organization can have {MAX_MESSAGES}")
    return int(counted.last_position)


def _too_many(limit: str) -> ApiError:
    return ApiError(409, "too_many_messages", "Too many chat messages", f"{limit}; delete old ones first.")


def show(row: ChatMessage) -> dict[str, Any]:
    """A message as the API shows it."""
    return {
        "id": row.id,
        "agent_id": row.assistant_id,
        "assistant_id": row.assistant_id,
        "contact_id": row.contact_id,
        "channel": row.channel,
        "role": row.role,
        "content": row.content,
        "metadata": row.message_metadata,
        "created_at": iso(row.created_at),
    }
