"""Errors as the API tells them: one flat object, `{"error", "code", "message", "details"}`, for everything."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.problems import validation_details
from dialtone.platform.routing import API, RouteTable

log = logging.getLogger(__name__)

MAX_DETAILS = 50
"""Problems named in one answer."""

ANSWER_HEADERS = "answer_headers"
"""Where a request's state keeps the headers that its answer carries, whatever it is."""

DATABASE_LOST = (OperationalError, InterfaceError, PoolTimeoutError)
"""What is raised while the database can't be reached, or does not answer in time."""


class ErrorBody(BaseModel):
    """What every failed request answers with."""

    error: str = Field(description="What went wrong, in a few words.", examples=["Invalid request"])
    code: str = Field(description="The same for programs; does not change.", examples=["invalid_request"])
    message: str | None = Field(default=None, description="What to do about it.")
    details: list[str] | None = Field(
        default=None,
        description="One entry per problem: field path, rule, and the value given.",
        examples=[["llm_config.temperature: must be between 0 and 2 (got 7)"]],
    )
    retry_after: int | None = Field(
        default=None, ge=1, description="With status 429: seconds to wait before the next try.", examples=[12]
    )
    balance: float | None = Field(
        default=None, description="With status 402: the minutes that the organization has left.", examples=[0]
    )


def error_response(description: str) -> dict[str, Any]:
    """A failure, for a route's OpenAPI description.

    A reference, since FastAPI would build a validator for each of the hundreds of places that name the model.
    """
    schema = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


class ApiError(Exception):
    """A request that can't be served. Raised anywhere below a route; the handler turns it into the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        error: str,
        message: str | None = None,
        details: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """`extra`: further fields of the body, such as `balance`."""
        super().__init__(error)
        self.status = status
        self.code = code
        self.error = error
        self.message = message
        self.details = details
        self.headers = headers
        self.extra = extra or {}

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"error": self.error, "code": self.code}
        if self.message is not None:
            body["message"] = self.message
        if self.details is not None:
            body["details"] = list(self.details)[:MAX_DETAILS]
        return {**body, **self.extra}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


def not_found(thing: str, details: Sequence[str] | None = None) -> ApiError:
    """The answer to an unknown id, and to another organization's id alike. `details` say which field holds it, where it
    is not the address.
    """
    return ApiError(404, "not_found", "Not found", f"There is no {thing} with this id.", details)


def invalid(details: Iterable[str]) -> ApiError:
    """The answer to a request whose fields break rules; `details` come from `problems.problem`."""
    return ApiError(400, "invalid_request", "Invalid request", "Correct the fields named in details.", list(details))


_HTTP_ERRORS = {
    404: ("not_found", "Not found", "There is nothing at this address; see /openapi.json."),
    405: ("method_not_allowed", "Method not allowed", "This address takes other methods; see the Allow header."),
}


def _near(path: str, routes: RouteTable) -> str:
    """What is probably wrong with an address where nothing is; empty where that can't be told."""
    if routes.allowed(path.rstrip("/")):
        return " Leave out the slash at its end."
    if routes.allowed(f"{API}{path}"):
        return f" Addresses of the API begin with {API}."
    return ""


async def _on_api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error.response()


async def _on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return invalid(validation_details(error.errors())).response()


def _on_http_error(routes: RouteTable) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def answer(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        fallback = ("request_failed", str(error.detail), None)
        code, short, message = _HTTP_ERRORS.get(error.status_code, fallback)
        if error.status_code == 404:
            message = f"{message}{_near(request.url.path, routes)}"
        return ApiError(error.status_code, code, short, message, headers=error.headers).response()

    return answer


def database_lost(error: Exception) -> ApiError:
    """The answer to one of `DATABASE_LOST`."""
    log.error("the database does not answer: %s", error)
    return ApiError(
        503,
        "database_unavailable",
        "Service unavailable",
        "The database does not answer; try again in a moment.",
        headers={"Retry-After": "5"},
    )


async def _on_lost_database(_request: Request, error: Exception) -> JSONResponse:
    return database_lost(error).response()


async def _on_unreadable_secret(_request: Request, error: Exception) -> JSONResponse:
    log.error("%s", error)
    return ApiError(
        503,
        "secret_unreadable",
        "Service unavailable",
        "A secret stored for your organization can't be read; the server's operator has to bring the old "
        "DIALTONE_SECRET_KEY back.",
    ).response()


async def _on_crash(request: Request, _error: Exception) -> JSONResponse:
    # The server logs the stack; the framework raises the exception on after this answer, and gives it past every
    # middleware, so that the headers of every answer have to be put on here.
    headers: dict[str, str] | None = getattr(request.state, ANSWER_HEADERS, None)
    return ApiError(500, "internal_error", "Internal server error", headers=headers).response()


def install(app: FastAPI, routes: RouteTable) -> None:
    """Have every failure of `app` answered in the flat shape."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error(routes))
    for lost in DATABASE_LOST:
        app.add_exception_handler(lost, _on_lost_database)
    app.add_exception_handler(SecretKeyError, _on_unreadable_secret)
    app.add_exception_handler(Exception, _on_crash)
