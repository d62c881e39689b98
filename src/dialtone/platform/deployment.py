"""What this deployment is and allows, for those who use it. Nothing that is secret, and no path."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dialtone import __version__
from dialtone.platform.auth import Caller
from dialtone.platform.db import Database
from dialtone.platform.http import ApiRoute
from dialtone.platform.routing import API
from dialtone.settings import Settings


class Limits(BaseModel):
    """How much is allowed."""

    requests_per_minute: int | None = Field(description="Of one API key; null = no limit.", examples=[100])
    control_commands_per_minute: int | None = Field(description="For one live call; null = no limit.", examples=[10])
    max_calls: int = Field(description="Live calls that one process takes.", examples=[500])
    max_body_bytes: int = Field(description="Size of the largest request body.", examples=[2_097_152])
    recording_url_seconds: int = Field(description="How long a call's `recording_url` works.", examples=[3600])


class Deployment(BaseModel):
    """The server's settings, as far as they concern its users."""

    version: str = Field(description="Version of the server.", examples=[__version__])
    database: Literal["sqlite", "postgresql"] = Field(description="Where everything is kept.")
    public_url: str | None = Field(
        description="How clients reach the server; null = at the address of the request.",
        examples=["https://voice.example.com"],
    )
    limits: Limits = Field(description="How much is allowed.")
    recording: bool = Field(description="Calls are recorded, except where the assistant or the law says otherwise.")
    allow_private_addresses: bool = Field(description="Webhooks and tools may reach private networks.")
    provider_keys: list[str] = Field(
        description="Vendors that the deployment has keys of; those of an organization's own are under `/byok`.",
        examples=[["deepgram", "elevenlabs", "openai"]],
    )


def describe(settings: Settings, database: Database) -> Deployment:
    return Deployment(
        version=__version__,
        database="sqlite" if database.is_sqlite else "postgresql",
        public_url=settings.public_url,
        limits=Limits(
            requests_per_minute=settings.rate_limit or None,
            control_commands_per_minute=settings.control_rate_limit or None,
            max_calls=settings.max_calls,
            max_body_bytes=settings.max_body_bytes,
            recording_url_seconds=settings.recording_url_seconds,
        ),
        recording=settings.recording,
        allow_private_addresses=settings.allow_private_addresses,
        provider_keys=sorted(
            name.removesuffix("_api_key")
            for name in type(settings).model_fields
            if name.endswith("_api_key") and getattr(settings, name) is not None
        ),
    )


def router(settings: Settings, database: Database) -> APIRouter:
    routes = APIRouter(prefix=API, tags=["Deployment"], route_class=ApiRoute)

    @routes.get(
        "/deployment", operation_id="getDeployment", summary="What this deployment allows", response_model=Deployment
    )
    async def get_deployment(_caller: Caller) -> Deployment:
        return describe(settings, database)

    return routes
