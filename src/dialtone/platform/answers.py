"""Answers that every room gives: lists in pieces, deletions."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dialtone.platform.json_text import to_json


class Deleted(BaseModel):
    """The object is gone."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    success: Literal[True] = Field(default=True, description="Always true; a failure answers an error.")


async def list_answer(
    keys: str | tuple[str, ...], objects: Iterable[dict[str, Any]], further: Mapping[str, Any] | None = None
) -> Response:
    """`{"<key>": [objects], ...further}`, the list under each of `keys`.

    Objects are written one by one, so that a long list does not hold up the calls on the same event loop.
    """
    parts = []
    for item in objects:
        parts.append(to_json(item))
        await asyncio.sleep(0)
    listed = b"[%b]" % b",".join(parts)
    names = (keys,) if isinstance(keys, str) else keys
    fields = [b"%b:%b" % (to_json(name), listed) for name in names]
    fields += [b"%b:%b" % (to_json(name), to_json(value)) for name, value in (further or {}).items()]
    return Response(b"{%b}" % b",".join(fields), media_type="application/json")
