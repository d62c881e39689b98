"""A fake of Twilio (https://api.twilio.com): its Calls API, signed webhooks that fetch TwiML, and Media Streams; and of
SignalWire's Compatibility API, which copies them.

From Twilio's pages "Call resource", "TwiML for Programmable Voice", "<Stream>", "<Reject>", "<Dial>", "Media Streams -
WebSocket messages", "Security: validating requests"; from SignalWire's "Create a Call", "Update a Call", "<Stream>" and
"Webhook signature validation".
"""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import aiohttp
from aiohttp import web

from tests.fakes.carrier_call import CarrierCall
from tests.fakes.server import FakeServer


def signature_of(token: str, url: str, fields: Mapping[str, str]) -> str:
    """The full URL, then each POST field's name and value in the order of the names; HMAC-SHA1, base64."""
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class TwilioCall(CarrierCall):
    """A call, known by its CallSid."""

    def __init__(self, twilio: "FakeTwilio", http: aiohttp.ClientSession, fields: Mapping[str, str]) -> None:
        super().__init__(http)
        self._twilio = twilio
        self.id = twilio.new_id("CA")
        self.stream_id = twilio.new_id("MZ")
        self.fields = {"CallSid": self.id, "AccountSid": twilio.account, "ApiVersion": "2010-04-01", **fields}
        self.status_url: str | None = None
        self.over = False
        self.documents: list[str] = []
        """What the customer's server answered."""
        self.statuses: list[int] = []
        """Of all its answers."""
        self.said: list[str] = []
        self.dialled: list[tuple[str, str | None]] = []
        """Numbers and SIP URIs, with the caller id that they see."""
        self.rejected: str | None = None
        self._rest: list[ElementTree.Element] = []
        self._sequence = 0
        self._chunk = 0

    async def fetch(self, url: str) -> None:
        """Ask the customer's server what to do, and do it."""
        status, text = await self._twilio.post(url, self.fields)
        self.statuses.append(status)
        self.changed()
        if status != 200:
            await self.hang_up()  # "We are sorry, an application error has occurred."
            return
        self.documents.append(text)
        await self._follow(list(ElementTree.fromstring(text)))

    async def _follow(self, verbs: list[ElementTree.Element]) -> None:
        """Verb by verb; at the end of the document the call is over."""
        self._rest = verbs
        while self._rest:
            verb = self._rest.pop(0)
            match verb.tag:
                case "Connect":
                    [stream] = verb
                    assert stream.tag == "Stream"
                    assert "?" not in stream.get("url", "")  # query strings are not supported
                    self.fields["CallStatus"] = "in-progress"
                    await self.stream(stream.get("url", ""))
                    if self.refused_with is None:
                        return
                case "Say":
                    self.said.append(verb.text or "")
                case "Dial":
                    self.dialled.extend((called.text or "", verb.get("callerId")) for called in verb)
                case "Reject":
                    self.rejected = verb.get("reason", "rejected")
                    await self.hang_up("busy" if self.rejected == "busy" else "no-answer")
                    return
                case "Hangup":
                    break
                case other:
                    raise AssertionError(other)
        await self.hang_up()

    async def stream_closed(self) -> None:
        if not self.over:
            await self._follow(self._rest)

    async def hang_up(self, status: str = "completed", **fields: str) -> None:
        """The call ends, by whoever it was."""
        if self.over:
            return
        self.over = True
        await self.end_stream()
        await self.tell(status, CallDuration="3", **fields)
        self.changed()

    async def tell(self, status: str, **fields: str) -> None:
        """Send a status callback, where one is wanted."""
        self.fields["CallStatus"] = status
        if self.status_url is not None:
            told = {**self.fields, "CallbackSource": "call-progress-events", **fields}
            code, _ = await self._twilio.post(self.status_url, told)
            self.statuses.append(code)
            self.changed()

    async def move(self, url: str) -> None:
        """Leave what is going on for another document."""
        self._rest = []
        await self.end_stream()
        await self.fetch(url)

    # The stream

    def greetings(self) -> list[str]:
        start = {
            "accountSid": self._twilio.account,
            "streamSid": self.stream_id,
            "callSid": self.id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        return [
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
            self._message("start", start=start),
        ]

    def media(self, frame: bytes) -> str:
        self._chunk += 1
        payload = base64.b64encode(frame).decode()
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": str(20 * self._chunk), "payload": payload}
        return self._message("media", media=media)

    def key(self, digit: str) -> str:
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def played(self, mark: str) -> str:
        return self._message("mark", mark={"name": mark})

    def goodbye(self) -> str | None:
        return self._message("stop", stop={"accountSid": self._twilio.account, "callSid": self.id})

    def take(self, message: str | bytes) -> str | None:
        asked = json.loads(message)
        assert asked["streamSid"] == self.stream_id
        match asked["event"]:
            case "media":
                assert asked["media"].keys() == {"payload"}
                self.play(base64.b64decode(asked["media"]["payload"], validate=True))
            case "mark":
                self.mark(asked["mark"]["name"])
            case "clear":
                for mark in self.clear():
                    self.mark(mark)  # "causes any received mark messages to be sent back"
            case other:
                raise AssertionError(other)
        return None

    def _message(self, event: str, **fields: Any) -> str:
        self._sequence += 1
        return json.dumps(self._twilio.around(event, self.stream_id, {"sequenceNumber": str(self._sequence), **fields}))


class FakeTwilio(FakeServer):
    """One account. `outcome`: the `CallStatus` with which calls that are dialled end; None: they are answered.
    `answers`: False lets them ring for ever. `refuse`: status, code and message of the answer to the next order.
    """

    signature_header = "X-Twilio-Signature"
    base_path = "/2010-04-01"

    def __init__(self, account: str, token: str, signing_key: str | None = None) -> None:
        super().__init__()
        self.account = account
        self.token = token
        self.signing_key = signing_key or token
        self.outcome: tuple[str, dict[str, str]] | None = None
        self.answers = True
        self.refuse: tuple[int, int, str] | None = None
        self.orders: list[dict[str, str]] = []
        """Forms of the calls that were ordered."""
        self.changes: list[dict[str, str]] = []
        """Forms of the changes of calls."""
        self.calls: dict[str, TwilioCall] = {}
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def new_id(self, kind: str) -> str:
        return f"{kind}{uuid.uuid4().hex}"

    def around(self, event: str, stream_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        """A message of a stream with these fields."""
        return {"event": event, **fields, "streamSid": stream_id}

    def routes(self) -> list[web.RouteDef]:
        calls = f"{self.base_path}/Accounts/{{account}}/Calls"
        return [web.post(f"{calls}.json", self._serve), web.post(f"{calls}/{{id}}.json", self._serve)]

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for call in self.calls.values():
            await call.end_stream()
        if self._http is not None:
            await self._http.close()
        await super().__aexit__(*exception)

    async def ring(self, voice_url: str, caller: str, called: str, status_url: str | None = None) -> TwilioCall:
        """Somebody calls one of the customer's numbers; returns when the customer's server has answered."""
        call = self.call(From=caller, To=called, Direction="inbound", CallStatus="ringing")
        call.status_url = status_url
        await call.fetch(voice_url)
        return call

    def call(self, **fields: str) -> TwilioCall:
        call = TwilioCall(self, self._client(), fields)
        self.calls[call.id] = call
        return call

    async def post(self, url: str, fields: Mapping[str, str], signature: str | None = None) -> tuple[int, str]:
        """Send a signed webhook, or one with this `signature`."""
        headers = {self.signature_header: signature_of(self.signing_key, url, fields)}
        if signature is not None:
            headers = {self.signature_header: signature} if signature else {}
        async with self._client().post(url, data=dict(fields), headers=headers) as answer:
            assert "Content-Type" in answer.headers  # else Twilio takes any answer for a 502 (error 12300)
            return answer.status, await answer.text()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        order = {name: str(value) for name, value in form.items()}
        credentials = aiohttp.encode_basic_auth(self.account, self.token)
        if request.headers.get("Authorization") != credentials or request.match_info["account"] != self.account:
            return _error(401, 20003, "Authenticate")
        if self.refuse is not None:
            refusal, self.refuse = self.refuse, None
            self.seen()
            return _error(*refusal)
        if "id" not in request.match_info:
            order["StatusCallbackEvent"] = ",".join(str(event) for event in form.getall("StatusCallbackEvent"))
            answer = self._dial(order)
        else:
            answer = self._change(request.match_info["id"], order)
        self.seen()
        return answer

    def _dial(self, order: dict[str, str]) -> web.StreamResponse:
        self.orders.append(order)
        call = self.call(From=order["From"], To=order["To"], Direction="outbound-api", CallStatus="queued")
        call.status_url = order["StatusCallback"]
        self._spawn(self._ring_out(call, order["Url"]))
        return web.json_response({"sid": call.id, "account_sid": self.account, "status": "queued"}, status=201)

    async def _ring_out(self, call: TwilioCall, url: str) -> None:
        await call.tell("ringing")
        if self.outcome is not None:
            status, fields = self.outcome
            await call.hang_up(status, **fields)
        elif self.answers:
            await call.tell("in-progress")
            await call.fetch(url)

    def _change(self, call_id: str, order: dict[str, str]) -> web.StreamResponse:
        self.changes.append(order)
        call = self.calls.get(call_id)
        if call is None:
            return _error(404, 20404, "The requested resource was not found")
        if call.over:
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if "Status" in order:
            assert order["Status"] == "completed"
            self._spawn(call.hang_up("canceled" if call.fields["CallStatus"] == "ringing" else "completed"))
        else:
            self._spawn(call.move(order["Url"]))
        return web.json_response({"sid": call.id, "status": call.fields["CallStatus"]})

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class FakeSignalWire(FakeTwilio):
    """A project of a space. Ids are UUIDs, and a signing key of its own signs. Messages of a stream are wrapped, and
    what is in them does not name the stream.
    """

    signature_header = "X-SignalWire-Signature"
    base_path = "/api/laml/2010-04-01"

    def new_id(self, kind: str) -> str:
        return str(uuid.uuid4())

    def around(self, event: str, stream_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        about = {"timestamp": "2025-09-26T16:25:04.794Z", "direction": "inbound", "streamSid": stream_id}
        return {**about, "eventType": event, "rawEvent": {"event": event, **fields}}


def _error(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message, "status": status}, status=status)
