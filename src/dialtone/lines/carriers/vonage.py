"""Vonage: signed webhooks and NCCOs, the Voice API, and WebSockets.

https://developer.vonage.com/en/voice/voice-api/webhook-reference,
https://developer.vonage.com/en/voice/voice-api/ncco-reference, https://developer.vonage.com/en/api/voice,
https://developer.vonage.com/en/voice/voice-api/guides/websockets,
https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
"""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from dialtone.lines.carriers.base import (
    Addresses,
    Answer,
    BadHookError,
    BadStreamMessageError,
    CallOrder,
    CarrierError,
    DocumentWanted,
    Due,
    Heard,
    Hook,
    HookEvent,
    Incoming,
    Played,
    Started,
    StreamEvent,
    TransferOrder,
)
from dialtone.lines.carriers.rest import CarrierApi
from dialtone.lines.carriers.vonage_tokens import Tokens, verified
from dialtone.lines.carriers.wire import e164, pressed, progress
from dialtone.lines.outbound import DialFailure
from dialtone.media.audio import PCM_16K, AudioFormat
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.guarded_http import GuardedHttp

TOLERANCE_SECONDS = 300
"""How old a webhook may be."""
LONGEST_RINGING = 120
"""Of `ringing_timer`."""

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_CONTENT_TYPE = "audio/l16;rate=16000"
_CALL = "call"
"""The name under which the call's id comes back with the first message of its WebSocket."""

_NOT_ANSWERED: Mapping[str, tuple[DialFailure, str]] = {
    "busy": ("busy", "The line is busy"),
    "timeout": ("no_answer", "Nobody answered"),
    "unanswered": ("no_answer", "Nobody answered"),
    "cancelled": ("no_answer", "The call was given up"),
    "rejected": ("declined", "The call was declined"),
    "failed": ("unreachable", "The destination can't be reached"),
}


class Vonage:
    """A `Carrier`. Its account's key is the application's private key (PEM)."""

    hangs_up_with_stream = False
    asks_for_transfer = False
    label = "Vonage"

    def __init__(self, http: GuardedHttp) -> None:
        self._api = CarrierApi(http, self.label)
        self._tokens = Tokens()

    # Webhooks

    def read(self, hook: Hook) -> HookEvent:
        """See `Carrier.read`. The WebSocket is a call of its own to Vonage, with events of its own."""
        try:
            fields = orjson.loads(_content(hook))
            # Callers from an app are told as `from_user` in place of `from`.
            call, caller, called = str(fields["uuid"]), str(fields.get("from", "")), str(fields["to"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadHookError("is not as documented") from None
        is_inbound = hook.name == "voice" or fields.get("direction") == "inbound"
        number = e164(called if is_inbound else caller)
        if number is None or not _ID.fullmatch(call):
            raise BadHookError("names no call of a number")
        match hook.name:
            case "voice":
                return Incoming(call, number, e164(caller))
            case "answer":
                return DocumentWanted(call, number)
            case "status":
                return progress(call, number, str(fields.get("status", "")), _NOT_ANSWERED)
        raise BadHookError("is for no hook")

    def is_genuine(self, account: CarrierAccount, hook: Hook) -> bool:
        """See `Carrier.is_genuine`."""
        kind, _, token = hook.headers.get("authorization", "").partition(" ")
        claims = verified(token.strip(), account.settings["signature_secret"]) if kind.lower() == "bearer" else None
        if claims is None:
            return False
        body = hashlib.sha256(_content(hook)).hexdigest()
        is_body = hmac.compare_digest(str(claims.get("payload_hash")).encode(), body.encode())
        is_application = claims.get("application_id") == account.settings["application_id"]
        return is_body and is_application and _is_fresh(claims.get("iat"))

    # Orders

    async def connect(self, account: CarrierAccount, call: str, number: str, addresses: Addresses) -> Answer:
        """See `Carrier.connect`."""
        endpoint = {
            "type": "websocket",
            "uri": addresses.stream,
            "content-type": _CONTENT_TYPE,
            "headers": {_CALL: call},
        }
        return _ncco({"action": "connect", "endpoint": [endpoint]})

    async def turn_away(self, account: CarrierAccount, call: str, words: str | None, *, busy: bool) -> Answer:
        """See `Carrier.turn_away`. Where nothing is to be done the call ends."""
        return _ncco() if words is None else _ncco({"action": "talk", "text": words})

    async def carry_on(self, account: CarrierAccount, due: Due) -> None:
        """See `Carrier.carry_on`. Documents say all at once."""

    async def place(self, account: CarrierAccount, order: CallOrder) -> str:
        """See `Carrier.place`."""
        body = {
            "to": [_endpoint(order.destination)],
            "from": _endpoint(order.caller_number),
            "answer_url": [order.addresses.hook("answer")],
            "answer_method": "POST",
            "event_url": [order.addresses.hook("status")],
            "event_method": "POST",
            "ringing_timer": min(round(order.ring_seconds), LONGEST_RINGING),
        }
        status, answer = await self._send("POST", account, "", body)
        call = answer.get("uuid")
        if status >= 300 or not isinstance(call, str) or not _ID.fullmatch(call):
            raise self._refused("the call", status)
        return call

    async def hang_up(self, account: CarrierAccount, call: str) -> None:
        """See `Carrier.hang_up`. Of a call that is over Vonage says that it is not found, or not in that state."""
        status, _ = await self._send("PUT", account, f"/{quote(call, safe='')}", {"action": "hangup"})
        if status >= 300 and status not in (400, 404):
            raise self._refused("to hang up", status)

    async def transfer(self, account: CarrierAccount, call: str, order: TransferOrder) -> None:
        """See `Carrier.transfer`."""
        shown = {} if order.shown is None else {"from": _digits(order.shown)}
        connect = {"action": "connect", **shown, "endpoint": [_endpoint(order.destination)]}
        body = {"action": "transfer", "destination": {"type": "ncco", "ncco": [connect]}}
        status, _ = await self._send("PUT", account, f"/{quote(call, safe='')}", body)
        if status >= 300:
            raise self._refused("the transfer", status)

    def transfer_document(self, order: TransferOrder) -> Answer:
        """See `Carrier.transfer_document`."""
        raise BadHookError("asks for no document")

    def end_document(self) -> Answer:
        """See `Carrier.end_document`. Where nothing is to be done the call ends."""
        return _ncco()

    def open_stream(self) -> "VonageStream":
        """See `Carrier.open_stream`."""
        return VonageStream()

    async def _send(
        self, method: str, account: CarrierAccount, path: str, document: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            token = await self._tokens.of(account.settings["application_id"], account.key)
        except ValueError:
            raise CarrierError(f"{self.label} can't be asked: the application's private key can't be used.") from None
        return await self._api.send_json(method, f"{account.base_url}/v1/calls{path}", document, f"Bearer {token}")

    def _refused(self, what: str, status: int) -> CarrierError:
        """The API's own words are left out: they name the destination."""
        why = ": the application's login was refused" if status == 401 else ""
        return CarrierError(f"{self.label} refused {what} (HTTP {status}){why}.")


class VonageStream:
    """A `Stream`: audio in binary messages, JSON in texts."""

    audio: AudioFormat = PCM_16K
    sends_binary = True

    def read(self, message: bytes, *, binary: bool) -> StreamEvent | None:
        """See `Stream.read`. A stream ends with its socket."""
        if binary:
            return Heard(message)
        try:
            document = orjson.loads(message)
            event = document["event"]
            if event == "websocket:connected":
                return _started(document)
            if event == "websocket:dtmf":
                return pressed(document["digit"])
            if event == "websocket:notify":
                return Played(str(document["payload"]["name"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise BadStreamMessageError(f"a message is not as documented ({type(problem).__name__})") from None
        return None

    def media(self, frame: bytes) -> bytes:
        """See `Stream.media`."""
        return frame

    def mark(self, name: str) -> bytes | None:
        """See `Stream.mark`."""
        return orjson.dumps({"action": "notify", "payload": {"name": name}})

    def clear(self) -> bytes | None:
        """See `Stream.clear`."""
        return b'{"action":"clear"}'


def _is_fresh(issued: object) -> bool:
    return isinstance(issued, int | float) and abs(time.time() - issued) <= TOLERANCE_SECONDS


def _content(hook: Hook) -> bytes:
    """The JSON that is signed: the body, or what a query says, in its order."""
    return hook.body if hook.method == "POST" else json.dumps(hook.query, separators=(",", ":")).encode()


def _digits(number: str) -> str:
    return number.removeprefix("+")


def _endpoint(destination: str) -> dict[str, str]:
    if ":" in destination:
        return {"type": "sip", "uri": destination}
    return {"type": "phone", "number": _digits(destination)}


def _ncco(*actions: Mapping[str, Any]) -> Answer:
    return Answer(orjson.dumps(actions), "application/json")


def _started(document: Mapping[str, Any]) -> Started:
    if document["content-type"] != _CONTENT_TYPE:
        raise ValueError("another format")
    return Started(str(document[_CALL]))
