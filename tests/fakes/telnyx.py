"""A fake of Telnyx: Call Control (https://api.telnyx.com/v2), its signed webhooks, and media streaming.

From Telnyx's reference pages "Dial", "Answer call", "Reject a call", "Hangup call", "Transfer call", "Send DTMF",
"Speak text", "Call Initiated", "Call Hangup", "Media Streaming over WebSockets", "Stream call media over WebSocket",
"Receiving Webhooks" (Ed25519 over `timestamp|body`) and from its list of error codes.
"""

import asyncio
import base64
import json
import time
import uuid
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.carrier_call import CarrierCall
from tests.fakes.server import FakeServer

CONNECTION_ID = "1684641123236054244"


class TelnyxCall(CarrierCall):
    """A leg of a call, known by its call control id."""

    def __init__(self, telnyx: "FakeTelnyx", http: aiohttp.ClientSession, fields: dict[str, Any], webhook: str) -> None:
        super().__init__(http)
        self._telnyx = telnyx
        self.id = f"v3:{uuid.uuid4().hex}-{uuid.uuid4().hex}"
        self.stream_id = str(uuid.uuid4()).upper()
        self.fields = fields
        """As all webhooks of the call carry them."""
        self.webhook = webhook
        self.client_state: str | None = None
        self.over = False
        self.answered_with: list[int] = []
        """Statuses of the customer's answers to webhooks."""
        self.errors: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.stream_url = ""
        self.plays_to = "opposite"
        """The leg that hears what the customer's server sends; alone, a call has no opposite."""
        self._sequence = 0
        self._chunk = 0

    async def tell(self, event: str, **payload: Any) -> int:
        """Send a webhook; returns the status of the answer."""
        status = await self._telnyx.post(self.webhook, self.event(event, **payload))
        self.answered_with.append(status)
        self.changed()
        return status

    def event(self, event: str, **payload: Any) -> bytes:
        """A webhook's body."""
        named = {} if event.startswith(("call.speak", "streaming")) else self.fields
        about = {
            "call_control_id": self.id,
            "call_leg_id": str(uuid.uuid4()),
            "call_session_id": str(uuid.uuid4()),
            "client_state": self.client_state,
            "connection_id": CONNECTION_ID,
            **named,
            **payload,
        }
        data = {
            "event_type": event,
            "id": str(uuid.uuid4()),
            "occurred_at": "2026-02-02T22:25:27.521992Z",
            "payload": about,
            "record_type": "event",
        }
        return json.dumps({"data": data, "meta": {"attempt": 1, "delivered_to": self.webhook}}).encode()

    async def hang_up(self, cause: str = "normal_clearing", source: str = "caller") -> None:
        """The call ends, by whoever it was."""
        if self.over:
            return
        self.over = True
        await self.end_stream()
        await self.tell("call.hangup", hangup_cause=cause, hangup_source=source, state="hangup")

    async def stream_closed(self) -> None:
        """The call goes on in silence, until somebody hangs up."""
        if not self.over:
            await self.tell("streaming.stopped", stream_url=self.stream_url)

    # The stream

    async def stream(self, url: str) -> None:
        self.stream_url = url
        await super().stream(url)
        await self.tell("streaming.started" if self.refused_with is None else "streaming.failed", stream_url=url)

    def greetings(self) -> list[str]:
        start = {
            "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
            "call_control_id": self.id,
            "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f",
            "from": self.fields["from"],
            "to": self.fields["to"],
            "client_state": self.client_state,
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        }
        return [json.dumps({"event": "connected", "version": "1.0.0"}), self._message("start", start=start)]

    def media(self, frame: bytes) -> str:
        self._chunk += 1
        payload = base64.b64encode(frame).decode()
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": str(self._chunk * 20), "payload": payload}
        return self._message("media", media=media)

    def key(self, digit: str) -> str:
        return self._message("dtmf", dtmf={"digit": digit}, occurred_at="2026-02-02T22:25:27.521992Z")

    def played(self, mark: str) -> str:
        return self._message("mark", mark={"name": mark})

    def goodbye(self) -> str:
        return self._message("stop", stop={"user_id": "3E6F995F", "call_control_id": self.id})

    def take(self, message: str | bytes) -> str | None:
        asked = json.loads(message)
        match asked["event"]:
            case "media":
                audio = base64.b64decode(asked["media"]["payload"], validate=True)
                if self.plays_to != "opposite":
                    self.play(audio)
            case "mark":
                self.mark(asked["mark"]["name"])
            case "clear":
                for mark in self.clear():
                    self.mark(mark)
            case other:
                error = {"code": 100003, "title": "unknown_event", "detail": f"{other} is not known"}
                self.errors.append(error)
                return self._message("error", payload=error)
        return None

    def _message(self, event: str, **fields: Any) -> str:
        self._sequence += 1
        return json.dumps(
            {"event": event, "sequence_number": str(self._sequence), "stream_id": self.stream_id, **fields}
        )


class FakeTelnyx(FakeServer):
    """One account. `outcome`: what becomes of a call that is dialled: it is answered (None), or ends with this
    `hangup_cause`. `answers` False lets it ring for ever. `refuse`: status and error of the answer to the next command
    of a name (`dial`, `answer`, ...).
    """

    def __init__(self, api_key: str) -> None:
        super().__init__()
        self.api_key = api_key
        self._private_key = Ed25519PrivateKey.generate()
        self.public_key = base64.b64encode(self._private_key.public_key().public_bytes_raw()).decode()
        self.outcome: str | None = None
        self.answers = True
        self.refuse: dict[str, tuple[int, str, str]] = {}
        self.commands: list[tuple[str, dict[str, Any]]] = []
        """Names and bodies of all that was asked."""
        self.calls: dict[str, TelnyxCall] = {}
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/calls", self._dial),
            web.post("/v2/calls/{id}/actions/{action}", self._act),
        ]

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for call in self.calls.values():
            await call.end_stream()
        if self._http is not None:
            await self._http.close()
        await super().__aexit__(*exception)

    async def ring(self, webhook: str, caller: str, called: str) -> TelnyxCall:
        """Somebody calls one of the customer's numbers."""
        fields = {"direction": "incoming", "from": caller, "to": called}
        call = TelnyxCall(self, self._client(), fields, webhook)
        self.calls[call.id] = call
        await call.tell("call.initiated", state="parked", start_time="2026-02-02T22:25:27.521992Z")
        return call

    async def post(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Send a signed webhook, or one with these `headers`."""
        headers = self.signature(body) if headers is None else headers
        sent = {"Content-Type": "application/json", "User-Agent": "telnyx-webhooks", **headers}
        async with self._client().post(url, data=body, headers=sent) as answer:
            await answer.read()
            return answer.status

    def signature(self, body: bytes, age_seconds: float = 0.0) -> dict[str, str]:
        moment = str(int(time.time() - age_seconds))
        signature = self._private_key.sign(moment.encode() + b"|" + body)
        return {"telnyx-timestamp": moment, "telnyx-signature-ed25519": base64.b64encode(signature).decode()}

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The bodies of all commands with this name."""
        return [body for command, body in self.commands if command == name]

    async def _dial(self, request: web.Request) -> web.StreamResponse:
        order, refusal = await self._order(request, "dial")
        if refusal is not None:
            return refusal
        fields = {"direction": "outgoing", "from": order["from"], "to": order["to"]}
        call = TelnyxCall(self, self._client(), fields, order["webhook_url"])
        call.client_state = order.get("client_state")
        self.calls[call.id] = call
        self._spawn(self._ring_out(call, order))
        ids = {"call_control_id": call.id, "call_leg_id": str(uuid.uuid4()), "call_session_id": str(uuid.uuid4())}
        return web.json_response({"data": {"record_type": "call", "is_alive": False, **ids}})

    async def _ring_out(self, call: TelnyxCall, order: dict[str, Any]) -> None:
        await call.tell("call.initiated", state="bridging")
        if self.outcome is not None:
            await call.hang_up(self.outcome, "callee")
        elif not self.answers:
            return
        else:
            await self._picked_up(call, order)

    async def _picked_up(self, call: TelnyxCall, order: dict[str, Any]) -> None:
        await call.tell("call.answered", state="answered")
        if "stream_url" in order:
            call.plays_to = order.get("stream_bidirectional_target_legs", "opposite")
            await call.stream(order["stream_url"])

    async def _act(self, request: web.Request) -> web.StreamResponse:
        action = request.match_info["action"]
        order, refusal = await self._order(request, action)
        if refusal is not None:
            return refusal
        call = self.calls.get(request.match_info["id"])
        if call is None:
            return _error(404, "10005", "Resource not found")
        if call.over:
            return _error(422, "90018", "Call has already ended")
        call.client_state = order.get("client_state", call.client_state)
        if action == "answer":
            self._spawn(self._picked_up(call, order))
        elif action == "speak":
            call.said.append(order["payload"])
            self._spawn(self._speak(call))
        elif action == "transfer":
            self._spawn(self._transfer(call, order))
        elif action == "hangup":
            self._spawn(call.hang_up("normal_clearing", "callee"))
        else:
            assert action == "reject"
            self._spawn(call.hang_up("call_rejected", "callee"))
        return web.json_response({"data": {"result": "ok"}})

    async def _speak(self, call: TelnyxCall) -> None:
        await call.tell("call.speak.started")
        await call.tell("call.speak.ended", status="completed")

    async def _transfer(self, call: TelnyxCall, order: dict[str, Any]) -> None:
        """A leg to somebody else. Where they don't take the call, the first leg stays as it is."""
        fields = {"from": order.get("from", call.fields["to"]), "to": order["to"]}
        leg = TelnyxCall(self, self._client(), fields, order["webhook_url"])
        leg.client_state = order.get("target_leg_client_state")
        self.calls[leg.id] = leg
        await leg.tell("call.initiated", direction="outgoing", state="bridging")
        if self.outcome is not None:
            await leg.hang_up(self.outcome, "callee")
        else:
            await leg.tell("call.answered")
            await leg.tell("call.bridged")

    async def _order(self, request: web.Request, name: str) -> tuple[dict[str, Any], web.StreamResponse | None]:
        body = await request.read()
        order = json.loads(body) if body else {}
        self.commands.append((name, order))
        self.seen()
        if request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return order, _error(401, "10009", "Authentication failed")
        if name in self.refuse:
            return order, _error(*self.refuse.pop(name))
        return order, None

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _error(status: int, code: str, title: str) -> web.StreamResponse:
    return web.json_response({"errors": [{"code": code, "title": title, "detail": f"{title}."}]}, status=status)
