"""HTTP of voices."""

from fastapi import APIRouter

from dialtone.platform.auth import Caller
from dialtone.platform.http import ApiRoute, error_responses
from dialtone.platform.routing import API
from dialtone.voices.schemas import VoicesAnswer
from dialtone.voices.service import Voices


def router(voices: Voices) -> APIRouter:
    routes = APIRouter(prefix=API, tags=["Voices"], route_class=ApiRoute, responses=error_responses(401))

    @routes.get(
        "/voices",
        operation_id="listVoices",
        summary="List local voices",
        description="The voices that need no vendor: installed ones, and ones that can be fetched. A vendor's voices, "
        "such as those of ElevenLabs, are listed by the vendor.",
        response_model=VoicesAnswer,
    )
    async def list_voices(_caller: Caller) -> VoicesAnswer:
        return VoicesAnswer(voices=await voices.list_all())

    return routes
