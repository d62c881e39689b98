"""HTTP of chats."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from dialtone.chats.schemas import (
    MAX_CONTEXT,
    MAX_PAGE,
    ChatContext,
    ChatCreate,
    ChatMessageObject,
    ChatsAnswer,
    ContactId,
    Name,
)
from dialtone.chats.service import ChatFilter, Chats
from dialtone.platform.answers import Deleted, list_answer
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API

Contact = Annotated[ContactId, Query(description="Whose messages.", examples=["+31201234567"])]
Agent = Annotated[str | None, Query(max_length=64, description="Only those exchanged with this assistant.")]
AgentAlias = Annotated[str | None, Query(max_length=64, description="The same as `agent_id`.")]


def router(chats: Chats) -> APIRouter:
    routes = APIRouter(
        prefix=f"{API}/chats", tags=["Chats"], route_class=ApiRoute, deprecated=True, responses=error_responses(401)
    )

    @routes.post(
        "",
        operation_id="createChatMessage",
        summary="Keep a chat message",
        description="Messages are only kept, not answered.",
        status_code=201,
        response_model=ChatMessageObject,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_message(caller: Caller, body: ChatCreate) -> Response:
        message, ignored = await chats.create(caller, body)
        return answer(message, ignored, 201)

    @routes.get(
        "",
        operation_id="listChatMessages",
        summary="List chat messages of a contact",
        response_model=ChatsAnswer,
        responses=error_responses(400),
    )
    async def list_messages(
        caller: Caller,
        contact_id: Contact,
        channel: Annotated[Name | None, Query(description="Only those of this channel.")] = None,
        agent_id: Agent = None,
        assistant_id: AgentAlias = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="The most messages to answer with.")] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out before them.")] = 0,
    ) -> Response:
        chosen = ChatFilter(contact_id, channel, agent_id or assistant_id)
        messages, total = await chats.page(caller, chosen, limit, offset)
        pagination = {"total": total, "limit": limit, "offset": offset}
        return await list_answer("messages", messages, {"pagination": pagination})

    _add_context(routes, chats)

    @routes.delete(
        "/{message_id}",
        operation_id="deleteChatMessage",
        summary="Delete a chat message",
        response_model=Deleted,
        responses=error_responses(404),
    )
    async def delete_message(
        caller: Caller,
        message_id: Annotated[str, Path(description="The message's id.", json_schema_extra={"format": "uuid"})],
    ) -> Deleted:
        await chats.delete(caller, message_id)
        return Deleted()

    return routes


def _add_context(routes: APIRouter, chats: Chats) -> None:
    @routes.get(
        "/context",
        operation_id="getChatContext",
        summary="Get the latest chat messages as a text",
        response_model=ChatContext,
        responses=error_responses(400),
    )
    async def get_context(
        caller: Caller,
        contact_id: Contact,
        agent_id: Agent = None,
        assistant_id: AgentAlias = None,
        limit: Annotated[int, Query(ge=1, le=MAX_CONTEXT, description="The most messages to answer with.")] = 50,
    ) -> Response:
        assistant = agent_id or assistant_id
        newest_first, _ = await chats.page(caller, ChatFilter(contact_id, assistant_id=assistant), limit)
        messages = newest_first[::-1]
        return await list_answer(
            "messages",
            messages,
            {
                "contact_id": contact_id,
                "agent_id": assistant,
                "assistant_id": assistant,
                "formatted": "\n".join(f"{each['role'].upper()}: {each['content']}" for each in messages),
            },
        )
