"""The HTTP client for addresses that customers name: webhooks and tools.

It connects to public addresses only, and to the very address it checked (a name is resolved once, and the answer
both checked and used); it follows no redirects, keeps no cookies, verifies TLS, and bounds time and size.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDictProxy
from yarl import URL

from dialtone.platform.addresses import check_url, may_connect

MAX_RESPONSE_BYTES = 1024 * 1024
CONNECT_SECONDS = 5.0
MAX_CONNECTIONS = 1000
MAX_CONNECTIONS_PER_HOST = 100
DNS_CACHE_SECONDS = 10
RESOLVER_THREADS = 128
"""More than webhooks may wait for name servers that never answer, so that the tools of live calls are looked up beside
them. They are made as they are needed.
"""


class GuardedRequestError(Exception):
    """A request was refused or failed. `str()` is a sentence without a secret: it names at most the host.

    `retryable` is False where the same request can never succeed (a forbidden address, an invalid header).
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class GuardedResponse:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class _CheckingResolver(AbstractResolver):
    """Resolves names in threads of its own, so that a customer's slow name server holds up nobody else's lookups."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="guarded-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        allowed = [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=port,
                family=answer_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for answer_family, _, protocol, _, sockaddr in answers
            if may_connect(ipaddress.ip_address(sockaddr[0]), allow_private=self._allow_private)
        ]
        if not allowed:
            raise GuardedRequestError(f"{host} leads to a non-public address", retryable=False)
        return allowed

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedHttp:
    """One per process, shared by all organizations. Needs a running event loop from the first request on."""

    def __init__(self, *, allow_private_addresses: bool) -> None:
        self._allow_private = allow_private_addresses
        self._session: aiohttp.ClientSession | None = None
        self._resolver: _CheckingResolver

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        total_seconds: float,
        connect_seconds: float = CONNECT_SECONDS,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        only_beginning: bool = False,
    ) -> GuardedResponse:
        """Send one request and read the whole answer, whatever its status. Raises `GuardedRequestError`.

        `total_seconds` runs from the call to the last byte of the answer, the name's resolution included.
        `only_beginning`: an answer that is longer is cut instead of refused, one that is compressed read as it is, and
        one that breaks off counts with what came of it, for callers to whom the status says it all.
        """
        try:
            parsed = check_url(url, allow_private_addresses=self._allow_private)
        except ValueError as error:
            raise GuardedRequestError(f"the URL {error}", retryable=False) from error
        host = parsed.host or ""
        try:
            async with asyncio.timeout(total_seconds):
                reading = _Reading(max_response_bytes, only_beginning)
                return await self._exchange(method, parsed, headers, body, connect_seconds, reading)
        except aiohttp.ServerTimeoutError as error:
            raise GuardedRequestError(f"{host} accepted no connection within {connect_seconds:g} s") from error
        except TimeoutError as error:
            raise GuardedRequestError(f"{host} gave no complete answer within {total_seconds:g} s") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise GuardedRequestError(f"the name {host} could not be resolved") from error
        except aiohttp.ClientSSLError as error:
            raise GuardedRequestError(f"no secure connection to {host}: {_reason(error)}") from error
        except aiohttp.ClientConnectorError as error:
            raise GuardedRequestError(f"no connection to {host}: {_reason(error)}") from error
        except aiohttp.ClientError as error:
            raise GuardedRequestError(f"{host} broke off or did not speak HTTP ({type(error).__name__})") from error
        except ValueError as error:
            raise GuardedRequestError(f"the request to {host} is not valid: {error}", retryable=False) from error
        except OSError as error:
            raise GuardedRequestError(f"the connection to {host} failed: {error.strerror}") from error

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        connect_seconds: float,
        reading: "_Reading",
    ) -> GuardedResponse:
        async with self._open_session().request(
            method,
            url,
            # An answer is never unpacked, so that a small one cannot become a huge one.
            headers={"Accept-Encoding": "identity", **(headers or {})},
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_seconds),
        ) as response:
            return await reading.read(response, url.host)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._resolver = _CheckingResolver(allow_private=self._allow_private)
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                limit=MAX_CONNECTIONS,
                limit_per_host=MAX_CONNECTIONS_PER_HOST,
                ttl_dns_cache=DNS_CACHE_SECONDS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Close all connections; requests under way fail. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await self._resolver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


@dataclass(frozen=True, slots=True)
class _Reading:
    """How much of an answer is read."""

    max_bytes: int
    only_beginning: bool

    async def read(self, response: aiohttp.ClientResponse, host: str | None) -> GuardedResponse:
        if not self.only_beginning and response.headers.get("Content-Encoding", "identity").lower() != "identity":
            response.close()
            raise GuardedRequestError(f"{host} answered in a compression that was not asked for")
        received = bytearray()
        try:
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > self.max_bytes:
                    response.close()
                    if self.only_beginning:
                        break
                    raise GuardedRequestError(f"{host} answered with more than {self.max_bytes} bytes")
        except aiohttp.ClientError:
            if not self.only_beginning:
                raise
        return GuardedResponse(response.status, response.headers, bytes(received[: self.max_bytes]))


def _reason(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    verification = getattr(cause, "verify_message", None)
    return str(verification or cause.strerror or type(cause).__name__)
