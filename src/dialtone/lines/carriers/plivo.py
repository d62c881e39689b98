"""Plivo: callbacks and XML, the Voice API, and audio streams.

https://www.plivo.com/docs/voice/xml, https://www.plivo.com/docs/voice/api/call,
https://www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference,
https://www.plivo.com/docs/voice/concepts/signature-validation
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape, quoteattr

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
    Hook,
    HookEvent,
    Incoming,
    Played,
    Started,
    StreamEvent,
    TransferOrder,
)
from dialtone.lines.carriers.rest import CarrierApi, basic
from dialtone.lines.carriers.wire import e164, form_of, heard, pressed, printable, progress, xml
from dialtone.lines.outbound import DialFailure
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.guarded_http import GuardedHttp

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

_NOT_ANSWERED: Mapping[str, tuple[DialFailure, str]] = {
    "busy": ("busy", "The line is busy"),
    "no-answer": ("no_answer", "Nobody answered"),
    "timeout": ("no_answer", "Nobody answered"),
    "cancel": ("no_answer", "The call was given up"),
    "rejected": ("declined", "The call was declined"),
    "failed": ("unreachable", "The destination can't be reached"),
}
"""`CallStatus` of a call that is over (https://www.plivo.com/docs/voice/xml/request)."""


class Plivo:
    """A `Carrier`."""

    hangs_up_with_stream = False
    asks_for_transfer = True
    label = "Plivo"

    def __init__(self, http: GuardedHttp) -> None:
        self._api = CarrierApi(http, self.label)

    # Callbacks

    def read(self, hook: Hook) -> HookEvent:
        """See `Carrier.read`."""
        fields = dict(form_of(hook))
        call = fields.get("CallUUID", "")
        is_inbound = fields.get("Direction") == "inbound"
        number = e164(fields.get("To" if is_inbound else "From", ""))
        if number is None or not _ID.fullmatch(call):
            raise BadHookError("names no call of a number")
        match hook.name:
            case "voice":
                return Incoming(call, number, e164(fields.get("From", "")))
            case "answer" | "transfer":
                return DocumentWanted(call, number)
            case "status":
                is_ringing = fields.get("Event") == "Ring"
                status = "ringing" if is_ringing else fields.get("CallStatus", "")
                return progress(call, number, status, _NOT_ANSWERED)
        raise BadHookError("is for no hook")

    def is_genuine(self, account: CarrierAccount, hook: Hook) -> bool:
        """See `Carrier.is_genuine`. An account with several tokens signs with each of them."""
        shown = hook.headers.get("x-plivo-signature-v3", "").split(",")
        nonce = hook.headers.get("x-plivo-signature-v3-nonce", "")
        fields = form_of(hook) if hook.method == "POST" else []
        due = signature(account.key, hook.url, fields, nonce)
        return bool(nonce) and any(hmac.compare_digest(due, each.strip().encode()) for each in shown)

    # Orders

    async def connect(self, account: CarrierAccount, call: str, number: str, addresses: Addresses) -> Answer:
        """See `Carrier.connect`."""
        stream = '<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000">'
        return xml(f"{stream}{escape(addresses.stream)}</Stream>")

    async def turn_away(self, account: CarrierAccount, call: str, words: str | None, *, busy: bool) -> Answer:
        """See `Carrier.turn_away`. A call that is hung up at once is not answered."""
        spoken = "" if words is None else f"<Speak>{escape(printable(words))}</Speak>"
        return xml(f'{spoken}<Hangup reason="{"busy" if busy else "rejected"}"/>')

    async def carry_on(self, account: CarrierAccount, due: Due) -> None:
        """See `Carrier.carry_on`. Documents say all at once."""

    async def place(self, account: CarrierAccount, order: CallOrder) -> str:
        """See `Carrier.place`."""
        body = {
            "from": _written(order.caller_number),
            "to": _written(order.destination),
            "answer_url": order.addresses.hook("answer"),
            "answer_method": "POST",
            "ring_url": order.addresses.hook("status"),
            "ring_method": "POST",
            "hangup_url": order.addresses.hook("status"),
            "hangup_method": "POST",
            "ring_timeout": round(order.ring_seconds),
        }
        status, answer = await self._send("POST", account, "Call/", body)
        call = answer.get("request_uuid")
        if status >= 300 or not isinstance(call, str) or not _ID.fullmatch(call):
            raise self._refused("the call", status)
        return call

    async def hang_up(self, account: CarrierAccount, call: str) -> None:
        """See `Carrier.hang_up`. What rings is no call yet, but a request for one, with the same id."""
        for kind in ("Call", "Request"):
            status, _ = await self._send("DELETE", account, f"{kind}/{quote(call, safe='')}/", {})
            if status < 300:
                return
            if status != 404:
                raise self._refused("to hang up", status)

    async def transfer(self, account: CarrierAccount, call: str, order: TransferOrder) -> None:
        """See `Carrier.transfer`."""
        body = {"legs": "aleg", "aleg_url": order.addresses.hook("transfer"), "aleg_method": "POST"}
        status, _ = await self._send("POST", account, f"Call/{quote(call, safe='')}/", body)
        if status >= 300:
            raise self._refused("the transfer", status)

    def transfer_document(self, order: TransferOrder) -> Answer:
        """See `Carrier.transfer_document`."""
        shown = "" if order.shown is None else f" callerId={quoteattr(_written(order.shown))}"
        kind = "User" if ":" in order.destination else "Number"
        return xml(f"<Dial{shown}><{kind}>{escape(_written(order.destination))}</{kind}></Dial>")

    def end_document(self) -> Answer:
        """See `Carrier.end_document`."""
        return xml("<Hangup/>")

    def open_stream(self) -> "PlivoStream":
        """See `Carrier.open_stream`."""
        return PlivoStream()

    async def _send(
        self, method: str, account: CarrierAccount, path: str, document: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any]]:
        auth_id = account.settings["auth_id"]
        url = f"{account.base_url}/v1/Account/{quote(auth_id, safe='')}/{path}"
        return await self._api.send_json(method, url, document, basic(auth_id, account.key))

    def _refused(self, what: str, status: int) -> CarrierError:
        """The API's own words are left out: they name the destination."""
        why = ": the account's login was refused" if status == 401 else ""
        return CarrierError(f"{self.label} refused {what} (HTTP {status}){why}.")


class PlivoStream:
    """A `Stream`: JSON, the audio in base64."""

    audio: AudioFormat = MULAW_8K
    sends_binary = False

    def __init__(self) -> None:
        self._stream = b'""'
        """Its id, as JSON."""

    def read(self, message: bytes, *, binary: bool) -> StreamEvent | None:
        """See `Stream.read`. A stream ends with its socket."""
        try:
            document = orjson.loads(message)
            event = document["event"]
            if event == "media":
                return heard(document["media"])
            if event == "start":
                return self._started(document["start"])
            if event == "dtmf":
                return pressed(document["dtmf"]["digit"])
            if event == "playedStream":
                return Played(str(document["name"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise BadStreamMessageError(f"a message is not as documented ({type(problem).__name__})") from None
        return None

    def media(self, frame: bytes) -> bytes:
        """See `Stream.media`."""
        return _PLAY_AUDIO + base64.b64encode(frame) + b'"}}'

    def mark(self, name: str) -> bytes | None:
        """See `Stream.mark`."""
        return b'{"event":"checkpoint","streamId":' + self._stream + b',"name":' + orjson.dumps(name) + b"}"

    def clear(self) -> bytes | None:
        """See `Stream.clear`."""
        return b'{"event":"clearAudio","streamId":' + self._stream + b"}"

    def _started(self, start: Mapping[str, Any]) -> Started:
        stream, audio = start["streamId"], start["mediaFormat"]
        if not (isinstance(stream, str) and _ID.fullmatch(stream)):
            raise ValueError("no id")
        if (audio["encoding"], audio["sampleRate"]) != ("audio/x-mulaw", 8000):
            raise ValueError("another format")
        self._stream = orjson.dumps(stream)
        return Started(str(start["callId"]))


_PLAY_AUDIO = b'{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"'


def signature(token: str, url: str, fields: Iterable[tuple[str, str]], nonce: str) -> bytes:
    """What Plivo's header V3 holds: HMAC-SHA256 of the URL with its query sorted, the form's sorted fields, a nonce."""
    parts = urlsplit(url)
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    form = "".join(name + value for name, value in sorted(fields))
    mark = "?" if query or form else ""
    stop = "." if query and form else ""
    signed = f"{parts.scheme}://{parts.netloc}{parts.path}{mark}{query}{stop}{form}.{nonce}"
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha256).digest())


def _written(destination: str) -> str:
    """A number as Plivo writes it; a SIP URI as it is."""
    return destination.removeprefix("+")
