"""HTTP of phone numbers."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from dialtone.numbers.schemas import NumberAnswer, NumberCreate, NumbersAnswer, NumberUpdate
from dialtone.numbers.service import Numbers
from dialtone.platform.answers import Deleted, list_answer
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API

NumberId = Annotated[str, Path(description="Number UUID", json_schema_extra={"format": "uuid"})]


def router(numbers: Numbers) -> APIRouter:
    routes = APIRouter(prefix=f"{API}/numbers", tags=["Numbers"], route_class=ApiRoute, responses=error_responses(401))

    @routes.get("", operation_id="listNumbers", summary="List phone numbers", response_model=NumbersAnswer)
    async def list_numbers(caller: Caller) -> Response:
        return await list_answer("numbers", await numbers.list_all(caller))

    @routes.post(
        "",
        operation_id="createNumber",
        summary="Register a phone number",
        description="A number rings in one organization: 409 where it is registered already, here or elsewhere.",
        status_code=201,
        response_model=NumberAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_number(caller: Caller, body: NumberCreate) -> Response:
        number, ignored = await numbers.create(caller, body)
        return answer({"number": number}, ignored, 201)

    @routes.get(
        "/{number_id}",
        operation_id="getNumber",
        summary="Get a phone number",
        response_model=NumberAnswer,
        responses=error_responses(404),
    )
    async def get_number(caller: Caller, number_id: NumberId) -> Response:
        return answer({"number": await numbers.get(caller, number_id)})

    @routes.patch(
        "/{number_id}",
        operation_id="updateNumber",
        summary="Change a phone number",
        description="Only the given fields change; null detaches an assistant or a trunk.",
        response_model=NumberAnswer,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 404, 413, 415)},
    )
    async def update_number(caller: Caller, number_id: NumberId, body: NumberUpdate) -> Response:
        number, ignored = await numbers.update(caller, number_id, body)
        return answer({"number": number}, ignored)

    @routes.delete(
        "/{number_id}",
        operation_id="deleteNumber",
        summary="Delete a phone number",
        response_model=Deleted,
        responses=error_responses(404),
    )
    async def delete_number(caller: Caller, number_id: NumberId) -> Deleted:
        await numbers.delete(caller, number_id)
        return Deleted()

    return routes
