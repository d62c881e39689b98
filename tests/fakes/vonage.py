"""A fake of Vonage's Voice API (https://api.nexmo.com/v1/calls): calls by NCCO, signed webhooks, and WebSockets.

From Vonage's pages "Voice API Reference", "NCCO reference", "WebSockets in the Vonage Voice API", "Voice API Webhooks
Reference", "Call Flow", "Authentication" (JWT, RS256) and "Decoding signed webhooks" (JWT, HS256, with `payload_hash`).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dialtone.media.audio import PCM_16K
from tests.fakes.carrier_call import CarrierCall
from tests.fakes.server import FakeServer

LAST = ("completed", "busy", "cancelled", "unanswered", "rejected", "failed", "timeout")


class VonageCall(CarrierCall):
    """The leg to a telephone, and where it is connected the leg to the customer's WebSocket."""

    audio = PCM_16K

    def __init__(self, vonage: "FakeVonage", http: aiohttp.ClientSession, fields: dict[str, str], events: str) -> None:
        super().__init__(http)
        self._vonage = vonage
        self.id = str(uuid.uuid4())
        self.conversation = f"CON-{uuid.uuid4()}"
        self.fields = fields
        self.events = events
        self.over = False
        self.statuses: list[int] = []
        """Of the answers to webhooks."""
        self.said: list[str] = []
        self.dialled: list[str] = []
        self.keys_heard = ""
        self._headers: dict[str, str] = {}
        self._rest: list[dict[str, Any]] = []

    async def fetch(self, url: str) -> None:
        """Ask the customer's server what to do, and do it."""
        status, text = await self._vonage.post(url, self.question())
        self.statuses.append(status)
        self.changed()
        if status == 200:
            await self.tell("answered")
            await self.follow(json.loads(text))
        else:
            await self.hang_up()

    def question(self) -> bytes:
        """The body of the request for an NCCO."""
        about = {**self._numbers(), "uuid": self.id, "conversation_uuid": self.conversation, "region_url": ""}
        return json.dumps(about, separators=(",", ":")).encode()

    async def follow(self, ncco: list[dict[str, Any]]) -> None:
        """Action by action; after the last one the call is over."""
        self._rest = list(ncco)
        while self._rest:
            action = self._rest.pop(0)
            if action["action"] == "talk":
                self.said.append(action["text"])
                continue
            assert action["action"] == "connect"
            [endpoint] = action["endpoint"]
            if endpoint["type"] == "phone":
                self.dialled.append(endpoint["number"])
                return
            assert (endpoint["type"], endpoint["content-type"]) == ("websocket", "audio/l16;rate=16000")
            self._headers = endpoint.get("headers", {})
            leg = {"uuid": str(uuid.uuid4()), "to": endpoint["uri"]}
            await self.tell("started", **leg)
            await self.stream(endpoint["uri"])
            await self.tell("answered" if self.refused_with is None else "failed", **leg)
            if self.refused_with is None:
                return
        await self.hang_up()

    async def tell(self, status: str, **fields: str) -> int:
        """Send an event; returns the status of the answer."""
        about = {"uuid": self.id, "conversation_uuid": self.conversation, **self._numbers()}
        event = {**about, "direction": self.fields["direction"], "status": status, **fields}
        event["timestamp"] = "2026-02-02T22:25:27.521Z"
        code, _ = await self._vonage.post(self.events, json.dumps(event, separators=(",", ":")).encode())
        self.statuses.append(code)
        self.changed()
        return code

    async def stream_closed(self) -> None:
        if not self.over:
            await self.tell("disconnected", uuid=str(uuid.uuid4()), to="wss")
            await self.follow(self._rest)

    async def hang_up(self, status: str = "completed") -> None:
        """The call ends, by whoever it was."""
        if self.over:
            return
        self.over = True
        await self.end_stream()
        await self.tell(status)

    # The stream

    def greetings(self) -> list[str]:
        return [json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=16000", **self._headers})]

    def media(self, frame: bytes) -> bytes:
        return frame

    def key(self, digit: str) -> str:
        return json.dumps({"event": "websocket:dtmf", "digit": digit, "duration": 260})

    def played(self, mark: str) -> str:
        return json.dumps({"event": "websocket:notify", "payload": json.loads(mark)})

    def goodbye(self) -> str | None:
        return None

    def take(self, message: str | bytes) -> str | None:
        if isinstance(message, bytes):
            assert len(message) == self.audio.frame_bytes
            self.play(message)
            return None
        asked = json.loads(message)
        if asked["action"] == "clear":
            self.clear()
            return json.dumps({"event": "websocket:cleared"})
        assert asked["action"] == "notify"
        self.mark(json.dumps(asked["payload"]))
        return None

    def _numbers(self) -> dict[str, str]:
        return {"from": self.fields["from"], "to": self.fields["to"]}


class FakeVonage(FakeServer):
    """One application. `outcome`: the status with which calls that are placed end; None: they are answered.
    `answers` False lets them ring for ever. `refuse`: status and title of the answer to the next request.
    """

    def __init__(self, signature_secret: str) -> None:
        super().__init__()
        self.application_id = str(uuid.uuid4())
        self.signature_secret = signature_secret
        self._key = rsa.generate_private_key(65537, 2048)
        self.private_key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.outcome: str | None = None
        self.answers = True
        self.refuse: tuple[int, str] | None = None
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Method and path with the body."""
        self.calls: dict[str, VonageCall] = {}
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/calls", self._serve),
            web.put("/v1/calls/{id}", self._serve),
            web.put("/v1/calls/{id}/dtmf", self._serve),
        ]

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for call in self.calls.values():
            await call.end_stream()
        if self._http is not None:
            await self._http.close()
        await super().__aexit__(*exception)

    async def ring(self, answer_url: str, event_url: str, caller: str, called: str) -> VonageCall:
        """Somebody calls one of the customer's numbers."""
        fields = {"from": caller.removeprefix("+"), "to": called.removeprefix("+"), "direction": "inbound"}
        call = VonageCall(self, self._client(), fields, event_url)
        self.calls[call.id] = call
        await call.tell("started")
        await call.tell("ringing")
        await call.fetch(answer_url)
        return call

    async def post(self, url: str, body: bytes, authorization: str | None = "signed") -> tuple[int, str]:
        """Send a signed webhook, or one with this header or none."""
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = f"Bearer {self.token(body)}" if authorization == "signed" else authorization
        async with self._client().post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    def token(self, body: bytes, **claims: Any) -> str:
        """What a webhook is signed by; `claims` stand in for its own."""
        about = {
            "iat": int(time.time()),
            "jti": str(uuid.uuid4()),
            "iss": "Vonage",
            "payload_hash": hashlib.sha256(body).hexdigest(),
            "api_key": "a1b2c3d4",
            "application_id": self.application_id,
            **claims,
        }
        signed = f"{_b64({'alg': 'HS256', 'typ': 'JWT'})}.{_b64(about)}"
        digest = hmac.new(self.signature_secret.encode(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{_unpadded(digest)}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((f"{request.method} {request.path}", body))
        if not self._knows(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return web.json_response({"type": "UNAUTHORIZED", "error_title": "Unauthorized"}, status=401)
        if self.refuse is not None:
            (status, title), self.refuse = self.refuse, None
            answer: web.StreamResponse = web.json_response({"title": title, "detail": title}, status=status)
        elif request.method == "POST":
            answer = self._place(body)
        else:
            answer = self._change(request, body)
        self.seen()
        return answer

    def _knows(self, token: str) -> bool:
        """Is the token one of the application's?"""
        try:
            head, claims, signature = token.split(".")
            about = json.loads(_bytes(claims))
            signed = f"{head}.{claims}".encode()
            self._key.public_key().verify(_bytes(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        fresh = about["iat"] <= time.time() + 5 and about["exp"] > time.time()
        return bool(about["application_id"] == self.application_id and about["jti"] and fresh)

    def _place(self, order: dict[str, Any]) -> web.StreamResponse:
        [called] = order["to"]
        fields = {"from": order["from"]["number"], "to": called["number"], "direction": "outbound"}
        [events] = order["event_url"]
        call = VonageCall(self, self._client(), fields, events)
        self.calls[call.id] = call
        self._spawn(self._ring_out(call, order))
        about = {"uuid": call.id, "conversation_uuid": call.conversation, "direction": "outbound", "status": "started"}
        return web.json_response(about, status=201)

    async def _ring_out(self, call: VonageCall, order: dict[str, Any]) -> None:
        await call.tell("started")
        await call.tell("ringing")
        if self.outcome is not None:
            await call.hang_up(self.outcome)
        elif self.answers:
            assert order["answer_method"] == "POST"
            [answer_url] = order["answer_url"]
            await call.fetch(answer_url)

    def _change(self, request: web.Request, order: dict[str, Any]) -> web.StreamResponse:
        call = self.calls.get(request.match_info["id"])
        if call is None or call.over:
            return web.json_response({"title": "Not Found"}, status=404)
        if request.path.endswith("/dtmf"):
            call.keys_heard += order["digits"]
            return web.json_response({"message": "DTMF sent", "uuid": call.id})
        if order["action"] == "hangup":
            self._spawn(call.hang_up())
        else:
            assert (order["action"], order["destination"]["type"]) == ("transfer", "ncco")
            self._spawn(self._move(call, order["destination"]["ncco"]))
        return web.Response(status=204)

    async def _move(self, call: VonageCall, ncco: list[dict[str, Any]]) -> None:
        await call.end_stream()
        await call.tell("transfer", conversation_uuid_from=call.conversation)
        await call.follow(ncco)

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _b64(document: dict[str, Any]) -> str:
    return _unpadded(json.dumps(document).encode())


def _unpadded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
