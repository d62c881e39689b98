"""A fake of Plivo: its voice API (https://api.plivo.com/v1), the callbacks that fetch XML, and audio streams.

From Plivo's pages "Make a call", "Hang up a call", "Transfer a call", "XML request", "Stream element", "Stream Event
Protocol", "Hangup element", "Speak element", "Dial element", and "Signature validation" (V3).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import aiohttp
from aiohttp import web

from tests.fakes.carrier_call import CarrierCall
from tests.fakes.server import FakeServer


def signature_v3(token: str, url: str, params: Mapping[str, str], nonce: str) -> str:
    """Of a POST: the URL with its query sorted, then all parameters sorted, then the nonce."""
    parts = urlsplit(url)
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    signed = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if query or params:
        signed += f"?{query}"
    if query and params:
        signed += "."
    signed += "".join(f"{name}{params[name]}" for name in sorted(params))
    digest = hmac.new(token.encode(), f"{signed}.{nonce}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class PlivoCall(CarrierCall):
    """A call, known by its CallUUID."""

    def __init__(self, plivo: "FakePlivo", http: aiohttp.ClientSession, fields: dict[str, str]) -> None:
        super().__init__(http)
        self._plivo = plivo
        self.id = str(uuid.uuid4())
        self.stream_id = str(uuid.uuid4())
        self.fields = {"CallUUID": self.id, "ALegUUID": self.id, "ParentAuthID": plivo.auth_id, **fields}
        self.hangup_url: str | None = None
        self.over = False
        self.documents: list[ElementTree.Element] = []
        """What the customer's server answered, each the `Response` element."""
        self.statuses: list[int] = []
        self.said: list[str] = []
        self.dialled: list[str] = []
        self.rejected: str | None = None
        self.keys_heard = ""
        self._sequence = 0

    async def fetch(self, url: str, **params: str) -> None:
        """Ask the customer's server what to do, and do it."""
        fields = {**self.fields, **params}
        status, text = await self._plivo.post(url, fields)
        self.statuses.append(status)
        self.changed()
        if status == 200:
            self.documents.append(ElementTree.fromstring(text))
            await self._follow(list(self.documents[-1]))

    async def _follow(self, elements: list[ElementTree.Element]) -> None:
        """Element by element; at the end of the document the call is over."""
        self._rest = elements
        while self._rest:
            element = self._rest.pop(0)
            match element.tag:
                case "Stream":
                    assert element.get("bidirectional") == "true"
                    assert element.get("contentType") == "audio/x-mulaw;rate=8000"
                    self.fields["CallStatus"] = "in-progress"
                    await self.stream((element.text or "").strip())
                    if self.refused_with is None and element.get("keepCallAlive") == "true":
                        return
                case "Speak":
                    self.said.append(element.text or "")
                case "Dial":
                    self.dialled.extend(called.text or "" for called in element)
                    return
                case "Hangup":
                    self.rejected = element.get("reason", "")
                case other:
                    raise AssertionError(other)
        await self.hang_up()

    async def stream_closed(self) -> None:
        if not self.over:
            await self._follow(self._rest)

    async def hang_up(self, status: str = "completed", cause: str = "Normal Hangup") -> None:
        """The call ends, by whoever it was."""
        if self.over:
            return
        self.over = True
        await self.end_stream()
        if self.hangup_url is not None:
            ended = {"CallStatus": status, "Event": "Hangup", "HangupCauseName": cause, "Duration": "3"}
            code, _ = await self._plivo.post(self.hangup_url, {**self.fields, **ended})
            self.statuses.append(code)
        self.changed()

    # The stream

    def greetings(self) -> list[str]:
        start = {
            "callId": self.id,
            "streamId": self.stream_id,
            "accountId": self._plivo.auth_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        return [self._message("start", start=start)]

    def media(self, frame: bytes) -> str:
        payload = base64.b64encode(frame).decode()
        media = {"track": "inbound", "timestamp": "1705312200000", "chunk": self._sequence, "payload": payload}
        return self._message("media", streamId=self.stream_id, media=media)

    def key(self, digit: str) -> str:
        dtmf = {"track": "inbound", "digit": digit, "timestamp": "1705312250000"}
        return self._message("dtmf", streamId=self.stream_id, dtmf=dtmf)

    def played(self, mark: str) -> str:
        return self._message("playedStream", streamId=self.stream_id, name=mark)

    def goodbye(self) -> str | None:
        return None

    def take(self, message: str | bytes) -> str | None:
        asked = json.loads(message)
        match asked["event"]:
            case "playAudio":
                media = asked["media"]
                assert (media["contentType"], media["sampleRate"]) == ("audio/x-mulaw", 8000)
                self.play(base64.b64decode(media["payload"], validate=True))
            case "checkpoint":
                assert asked["streamId"] == self.stream_id
                self.mark(asked["name"])
            case "clearAudio":
                assert asked["streamId"] == self.stream_id
                self.clear()
                return self._message("clearedAudio", streamId=self.stream_id)
            case "sendDTMF":
                self.keys_heard += asked["dtmf"]
            case other:
                raise AssertionError(other)
        return None

    def _message(self, event: str, **fields: Any) -> str:
        self._sequence += 1
        return json.dumps({"event": event, "sequenceNumber": self._sequence, **fields, "extra_headers": ""})


class FakePlivo(FakeServer):
    """One account. `outcome`: the `CallStatus` with which calls that are dialled end; None: they are answered.
    `answers` False lets them ring for ever. `refuse`: status and error of the answer to the next request to a path that
    ends so.
    """

    def __init__(self, auth_id: str, auth_token: str) -> None:
        super().__init__()
        self.auth_id = auth_id
        self.auth_token = auth_token
        self.outcome: str | None = None
        self.answers = True
        self.refuse: tuple[int, str] | None = None
        self.orders: list[dict[str, Any]] = []
        """Bodies of the calls that were ordered."""
        self.requests: list[str] = []
        """Method and path below the account."""
        self.calls: dict[str, PlivoCall] = {}
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        account = "/v1/Account/{auth_id}"
        return [
            web.post(f"{account}/Call/", self._serve),
            web.post(f"{account}/Call/{{id}}/", self._serve),
            web.delete(f"{account}/Call/{{id}}/", self._serve),
            web.delete(f"{account}/Request/{{id}}/", self._serve),
        ]

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for call in self.calls.values():
            await call.end_stream()
        if self._http is not None:
            await self._http.close()
        await super().__aexit__(*exception)

    async def ring(self, answer_url: str, hangup_url: str, caller: str, called: str) -> PlivoCall:
        """Somebody calls one of the customer's numbers."""
        fields = {"From": caller.removeprefix("+"), "To": called.removeprefix("+"), "Direction": "inbound"}
        call = PlivoCall(self, self._client(), {**fields, "CallStatus": "ringing", "Event": "StartApp"})
        call.hangup_url = hangup_url
        self.calls[call.id] = call
        await call.fetch(answer_url)
        return call

    async def post(self, url: str, params: Mapping[str, str], headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Send a signed callback, or one with these `headers`."""
        if headers is None:
            headers = self.signature(url, params)
        async with self._client().post(url, data=dict(params), headers=headers) as answer:
            return answer.status, await answer.text()

    def signature(self, url: str, params: Mapping[str, str]) -> dict[str, str]:
        nonce = str(secrets.randbelow(10**20))
        signature = signature_v3(self.auth_token, url, params, nonce)
        # Where an account has several tokens each signs.
        return {
            "X-Plivo-Signature-V3": f"{signature_v3('another', url, params, nonce)},{signature}",
            "X-Plivo-Signature-V3-Nonce": nonce,
        }

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(f"/v1/Account/{self.auth_id}")
        self.requests.append(f"{request.method} {path}")
        order = await request.json() if request.can_read_body else {}
        credentials = "Basic " + base64.b64encode(f"{self.auth_id}:{self.auth_token}".encode()).decode()
        if request.headers.get("Authorization") != credentials or request.match_info["auth_id"] != self.auth_id:
            return web.Response(status=401, text="Could not verify your access level for that URL.")
        if self.refuse is not None:
            (status, error), self.refuse = self.refuse, None
            self.seen()
            return web.json_response({"api_id": str(uuid.uuid4()), "error": error}, status=status)
        answer = self._dial(order) if "id" not in request.match_info else self._change(request, order)
        self.seen()
        return answer

    def _dial(self, order: dict[str, Any]) -> web.StreamResponse:
        self.orders.append(order)
        assert order["from"].isdecimal()
        assert order["to"].isdecimal()
        fields = {"From": order["from"], "To": order["to"], "Direction": "outbound", "CallStatus": "ringing"}
        call = PlivoCall(self, self._client(), fields)
        call.hangup_url = order["hangup_url"]
        call.fields["RequestUUID"] = call.id
        self.calls[call.id] = call
        self._spawn(self._ring_out(call, order))
        fired = {"api_id": str(uuid.uuid4()), "message": "call fired", "request_uuid": call.id}
        return web.json_response(fired, status=201)

    async def _ring_out(self, call: PlivoCall, order: dict[str, Any]) -> None:
        await self.post(order["ring_url"], {**call.fields, "Event": "Ring"})
        if self.outcome is not None:
            await call.hang_up(self.outcome, "Busy Line")
        elif self.answers:
            await call.fetch(order["answer_url"], Event="StartApp", CallStatus="in-progress")

    def _change(self, request: web.Request, order: dict[str, Any]) -> web.StreamResponse:
        call = self.calls.get(request.match_info["id"])
        if call is None or call.over:
            return web.json_response({"api_id": str(uuid.uuid4()), "error": "not found"}, status=404)
        if request.method == "DELETE":
            self._spawn(call.hang_up("completed" if "/Call/" in request.path else "cancel", "API Hangup"))
            return web.Response(status=204)
        assert order["legs"] == "aleg"
        self._spawn(self._move(call, order["aleg_url"]))
        moved = {"api_id": str(uuid.uuid4()), "message": "call transferred", "call_uuids": [call.id]}
        return web.json_response(moved, status=202)

    async def _move(self, call: PlivoCall, url: str) -> None:
        call._rest = []
        await call.end_stream()
        await call.fetch(url, Event="Redirect")

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
