"""HTTP of carriers' requests, beside the API: each is known by its signature."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from dialtone.lines.carriers.base import Answer, Hook
from dialtone.platform.errors import ApiError

MAX_HOOK_BYTES = 64 * 1024
BODY_SECONDS = 10.0
"""How long a carrier may take to send a request."""

Take = Callable[[str, str | None, Hook], Awaitable[Answer]]
"""Answers a request of a carrier, for the call with a token or for none. Raises `ApiError`."""


def router(take: Take, address: Callable[[str | None], str]) -> APIRouter:
    """`address`: how carriers reach this server, for requests with this token; raises `ApiError` where nobody knows."""
    routes = APIRouter(prefix="/carriers", include_in_schema=False)

    async def answer(request: Request, carrier: str, hook: str, token: str | None) -> Response:
        asked = Hook(
            name=hook,
            method=request.method,
            url=_as_told(request, address(token)),
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=await _body(request),
        )
        told = await take(carrier, token, asked)
        return Response(told.body, headers={"Content-Type": told.content_type})

    @routes.api_route("/{carrier}/{hook}", methods=["GET", "POST"])
    async def take_hook(request: Request, carrier: str, hook: str) -> Response:
        return await answer(request, carrier, hook, None)

    @routes.api_route("/{carrier}/{hook}/{token}", methods=["GET", "POST"])
    async def take_hook_of_call(request: Request, carrier: str, hook: str, token: str) -> Response:
        return await answer(request, carrier, hook, token)

    return routes


def _as_told(request: Request, address: str) -> str:
    """The request's URL as the carrier was told it: proxies change scheme, host and port."""
    path = request.scope["raw_path"].decode("ascii", "replace")
    query = request.scope["query_string"].decode("ascii", "replace")
    return f"{address}{path}?{query}" if query else f"{address}{path}"


async def _body(request: Request) -> bytes:
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > MAX_HOOK_BYTES:
                    raise ApiError(
                        413, "body_too_large", "Request body too large", f"The limit is {MAX_HOOK_BYTES} bytes."
                    )
    except TimeoutError:
        raise ApiError(
            408, "body_timeout", "Request timeout", f"The body did not arrive within {BODY_SECONDS:g} seconds."
        ) from None
    except ClientDisconnect:
        raise ApiError(400, "client_disconnected", "Bad request") from None
    return bytes(received)
