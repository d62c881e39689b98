"""The ceiling of the API benchmark: a bare FastAPI application that keeps one assistant in memory.

Routing, bearer key, body parsing and field validation are FastAPI's own and answers come without database, tenants,
catalog or secrets, on the uvicorn settings of `dialtone serve`.
"""

import argparse
import asyncio
import json
import sys
from typing import Annotated, Any

import uvicorn
import uvloop
from fastapi import FastAPI, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dialtone.assistants.schemas import AssistantUpdate

Key = Annotated[HTTPAuthorizationCredentials, Security(HTTPBearer())]


def create_app(assistant: dict[str, Any]) -> FastAPI:
    app = FastAPI()

    @app.get("/api/v1/assistants/{assistant_id}")
    async def get_assistant(assistant_id: str, key: Key) -> JSONResponse:
        return JSONResponse({"assistant": assistant})

    @app.patch("/api/v1/assistants/{assistant_id}")
    async def update_assistant(assistant_id: str, key: Key, body: AssistantUpdate) -> JSONResponse:
        return JSONResponse({"assistant": assistant | body.model_dump(include=body.model_fields_set)})

    @app.get("/api/v1/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    app = create_app(json.load(sys.stdin))
    config = uvicorn.Config(
        app, port=options.port, http="httptools", log_config=None, access_log=False, server_header=False
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
