"""HTTP of calls and web calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from dialtone.calls.recordings import RecordingUrls, file_of
from dialtone.calls.schemas import CallList, CallObject, WebCallCreated, WebCallRequest
from dialtone.calls.service import CallDetails, CallFilter, Calls
from dialtone.calls.views import call_object
from dialtone.platform.auth import Caller
from dialtone.platform.db import iso
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.http import ApiRoute, answer, error_responses
from dialtone.settings import Settings

MAX_PAGE = 1000
STREAM_PATH = "/api/v1/web-calls/stream"


class CallRoutes:
    """The handlers, with what they work on."""

    def __init__(self, calls: Calls, urls: RecordingUrls, settings: Settings) -> None:
        self._calls = calls
        self._urls = urls
        self._public_url = settings.public_url.rstrip("/") if settings.public_url else None
        self._data_dir = settings.data_dir

    def router(self) -> APIRouter:
        """Everything below `/api/v1`."""
        router = APIRouter(tags=["Calls"])
        keyed = APIRouter(route_class=ApiRoute)
        keyed.get("/calls", response_model=CallList, responses=error_responses(400, 401))(self.list_calls)
        keyed.get("/calls/{call_id}", response_model=CallObject, responses=error_responses(401, 404))(self.get_call)
        keyed.include_router(self.web_calls_router())
        router.include_router(keyed)
        recording = "/calls/{call_id}/recording"
        router.get(recording, response_class=FileResponse)(self.get_recording)
        router.head(recording, include_in_schema=False)(self.get_recording)
        return router

    def web_calls_router(self) -> APIRouter:
        """Web calls alone, which also live below `/v1`."""
        router = APIRouter(route_class=ApiRoute, tags=["Web calls"])
        router.post(
            "/web-calls",
            status_code=201,
            response_model=WebCallCreated,
            responses=error_responses(400, 401, 404, 409, 413, 415),
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
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
        status: Annotated[str | None, Query(max_length=32)] = None,
        start_date: Annotated[datetime | None, Query(description="Calls created at or after this time.")] = None,
        end_date: Annotated[datetime | None, Query(description="Calls created at or before this time.")] = None,
    ) -> Response:
        """The organization's calls, the newest first."""
        chosen = CallFilter(status, _in_utc(start_date), _in_utc(end_date))
        ids, total = await self._calls.page(organization_id, chosen, limit, offset)
        pagination = {"total": total, "limit": limit, "offset": offset}
        body = self._list_body(self._base(request), organization_id, ids, pagination)
        return StreamingResponse(body, media_type="application/json")

    async def _list_body(
        self, base: str, organization_id: str, ids: list[str], pagination: dict[str, int]
    ) -> AsyncIterator[str]:
        """JSON in pieces, since a thousand calls with their messages written at once would hold up live calls."""
        yield '{"calls":['
        separator = ""
        async for some in self._calls.details(organization_id, ids):
            for details in some:
                yield separator + json.dumps(self._object(base, details), ensure_ascii=False, separators=(",", ":"))
                separator = ","
        yield f'],"pagination":{json.dumps(pagination)}}}'

    async def get_call(self, request: Request, organization_id: Caller, call_id: str) -> Response:
        """One call, while it runs or afterwards."""
        details = await self._calls.get(organization_id, call_id)
        return JSONResponse(self._object(self._base(request), details))

    async def get_recording(self, call_id: str, expires: str = "", signature: str = "") -> Response:
        """A call's recording as stereo WAV, caller left, assistant right; also while the call still runs. The address
        is a call's `recording_url`, and needs no key. Takes Range requests.
        """
        problem = self._urls.problem(call_id, expires, signature)
        if problem is not None:
            raise ApiError(403, "forbidden", "Forbidden", problem)
        recording = await self._calls.recording_of(call_id)
        path = None if recording is None else await asyncio.to_thread(_existing, self._data_dir, recording)
        if path is None:
            raise not_found("recording")
        headers = {"Cache-Control": "private, no-store"}
        return FileResponse(path, media_type="audio/wav", filename=f"{call_id}.wav", headers=headers)

    def _object(self, base: str, details: CallDetails) -> dict[str, Any]:
        call = details.call
        url = self._urls.sign(base, call.id) if call.recording and call.started_at else None
        return call_object(call, details.messages, details.turns, url)

    def _base(self, request: Request) -> str:
        """How clients reach this server: scheme and host."""
        return self._public_url or f"{request.url.scheme}://{request.url.netloc}"


def _existing(data_dir: Path, recording: str) -> Path | None:
    path = file_of(data_dir, recording)
    return path if path is not None and path.is_file() else None


def _in_utc(moment: datetime | None) -> datetime | None:
    """A time without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
