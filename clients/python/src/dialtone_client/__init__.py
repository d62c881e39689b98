"""The Dialtone API from Python, typed."""

from __future__ import annotations

import os
from types import TracebackType

import httpx

from dialtone_client.async_resources import AsyncResources
from dialtone_client.errors import ApiError
from dialtone_client.resources import Resources
from dialtone_client.transport import RETRIES, AsyncTransport, Transport

__all__ = ["ApiError", "AsyncDialtone", "Dialtone"]

DEFAULT_BASE_URL = "http://127.0.0.1:8080/api/v1"


def _access(base_url: str | None, api_key: str | None) -> tuple[str, str]:
    key = api_key or os.environ.get("DIALTONE_API_KEY")
    if not key:
        raise ValueError("give api_key, or set the environment variable DIALTONE_API_KEY")
    return base_url or os.environ.get("DIALTONE_BASE_URL", DEFAULT_BASE_URL), key


class Dialtone(Resources):
    """The API of one organization, whose key this is. Close it, or use it as a context manager.

    A request that was refused for its rate is sent again as the server asks; one that failed on the way or in the
    server is sent again only where that can't do anything twice.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        retries: int = RETRIES,
        http: httpx.Client | None = None,
    ) -> None:
        """`api_key` and `base_url` default to DIALTONE_API_KEY and DIALTONE_BASE_URL. Raises `ValueError` without a
        key.
        """
        address, key = _access(base_url, api_key)
        self.transport = Transport(address, key, retries, http)
        super().__init__(self.transport)

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Dialtone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncDialtone(AsyncResources):
    """`Dialtone` for asyncio."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        retries: int = RETRIES,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`api_key` and `base_url` default to DIALTONE_API_KEY and DIALTONE_BASE_URL. Raises `ValueError` without a
        key.
        """
        address, key = _access(base_url, api_key)
        self.transport = AsyncTransport(address, key, retries, http)
        super().__init__(self.transport)

    async def close(self) -> None:
        await self.transport.close()

    async def __aenter__(self) -> AsyncDialtone:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
