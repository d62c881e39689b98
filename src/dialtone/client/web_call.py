"""A web call from the caller's side, as docs/web-calls.md describes it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from dialtone.client.track import Track
from dialtone.media.audio import PCM_16K, AudioFormat

DEFAULT_URL = "http://127.0.0.1:8080"

_ANSWER_SECONDS = 15.0
_CLOSING_SECONDS = 15.0


class WebCallError(Exception):
    """The call could not be made or broke. `str()` says why, in words."""


class NoServerError(WebCallError):
    """Nobody answers at the server's address."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A JSON message of the server."""

    at: float
    """Seconds since the call was ready."""
    type: str
    fields: Mapping[str, Any]
    """The message without its `type`."""


class WebCallClient:
    """One call. Use as `async with`; what was said is in `caller` and `assistant` afterwards.

    The assistant's audio arrives in real time, so it counts as played when it arrives, and marks are acknowledged at
    once.
    """

    def __init__(self, url: str = DEFAULT_URL, api_key: str = "", audio: AudioFormat = PCM_16K) -> None:
        self.audio = audio
        self.call_id = ""
        self.caller = Track(audio)
        self.assistant = Track(audio)
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._events: asyncio.Queue[CallEvent | None] = asyncio.Queue()
        self._receiving: asyncio.Task[None] | None = None
        self._began = 0.0

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, call: Mapping[str, Any]) -> None:
        """Create the call (`call` is the body of `POST /api/v1/web-calls`) and connect. Returns once it is ready.

        Raises `WebCallError`.
        """
        created = await self._create(call)
        await self._connect(created)
        self._receiving = asyncio.create_task(self._receive())

    @property
    def now(self) -> float:
        """Seconds since the call was ready."""
        return asyncio.get_running_loop().time() - self._began

    async def send(self, audio: bytes) -> None:
        """Send caller audio in the call's format; the sender keeps real time. Raises `WebCallError` if it is over."""
        if self._socket is None or self._socket.closed:
            raise WebCallError("the call is over")
        self.caller.add(self.now, audio)
        try:
            await self._socket.send_bytes(audio)
        except (aiohttp.ClientError, ConnectionError) as problem:
            raise WebCallError("the call is over") from problem

    async def send_message(self, **message: Any) -> None:
        """Send a JSON message, e.g. `type="dtmf", digit="5"`. Without effect once the call is over."""
        if self._socket is not None and not self._socket.closed:
            try:
                await self._socket.send_json(message)
            except (aiohttp.ClientError, ConnectionError):
                return

    async def events(self) -> AsyncIterator[CallEvent]:
        """The server's messages in order, until the connection is closed. To be read by one reader."""
        while (event := await self._events.get()) is not None:
            yield event

    async def hang_up(self) -> None:
        """End the call; `events` then delivers what is left, with `end` as the last."""
        await self.send_message(type="hang_up")

    async def close(self) -> None:
        """Let go of the connection. Idempotent."""
        if self._socket is not None:
            await self._socket.close()
        if self._receiving is not None:
            await asyncio.wait([self._receiving], timeout=_CLOSING_SECONDS)
            self._receiving.cancel()
        if self._http is not None:
            await self._http.close()

    async def _create(self, call: Mapping[str, Any]) -> dict[str, Any]:
        assert self._http is not None, "used outside `async with`"
        headers = {"Authorization": f"Bearer {self._api_key}"}
        try:
            async with self._http.post(
                f"{self._url}/api/v1/web-calls",
                json=dict(call),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
            ) as response:
                body = await response.text()
                if response.status >= 400:
                    raise WebCallError(f"the server refused the call ({response.status}): {_in_words(body)}")
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise WebCallError(f"{self._url} is no address of a server, such as {DEFAULT_URL}") from None
        except aiohttp.ClientConnectorError as problem:
            number = problem.os_error.errno or 0  # asyncio's own words repeat the address; resolvers count below 0
            why = os.strerror(number) if number > 0 else problem.os_error.strerror or "no connection"
            raise NoServerError(f"no server answers at {self._url} ({why})") from problem
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            why = str(problem) or type(problem).__name__
            raise NoServerError(f"no server answers at {self._url} ({why})") from problem
        try:
            created = json.loads(body)
            return {"token": str(created["token"]), "server_url": str(created["server_url"])}
        except (ValueError, KeyError, TypeError):
            raise WebCallError(f"{self._url} does not answer like a Dialtone server: {body[:200]}") from None

    async def _connect(self, created: Mapping[str, Any]) -> None:
        assert self._http is not None, "used outside `async with`"
        query = {
            "token": created["token"],
            "encoding": self.audio.encoding,
            "sample_rate": str(self.audio.sample_rate),
        }
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self._socket = await self._http.ws_connect(created["server_url"], params=query, max_msg_size=1 << 20)
                first = await self._socket.receive_json()
        except (aiohttp.ClientError, TimeoutError, TypeError, ValueError) as problem:
            raise WebCallError(
                f"the call's audio could not be connected at {created['server_url']}: "
                f"{problem or type(problem).__name__}"
            ) from problem
        if first.get("type") != "ready":
            raise WebCallError(f"the server did not admit the call: {first.get('message', first)}")
        self.call_id = str(first["call_id"])
        self._began = asyncio.get_running_loop().time()

    async def _receive(self) -> None:
        assert self._socket is not None
        try:
            async for message in self._socket:
                if message.type == aiohttp.WSMsgType.BINARY:
                    self.assistant.add(self.now, message.data)
                elif message.type == aiohttp.WSMsgType.TEXT:
                    await self._take(json.loads(message.data))
        finally:
            self._events.put_nowait(None)

    async def _take(self, message: dict[str, Any]) -> None:
        kind = str(message.pop("type"))
        if kind == "mark":
            await self.send_message(type="mark", name=message["name"])
        self._events.put_nowait(CallEvent(self.now, kind, message))


def _in_words(body: str) -> str:
    """The sentences of an error body."""
    try:
        error = json.loads(body)
        parts = [error.get("error"), error.get("message"), *error.get("details", ())]
    except (ValueError, AttributeError, TypeError):
        return body[:200] or "no reason given"
    return ". ".join(str(part).rstrip(".") for part in parts if part) or "no reason given"
