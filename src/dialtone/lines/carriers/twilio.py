"""Twilio: webhooks and TwiML, the Calls API, and Media Streams.

https://www.twilio.com/docs/voice/twiml, https://www.twilio.com/docs/voice/api/call-resource,
https://www.twilio.com/docs/voice/media-streams/websocket-messages, https://www.twilio.com/docs/usage/security
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit
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
    Noted,
    Over,
    Played,
    Ringing,
    Started,
    Stopped,
    StreamEvent,
    TransferOrder,
)
from dialtone.lines.carriers.rest import CarrierApi, basic
from dialtone.lines.carriers.wire import form_of, heard, pressed, printable, with_sip, xml
from dialtone.lines.outbound import DialFailure
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.platform.phone_numbers import canonical

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WITHHELD = frozenset({"+266696687", "+86282452253", "+7378742833", "+2562533", "+8656696"})
"""ANONYMOUS, UNAVAILABLE, RESTRICTED, BLOCKED and UNKNOWN on a telephone's keys
(https://help.twilio.com/articles/223179988)."""

_NOT_ANSWERED: Mapping[str, tuple[DialFailure, str]] = {
    "busy": ("busy", "The line is busy"),
    "no-answer": ("no_answer", "Nobody answered"),
    "canceled": ("no_answer", "The call was given up"),
    "failed": ("unreachable", "The destination can't be reached"),
}
"""https://www.twilio.com/docs/voice/api/call-resource#call-status-values"""

_ERRORS: Mapping[int, tuple[DialFailure, str]] = {
    20003: ("unreachable", "the account's login was refused"),
    20404: ("unreachable", "the account is unknown"),
    21210: ("unreachable", "the number is not one that the account may call from"),
    21211: ("unreachable", "the destination is no valid number"),
    21212: ("unreachable", "the number is not one that the account may call from"),
    21214: ("unreachable", "the destination can't be reached"),
    21215: ("unreachable", "the account may not call this country"),
    21216: ("unreachable", "the account may not call this destination"),
    21217: ("unreachable", "the destination is no valid number"),
    21219: ("unreachable", "a trial account may only call numbers that it has verified"),
}
"""https://www.twilio.com/docs/api/errors"""
_NOT_LIVE = 21220
"""The call is over already."""


class Twilio:
    """A `Carrier`, and what those who copied Twilio's API build on."""

    hangs_up_with_stream = True
    """Behind <Connect> no verb follows, so that the call ends with its stream."""
    asks_for_transfer = True
    label = "Twilio"
    signature_headers: tuple[str, ...] = ("x-twilio-signature",)
    sip_status_field = "SipResponseCode"

    def __init__(self, http: GuardedHttp) -> None:
        self._api = CarrierApi(http, self.label)

    # What these carriers differ in

    def signing_key(self, account: CarrierAccount) -> str:
        return account.key

    def account_id(self, account: CarrierAccount) -> str:
        return account.settings["account_sid"]

    def calls_url(self, account: CarrierAccount) -> str:
        """Where calls are made, without `.json`."""
        return f"{account.base_url}/2010-04-01/Accounts/{quote(self.account_id(account), safe='')}/Calls"

    # Webhooks

    def read(self, hook: Hook) -> HookEvent:
        """See `Carrier.read`."""
        fields = dict(form_of(hook))
        call = fields.get("CallSid", "")
        is_outbound = fields.get("Direction", "").startswith("outbound")
        number = canonical(fields.get("From" if is_outbound else "To", ""))
        if number is None or not _ID.fullmatch(call):
            raise BadHookError("names no call of a number")
        match hook.name:
            case "voice":
                return Incoming(call, number, _caller(fields.get("From", "")))
            case "answer" | "transfer":
                return DocumentWanted(call, number)
            case "status":
                return _progress(call, number, fields, fields.get(self.sip_status_field))
        raise BadHookError("is for no hook")

    def is_genuine(self, account: CarrierAccount, hook: Hook) -> bool:
        """See `Carrier.is_genuine`. https://www.twilio.com/docs/usage/security#validating-requests"""
        shown = next((hook.headers[name] for name in self.signature_headers if name in hook.headers), "")
        fields = form_of(hook)
        account_shown = dict(fields).get("AccountSid", "")
        signed = "".join(name + value for name, value in sorted(set(fields))) if hook.method == "POST" else ""
        key = self.signing_key(account)
        is_signed = [hmac.compare_digest(signature(key, url + signed), shown.encode()) for url in _spellings(hook.url)]
        is_account = hmac.compare_digest(account_shown.encode(), self.account_id(account).encode())
        return is_account and any(is_signed)

    # Orders

    async def connect(self, account: CarrierAccount, call: str, number: str, addresses: Addresses) -> Answer:
        """See `Carrier.connect`."""
        return xml(f"<Connect><Stream{self.stream_attributes} url={quoteattr(addresses.stream)}/></Connect>")

    stream_attributes = ""

    async def turn_away(self, account: CarrierAccount, call: str, words: str | None, *, busy: bool) -> Answer:
        """See `Carrier.turn_away`. A rejected call costs nothing; one that is spoken to was answered."""
        if words is not None:
            return xml(f"<Say>{escape(printable(words))}</Say><Hangup/>")
        return xml('<Reject reason="busy"/>' if busy else "<Reject/>")

    async def place(self, account: CarrierAccount, order: CallOrder) -> str:
        """See `Carrier.place`."""
        fields = [
            ("To", order.destination),
            ("From", order.caller_number),
            ("Url", order.addresses.hook("answer")),
            ("Method", "POST"),
            ("StatusCallback", order.addresses.hook("status")),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in ("ringing", "answered", "completed")),
            ("Timeout", str(round(order.ring_seconds))),
        ]
        status, answer = await self._api.post_form(
            f"{self.calls_url(account)}.json", fields, self._authorization(account)
        )
        call = answer.get("sid")
        if status >= 300 or not isinstance(call, str) or not _ID.fullmatch(call):
            raise self._refused("the call", status, answer)
        return call

    async def hang_up(self, account: CarrierAccount, call: str) -> None:
        """See `Carrier.hang_up`."""
        status, answer = await self._change(account, call, [("Status", "completed")])
        if status >= 300 and status != 404 and answer.get("code") != _NOT_LIVE:
            raise self._refused("to hang up", status, answer)

    async def transfer(self, account: CarrierAccount, call: str, order: TransferOrder) -> None:
        """See `Carrier.transfer`."""
        fields = [("Url", order.addresses.hook("transfer")), ("Method", "POST")]
        status, answer = await self._change(account, call, fields)
        if status >= 300:
            raise self._refused("the transfer", status, answer)

    def transfer_document(self, order: TransferOrder) -> Answer:
        """See `Carrier.transfer_document`."""
        shown = "" if order.shown is None else f" callerId={quoteattr(order.shown)}"
        kind = "Sip" if ":" in order.destination else "Number"
        return xml(f"<Dial{shown}><{kind}>{escape(order.destination)}</{kind}></Dial>")

    def end_document(self) -> Answer:
        """See `Carrier.end_document`."""
        return xml("<Hangup/>")

    async def carry_on(self, account: CarrierAccount, due: Due) -> None:
        """See `Carrier.carry_on`. A document says all at once."""

    def open_stream(self) -> "TwilioStream":
        """See `Carrier.open_stream`."""
        return TwilioStream()

    async def _change(
        self, account: CarrierAccount, call: str, fields: list[tuple[str, str]]
    ) -> tuple[int, Mapping[str, Any]]:
        url = f"{self.calls_url(account)}/{quote(call, safe='')}.json"
        return await self._api.post_form(url, fields, self._authorization(account))

    def _authorization(self, account: CarrierAccount) -> str:
        return basic(self.account_id(account), account.key)

    def _refused(self, what: str, status: int, answer: Mapping[str, Any]) -> CarrierError:
        """The API's own words are left out: they name the destination."""
        code = answer.get("code")
        code = int(code) if isinstance(code, int | str) and str(code).isdecimal() else None
        reason, why = _ERRORS.get(code or 0, ("unreachable", ""))
        number = f"HTTP {status}" if code is None else f"HTTP {status}, error {code}"
        if status == 401:
            why = "the account's login was refused"
        return CarrierError(f"{self.label} refused {what} ({number}){': ' if why else ''}{why}.", reason)


class TwilioStream:
    """A `Stream` of Media Streams: JSON, the audio in base64."""

    audio: AudioFormat = MULAW_8K
    sends_binary = False

    def __init__(self) -> None:
        self._stream = b'""'
        """Its id, as JSON."""
        self._media = b""
        """What stands before the audio of a media message."""

    def read(self, message: bytes, *, binary: bool) -> StreamEvent | None:
        """See `Stream.read`."""
        try:
            document = self._event(orjson.loads(message))
            event = document["event"]
            if event == "media":
                return heard(document["media"])
            if event == "start":
                return self._started(document["start"])
            if event == "dtmf":
                return pressed(document["dtmf"]["digit"])
            if event == "mark":
                return Played(str(document["mark"]["name"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise BadStreamMessageError(f"a message is not as documented ({type(problem).__name__})") from None
        return Stopped() if event == "stop" else None

    def media(self, frame: bytes) -> bytes:
        """See `Stream.media`."""
        return self._media + base64.b64encode(frame) + b'"}}'

    def mark(self, name: str) -> bytes | None:
        """See `Stream.mark`."""
        return b'{"event":"mark","streamSid":' + self._stream + b',"mark":' + orjson.dumps({"name": name}) + b"}"

    def clear(self) -> bytes | None:
        """See `Stream.clear`."""
        return b'{"event":"clear","streamSid":' + self._stream + b"}"

    def _event(self, document: Any) -> Any:
        """What the message tells, out of what is around it."""
        return document

    def _started(self, start: Mapping[str, Any]) -> Started:
        stream, call, audio = start["streamSid"], start["callSid"], start["mediaFormat"]
        if not (isinstance(stream, str) and _ID.fullmatch(stream) and isinstance(call, str)):
            raise ValueError("no ids")
        if (audio["encoding"], audio["sampleRate"]) != ("audio/x-mulaw", 8000):
            raise ValueError("another format")
        self._stream = orjson.dumps(stream)
        self._media = b'{"event":"media","streamSid":' + self._stream + b',"media":{"payload":"'
        return Started(call)


def signature(key: str, signed: str) -> bytes:
    """What Twilio's header holds for a URL with the form's names and values behind it."""
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest())


def _spellings(url: str) -> list[str]:
    """The URL with and without its port: which one is signed differs between products, as Twilio's libraries say."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [parts._replace(netloc=netloc).geturl() for netloc in (host, f"{host}:{port}")]


def _caller(written: str) -> str | None:
    number = canonical(written)
    return None if number in _WITHHELD else number


def _progress(call: str, number: str, fields: Mapping[str, str], sip: str | None) -> HookEvent:
    status = fields.get("CallStatus", "")
    if status == "ringing":
        return Ringing(call, number)
    if status == "completed":
        return Over(call, number, None, "The far end hung up.")
    if status in _NOT_ANSWERED:
        failure, words = _NOT_ANSWERED[status]
        if sip == "603":
            failure, words = "declined", "The call was declined"
        return Over(call, number, failure, with_sip(words, sip))
    return Noted(call, number)
