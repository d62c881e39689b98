"""How requests come in: bodies bounded before they are read, the key checked before a body is parsed, strict JSON."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialtone.platform.auth import authenticate
from dialtone.platform.errors import ApiError, error_response
from dialtone.platform.fields import header_safe
from dialtone.platform.json_text import to_json
from dialtone.platform.strict_json import InvalidJsonError, parse

BODY_SECONDS = 30
"""How long a client may take to send a body."""
PARSE_IN_THREAD_BYTES = 64 * 1024
"""Larger bodies are parsed beside the event loop, which live calls share."""

IGNORED_FIELDS = "X-Ignored-Fields"
IGNORED_HEADER = {
    IGNORED_FIELDS: {
        "description": "Fields of the request that had no effect, separated by commas; absent where there are none.",
        "schema": {"type": "string"},
    }
}
"""For a route's OpenAPI description: `responses={201: {"headers": IGNORED_HEADER}}`."""


def answer(document: dict[str, Any], ignored: Sequence[str] = (), status: int = 200) -> Response:
    """`document` as JSON, with the request's fields that had no effect named in a header."""
    headers = {IGNORED_FIELDS: header_safe(list(ignored))} if ignored else None
    return Response(to_json(document), status, headers, "application/json")


class BodyLimit:
    """ASGI middleware: answers 413 as soon as a body is known to be too large, whether announced or chunked."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:19]) > self.max_bytes:
            await self._too_large().response()(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, bounded, send)

    def _too_large(self) -> ApiError:
        return ApiError(
            413,
            "body_too_large",
            "Request body too large",
            f"The limit is {self.max_bytes} bytes.",
        )


class ApiRoute(APIRoute):
    """A route of the API: wants a valid key, then a JSON body where it takes one.

    Use as `APIRouter(prefix=API, route_class=ApiRoute)`; declare `Caller` (see `auth`) to get the organization.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            authenticate(request)
            if takes_body:
                try:
                    request = await _with_json(request)
                except ClientDisconnect:
                    return Response(status_code=400)
            return await handler(request)

        return handle


async def _with_json(request: Request) -> Request:
    """The request with its body read and parsed. Raises `ApiError`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ApiError(
            415, "unsupported_media_type", "Unsupported media type", "Send JSON with Content-Type: application/json."
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.body()
    except TimeoutError:
        raise ApiError(
            408, "body_timeout", "Request timeout", f"The body did not arrive within {BODY_SECONDS} seconds."
        ) from None
    try:
        document = parse(body) if len(body) <= PARSE_IN_THREAD_BYTES else await asyncio.to_thread(parse, body)
    except InvalidJsonError as error:
        raise ApiError(400, "invalid_json", "Invalid JSON", str(error)) from None
    if not isinstance(document, dict):
        raise ApiError(400, "invalid_json", "Invalid JSON", "The body must be a JSON object.")
    request._json = document  # where starlette keeps what Request.json() returns
    return request


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The failures of a route, for its OpenAPI description."""
    return {status: error_response(_DESCRIPTIONS[status]) for status in statuses}


_DESCRIPTIONS = {
    400: "The body is not JSON, or a field breaks a rule; `details` names each.",
    401: "The API key is missing or not valid.",
    402: "The organization has no minutes left; asked only where the deployment bills calls.",
    403: "The key is valid, and may not do this.",
    404: "No such object in your organization.",
    409: "The object's state does not allow this.",
    413: "The body is larger than the server takes.",
    415: "The body is not declared as JSON.",
    502: "A vendor that is needed for this failed.",
    503: "The server, or a vendor that is needed for this, can't serve now.",
    504: "A vendor that is needed for this did not answer in time.",
}
