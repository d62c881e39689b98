"""Chat completions over HTTP, streamed, from any server that speaks OpenAI's protocol.

OpenAI, xAI and Mistral by name; Ollama, vLLM and llama.cpp by base URL. Source: OpenAI's API reference "Create chat
completion" and "Streaming".
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from weakref import WeakKeyDictionary

import aiohttp

from dialtone.providers.base import Message, ProviderError, ReplyEvent, ToolSpec
from dialtone.providers.llm.openai_reply import ReplyAssembler
from dialtone.providers.llm.openai_request import DROPPABLE, dialect, request_body
from dialtone.providers.llm.sse import EventStream, LineTooLongError
from dialtone.providers.refusal import refusal

_RETRY_SECONDS = 0.2
"""Pause before the second try where the server names none."""
_LONGEST_RETRY_SECONDS = 2.0
"""A server that asks for a longer pause is not asked again: the caller is waiting."""
_USAGE_SECONDS = 1.0
"""How long the usage and the end of the stream may lag behind the last token."""

CONNECTS_A_SECOND = 10
MOST_SERVERS = 1000
_connected: WeakKeyDictionary[aiohttp.ClientSession, dict[str, deque[float]]] = WeakKeyDictionary()
"""When connections were opened ahead, by session and server."""


class _TryAgainError(Exception):
    """A failure before the first token that a second try may mend, `wait` seconds later."""

    def __init__(self, error: ProviderError, wait: float = _RETRY_SECONDS) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class OpenAIChat:
    """One assistant's language model. Timeouts are in seconds.

    `first_token_timeout` counts from the start of the request and includes a second try; `gap_timeout` is the longest
    silence between two chunks.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        name: str,
        base_url: str,
        model: str,
        key: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
        connect_timeout: float = 5.0,
        first_token_timeout: float = 15.0,
        gap_timeout: float = 15.0,
    ) -> None:
        self.name = name
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._key = key
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._first_token_timeout = first_token_timeout
        self._gap_timeout = gap_timeout
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_connect=connect_timeout)
        self._dialect = dialect(name, self._base_url, model)
        self._refused_parameters: set[str] = set()

    async def connect(self) -> None:
        """Leave an open connection in the session's pool, by the cheapest request there is. Never raises."""
        if not self._takes_turn():
            return
        try:
            async with (
                asyncio.timeout(self._first_token_timeout),
                self._http.head(f"{self._base_url}/models", headers=self._headers(), timeout=self._timeout) as response,
            ):
                await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return

    def _takes_turn(self) -> bool:
        """Of many calls that begin together, some connect: what they leave in the pool serves the others as well."""
        at = asyncio.get_running_loop().time()
        servers = _connected.setdefault(self._http, {})
        if len(servers) >= MOST_SERVERS:
            servers.clear()
        recent = servers.setdefault(self._base_url, deque(maxlen=CONNECTS_A_SECOND))
        if len(recent) == CONNECTS_A_SECOND and at - recent[0] < 1.0:
            return False
        recent.append(at)
        return True

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncIterator[ReplyEvent]:
        """Stream one reply. Closing the iterator drops the request at once. Raises `ProviderError`."""
        deadline = asyncio.get_running_loop().time() + self._first_token_timeout
        may_retry = True
        while True:
            stream = None
            begun = False
            try:
                response = await self._begin(messages, tools, deadline)
                stream = _ReplyStream(self.name, self._key, response, deadline, self._gap_timeout)
                while (events := await stream.read()) is not None:
                    for event in events:
                        begun = True
                        yield event
                return
            except _TryAgainError as failure:
                if begun or not may_retry or failure.wait > _LONGEST_RETRY_SECONDS:
                    raise failure.error from failure
                may_retry = False
                await asyncio.sleep(failure.wait)
            finally:
                if stream is not None:
                    stream.close()

    def _headers(self) -> dict[str, str]:
        # A proxy that compresses would hold tokens back until it has enough of them.
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _body(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> bytes:
        body = request_body(
            self._dialect,
            self._model,
            messages,
            tools,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
        )
        return json.dumps({name: body[name] for name in body if name not in self._refused_parameters}).encode()

    async def _begin(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], deadline: float
    ) -> aiohttp.ClientResponse:
        """Send the request and wait for the headers of a good answer; a parameter the server refuses is left out."""
        while True:
            response = await self._post(self._body(messages, tools), deadline)
            if response.status == 200:
                return response
            try:
                async with asyncio.timeout_at(deadline):
                    body = await response.content.read(64 * 1024)
            except (aiohttp.ClientError, OSError, TimeoutError):
                body = b""
            finally:
                response.close()
            refused = _refused_parameter(response.status, body)
            if refused is None or refused in self._refused_parameters:
                error = refusal(self.name, response.status, body, self._key)
                if response.status == 429 or response.status >= 500:
                    raise _TryAgainError(error, _retry_after(response.headers.get("Retry-After")))
                raise error
            self._refused_parameters.add(refused)

    async def _post(self, body: bytes, deadline: float) -> aiohttp.ClientResponse:
        url = f"{self._base_url}/chat/completions"
        try:
            async with asyncio.timeout_at(deadline):
                return await self._http.post(
                    url, data=body, headers=self._headers(), timeout=self._timeout, allow_redirects=False
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise self._too_slow() from error
            raise _TryAgainError(ProviderError(self.name, f"no connection ({type(error).__name__})")) from error

    def _too_slow(self) -> ProviderError:
        return ProviderError(self.name, f"no answer within {self._first_token_timeout:g} seconds")


class _ReplyStream:
    """One answer being read."""

    def __init__(
        self, provider: str, secret: str, response: aiohttp.ClientResponse, deadline: float, gap_timeout: float
    ) -> None:
        self._provider = provider
        self._response = response
        self._deadline = deadline
        self._gap_timeout = gap_timeout
        self._parser = EventStream()
        self._reply = ReplyAssembler(provider, secret)
        self._finished = False

    def close(self) -> None:
        """Drop the connection, unless the answer was read to its end: then it is already back in the pool."""
        self._response.close()

    async def read(self) -> list[ReplyEvent] | None:
        """The next events, an empty list where a piece held none, None after the last. Raises `ProviderError`."""
        if self._finished:
            return None
        try:
            async with asyncio.timeout_at(self._deadline):
                piece = await self._response.content.readany()
            data = self._parser.feed(piece) if piece else self._parser.finish()
        except TimeoutError as error:
            if self._reply.has_reason:
                return self._end()
            raise ProviderError(self._provider, "the model stopped answering") from error
        except LineTooLongError as error:
            raise ProviderError(self._provider, "the answer is no event stream: a line is too long") from error
        except (aiohttp.ClientError, OSError) as error:
            if self._reply.has_reason:
                return self._end()
            raise _TryAgainError(ProviderError(self._provider, "the connection broke during the reply")) from error
        events = [event for each in data for event in self._reply.feed(each)]
        if self._reply.ended:
            await self._read_to_end()
        if self._reply.ended or not piece:
            return [*events, *self._end()]
        if self._reply.progressed:
            self._reply.progressed = False
            wait = _USAGE_SECONDS if self._reply.has_reason else self._gap_timeout
            self._deadline = asyncio.get_running_loop().time() + wait
        return events

    def _end(self) -> list[ReplyEvent]:
        self._finished = True
        if not self._reply.has_reason:
            if not self._reply.understood:
                raise ProviderError(self._provider, "the answer is no chat completion stream")
            if not self._reply.ended:
                raise _TryAgainError(ProviderError(self._provider, "the reply ended before it was complete"))
        return self._reply.finish()

    async def _read_to_end(self) -> None:
        """Let the answer end, which puts the connection back into the pool."""
        try:
            async with asyncio.timeout(0.05):
                while not self._response.content.at_eof():
                    await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return


def _refused_parameter(status: int, body: bytes) -> str | None:
    """The parameter that an error of status 400 or 422 names (OpenAI's `error.param`), if a reply can do without."""
    if status not in (400, 422):
        return None
    try:
        error = json.loads(body)["error"]
        parameter = error["param"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return parameter if isinstance(parameter, str) and parameter in DROPPABLE else None


def _retry_after(value: str | None) -> float:
    """The header's seconds (RFC 9110 section 10.2.3); a date counts as too long."""
    if value is None:
        return _RETRY_SECONDS
    try:
        return max(0.0, float(value))
    except ValueError:
        return _LONGEST_RETRY_SECONDS + 1
