"""Speaks to a server as the vendor's public client library does (spec sections 1 to 3).

Every request says that it is JSON, also one without a body; ids are percent-encoded into one segment of the path; an
answer is JSON or 204; an error's words are its `error` and its `message`; lists are walked in pages of 100.
"""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx

API = "/api/v1"
PAGE = 100


class VendorError(Exception):
    """What the library raises for an answer that is none of success."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.body: dict[str, Any] = answer.json()
        words = [self.body["error"], self.body.get("message")]
        self.words = ": ".join(word for word in words if word)
        self.retry_after = float(answer.headers["Retry-After"]) if "Retry-After" in answer.headers else None
        super().__init__(f"{self.status} {self.words} {self.body.get('details')}")


def one(path: str, row_id: str) -> str:
    """The path of one thing, as JavaScript's encodeURIComponent writes its id."""
    return f"{path}/" + quote(row_id, safe="!~*'()")


class VendorClient:
    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self._http = http
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "User-Agent": "hmsovereign-node/1.0.1",
        }

    async def request(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        """Status and document. Raises `VendorError`."""
        content = None if body is None else json.dumps(body).encode()
        answer = await self._http.request(method, f"{API}{path}", content=content, params=query, headers=self._headers)
        if not answer.is_success:
            raise VendorError(answer)
        return answer.status_code, None if answer.status_code == 204 else answer.json()

    async def try_it(self, method: str, path: str, query: dict[str, Any] | None = None) -> int:
        """The status alone, also of a refusal."""
        try:
            return (await self.request(method, path, query=query))[0]
        except VendorError as refusal:
            return refusal.status

    async def get(self, path: str, **query: Any) -> Any:
        status, document = await self.request("GET", path, query=query)
        assert status == 200
        return document

    async def create(self, path: str, body: Any, status: int = 201) -> Any:
        found, document = await self.request("POST", path, body)
        assert found == status
        return document

    async def update(self, path: str, body: Any) -> Any:
        status, document = await self.request("PATCH", path, body)
        assert status == 200
        return document

    async def delete(self, path: str, body: Any = None) -> Any:
        status, document = await self.request("DELETE", path, body)
        assert status == 200
        return document

    async def list_all(self, path: str, key: str, **query: Any) -> AsyncIterator[Any]:
        """Every entry of a list that is paged, as `listAll` of the library walks it."""
        offset = 0
        while True:
            page = await self.get(path, limit=PAGE, offset=offset, **query)
            for entry in page[key]:
                yield entry
            offset += len(page[key])
            if not page[key] or offset >= page["pagination"]["total"]:
                return
