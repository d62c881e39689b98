"""HTTP of calls and web calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from dialtone.calls.costs import shown_cost
from dialtone.calls.listing import CallFilter, CallListing, Page
from dialtone.calls.paging import Window
from dialtone.calls.query import call_filter, period, window
from dialtone.calls.recording_urls import RecordingUrls
from dialtone.calls.recordings import Recordings
from dialtone.calls.schemas import CallList, CallObject, WebCallCreated, WebCallRequest
from dialtone.calls.service import CallDetails, Calls
from dialtone.calls.usage import UsageList, usage_log, usage_summary
from dialtone.calls.views import call_object
from dialtone.platform.auth import Caller
from dialtone.platform.db import iso
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.openapi import operation_id
from dialtone.platform.routing import API
from dialtone.settings import Settings
from dialtone.storage.answers import StorageError

STREAM_PATH = "/api/v1/web-calls/stream"
RECORDING_PATH = "/calls/{call_id}/recording"
RETRY_AFTER_SECONDS = 30
LOGS_AT_ONCE = 100
"""Logs of usage written together, so that a long page never holds up live calls."""

_WAV = {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
_AUDIO: dict[str, Any] = {"description": "The recording.", "content": _WAV}
_PART_OF_AUDIO: dict[str, Any] = {"description": "The part that the request's Range header names.", "content": _WAV}
_NO_SUCH_PART: dict[str, Any] = {
    "description": "The recording has no such part; Content-Range says how long it is.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_ELSEWHERE: dict[str, Any] = {"description": "The recording is in the deployment's object store, at Location."}
_NOT_SIGNED = {**error_responses(403)[403], "description": "The address is not signed, or works no more."}

CallId = Annotated[str, Path(description="The call's id.")]


class CallRoutes:
    """The handlers, with what they work on."""

    def __init__(
        self,
        calls: Calls,
        listing: CallListing,
        recordings: Recordings,
        urls: RecordingUrls,
        settings: Settings,
        currency: str,
    ) -> None:
        self._calls = calls
        self._listing = listing
        self._recordings = recordings
        self._urls = urls
        self._public_url = settings.public_url.rstrip("/") if settings.public_url else None
        self._currency = currency

    def routers(self) -> list[APIRouter]:
        return [
            self._calls_router(),
            self._web_calls_router(API),
            self._web_calls_router("/v1"),
            self._recording_router(),
        ]

    def _calls_router(self) -> APIRouter:
        router = APIRouter(
            prefix=API,
            route_class=ApiRoute,
            responses=error_responses(401),
            generate_unique_id_function=operation_id,
        )
        router.get(
            "/calls",
            tags=["Calls"],
            summary="List calls",
            response_model=CallList,
            responses=error_responses(400),
        )(self.list_calls)
        router.get(
            "/calls/{call_id}",
            tags=["Calls"],
            summary="Get a call",
            response_model=CallObject,
            responses=error_responses(404),
        )(self.get_call)
        router.get(
            "/usage",
            tags=["Usage"],
            summary="List usage",
            response_model=UsageList,
            responses=error_responses(400),
        )(self.list_usage)
        return router

    def _recording_router(self) -> APIRouter:
        router = APIRouter(prefix=API, tags=["Calls"], generate_unique_id_function=operation_id)
        router.get(
            RECORDING_PATH,
            summary="Get a recording",
            response_class=FileResponse,
            responses={
                200: _AUDIO,
                206: _PART_OF_AUDIO,
                307: _ELSEWHERE,
                416: _NO_SUCH_PART,
                **error_responses(404, 503),
                403: _NOT_SIGNED,
            },
        )(self.get_recording)
        return router

    def _web_calls_router(self, prefix: str) -> APIRouter:
        """Web calls also live below `/v1`, as in the contract; the document tells of one place."""
        router = APIRouter(
            prefix=prefix,
            route_class=ApiRoute,
            tags=["Web calls"],
            include_in_schema=prefix == API,
            generate_unique_id_function=operation_id,
        )
        router.post(
            "/web-calls",
            summary="Make a web call",
            status_code=201,
            response_model=WebCallCreated,
            responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 401, 404, 409, 413, 415)},
        )(self.create_web_call)
        return router

    async def create_web_call(self, request: Request, organization_id: Caller, body: WebCallRequest) -> Response:
        """Prepare a web call. Its token lets one client talk to the assistant, within a minute."""
        created = await self._calls.create_web_call(organization_id, body)
        scheme, _, rest = self._base(request).partition("://")
        return answer(
            {
                "token": created.token,
                "call_id": created.call_id,
                "server_url": f"{'wss' if scheme == 'https' else 'ws'}://{rest}{STREAM_PATH}",
                "expires_at": iso(created.expires_at),
            },
            created.ignored,
            201,
        )

    async def list_calls(
        self,
        request: Request,
        organization_id: Caller,
        chosen: Annotated[CallFilter, Depends(call_filter)],
        part: Annotated[Window, Depends(window)],
    ) -> Response:
        """The organization's calls, the newest first."""
        page = await self._listing.calls(organization_id, chosen, part)
        body = self._list_body(self._base(request), organization_id, page, part)
        return StreamingResponse(body, media_type="application/json")

    async def _list_body(self, base: str, organization_id: str, page: Page, part: Window) -> AsyncIterator[str]:
        """JSON in pieces, since a thousand calls with their messages written at once would hold up live calls."""
        yield '{"calls":['
        separator = ""
        async for some in self._calls.details(organization_id, [row.id for row in page.rows]):
            for details in some:
                yield separator + json.dumps(self._object(base, details), ensure_ascii=False, separators=(",", ":"))
                separator = ","
        yield f'],"pagination":{json.dumps(_pagination(page, part))}}}'

    async def list_usage(
        self,
        organization_id: Caller,
        chosen: Annotated[CallFilter, Depends(period)],
        part: Annotated[Window, Depends(window)],
    ) -> Response:
        """A log of each call that has a duration, the newest first, and what all of the period come to."""
        page, usage = await self._listing.usage(organization_id, chosen, part)
        pieces = []
        for row in page.rows:
            pieces.append(orjson.dumps(usage_log(row)))
            if len(pieces) % LOGS_AT_ONCE == 0:
                await asyncio.sleep(0)
        rest = orjson.dumps({"pagination": _pagination(page, part), "summary": usage_summary(usage, self._currency)})
        return Response(b'{"logs":[' + b",".join(pieces) + b"]," + rest[1:], media_type="application/json")

    async def get_call(self, request: Request, organization_id: Caller, call_id: CallId) -> Response:
        """One call, while it runs or afterwards."""
        details = await self._calls.get(organization_id, call_id)
        return JSONResponse(self._object(self._base(request), details))

    async def get_recording(
        self,
        call_id: CallId,
        expires: Annotated[str, Query(description="As the address has it.")] = "",
        signature: Annotated[str, Query(description="As the address has it.")] = "",
    ) -> Response:
        """A call's recording as stereo WAV, caller left, assistant right; also while the call still runs. The address
        is a call's `recording_url`, and needs no key. Takes Range requests. Where the deployment keeps recordings in an
        object store, the answer leads there, to an address that expires.
        """
        problem = self._urls.problem(call_id, expires, signature)
        if problem is not None:
            raise ApiError(403, "forbidden", "Forbidden", problem)
        recording = await self._recordings.named_by(call_id)
        if recording is None:
            raise not_found("recording")
        headers = {"Cache-Control": "private, no-store"}
        path = await self._recordings.local_file(recording)
        if path is not None:
            return FileResponse(path, media_type="audio/wav", filename=f"{call_id}.wav", headers=headers)
        try:
            url = await self._recordings.stored_url(recording, self._urls.seconds_left(expires))
        except StorageError:
            raise _store_away() from None
        if url is None:
            raise not_found("recording")
        return RedirectResponse(url, 307, headers)

    def _object(self, base: str, details: CallDetails) -> dict[str, Any]:
        call = details.call
        url = self._urls.sign(base, call.id) if call.recording and call.started_at else None
        costs = [shown_cost(row, self._currency) for row in details.usage]
        return call_object(call, details.messages, details.turns, costs, url)

    def _base(self, request: Request) -> str:
        """How clients reach this server: scheme and host."""
        return self._public_url or f"{request.url.scheme}://{request.url.netloc}"


def _store_away() -> ApiError:
    return ApiError(
        503,
        "recording_store_unavailable",
        "Service unavailable",
        "The store of recordings does not answer now; try again in a moment.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _pagination(page: Page, part: Window) -> dict[str, Any]:
    pagination = {"total": page.total, "limit": part.limit, "offset": part.offset}
    return pagination if part.cursor is None else {**pagination, "next_cursor": page.next_cursor}
