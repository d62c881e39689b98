"""Orders to a carrier's API, over HTTP."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from dialtone.lines.carriers.base import CarrierError
from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError

ORDER_SECONDS = 10.0
"""For one order, with its answer."""
MAX_ANSWER_BYTES = 256 * 1024

Fields = Sequence[tuple[str, str]]


class CarrierApi:
    """Speaks with one carrier; `label` is its name in words for people."""

    def __init__(self, http: GuardedHttp, label: str) -> None:
        self._http = http
        self._label = label

    async def post_form(self, url: str, fields: Fields, authorization: str) -> tuple[int, Mapping[str, Any]]:
        """The answer's status and its JSON object, whatever the status. Raises `CarrierError`."""
        body = urlencode(fields).encode()
        return await self.send("POST", url, body, "application/x-www-form-urlencoded", authorization)

    async def send_json(
        self, method: str, url: str, document: Mapping[str, Any], authorization: str
    ) -> tuple[int, Mapping[str, Any]]:
        """As `post_form`."""
        return await self.send(method, url, json.dumps(document).encode(), "application/json", authorization)

    async def send(
        self, method: str, url: str, body: bytes | None, content_type: str, authorization: str
    ) -> tuple[int, Mapping[str, Any]]:
        """As `post_form`. An answer that is no JSON object counts as an empty one."""
        headers = {"Authorization": authorization, "Accept": "application/json", "Content-Type": content_type}
        try:
            answer = await self._http.request(
                method,
                url,
                headers=headers,
                body=body,
                total_seconds=ORDER_SECONDS,
                max_response_bytes=MAX_ANSWER_BYTES,
            )
        except GuardedRequestError as problem:
            raise CarrierError(f"{self._label} can't be reached: {problem}.") from None
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        return answer.status, document if isinstance(document, dict) else {}


def basic(user: str, password: str) -> str:
    """The Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
