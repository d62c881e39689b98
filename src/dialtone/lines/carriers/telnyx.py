"""Telnyx: Call Control, which takes commands instead of documents, and media streaming.

https://developers.telnyx.com/api-reference/call-commands, https://developers.telnyx.com/docs/voice/programmable-voice
(webhooks, media streaming), https://developers.telnyx.com/docs/development/api-fundamentals/webhooks (signatures)
"""

import base64
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dialtone.lines.carriers.base import (
    Addresses,
    Answer,
    BadHookError,
    BadStreamMessageError,
    CallOrder,
    CarrierError,
    Due,
    Hook,
    HookEvent,
    Incoming,
    Noted,
    Over,
    Played,
    Started,
    Stopped,
    StreamEvent,
    TransferOrder,
)
from dialtone.lines.carriers.rest import CarrierApi
from dialtone.lines.carriers.wire import heard, pressed, with_sip
from dialtone.lines.outbound import DialFailure
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.platform.phone_numbers import canonical

TOLERANCE_SECONDS = 300
"""How old a webhook may be."""
VOICE = {"voice": "female", "language": "en-US"}

_ID = re.compile(r"[A-Za-z0-9:_-]{1,256}")

_CAUSES: Mapping[str, tuple[DialFailure, str] | None] = {
    "normal_clearing": None,
    "time_limit": None,
    "user_busy": ("busy", "The line is busy"),
    "timeout": ("no_answer", "Nobody answered"),
    "no_answer": ("no_answer", "Nobody answered"),
    "originator_cancel": ("no_answer", "The call was given up"),
    "call_rejected": ("declined", "The call was declined"),
}
"""`hangup_cause` of call.hangup; all others: unreachable."""
_DUE: Mapping[str, str] = {
    "call.answered": "say",
    "call.speak.ended": "said",
    "streaming.stopped": "streamed",
    "streaming.failed": "streamed",
    "call.hangup": "end",
}
"""What of a `client_state` is due when: words to a caller who is turned away, then the end; the end of a call whose
stream is gone, also where this server was killed; the end of a call that nobody at a transfer's destination took.
"""
_ENDED = frozenset({"90018", "90053", "10005"})
"""The call is over already, or was never there (https://support.telnyx.com/en/articles/4374025)."""


class Telnyx:
    """A `Carrier`. What is to follow on a command goes with it as its `client_state`, and comes back with the webhook
    that tells that the time has come (`Due`): Telnyx speaks only to callers who were answered, and ends no call by
    itself. The number goes with it too, since not every webhook names it.
    """

    hangs_up_with_stream = False
    asks_for_transfer = False
    label = "Telnyx"

    def __init__(self, http: GuardedHttp) -> None:
        self._api = CarrierApi(http, self.label)

    # Webhooks

    def read(self, hook: Hook) -> HookEvent:
        """See `Carrier.read`."""
        try:
            data = orjson.loads(hook.body)["data"]
            event, payload = str(data["event_type"]), data["payload"]
            call = str(payload["call_control_id"])
            state = _state_of(payload.get("client_state"))
            # Not every event tells the direction: calls that we place have a hook of their own.
            is_ours = hook.name != "voice" or payload.get("direction") == "outgoing"
            number = canonical(state.get("number") or str(payload["from" if is_ours else "to"]))
        except (ValueError, KeyError, TypeError):
            raise BadHookError("is not as documented") from None
        if number is None or not _ID.fullmatch(call):
            raise BadHookError("names no call of a number")
        if event == "call.initiated" and not is_ours:
            return Incoming(call, number, canonical(str(payload.get("from", ""))))
        step = {name: state[name] for name in (_DUE.get(event, ""),) if name in state}
        ends = step.get("end", "")
        if step and ends != call and (not ends or _ID.fullmatch(ends)):
            return Due(call, number, step)
        if event == "call.hangup":
            return _over(call, number, payload)
        return Noted(call, number)

    def is_genuine(self, account: CarrierAccount, hook: Hook) -> bool:
        """See `Carrier.is_genuine`: Ed25519 over the time and the body."""
        moment = hook.headers.get("telnyx-timestamp", "")
        if not re.fullmatch("[0-9]{1,12}", moment) or abs(time.time() - int(moment)) > TOLERANCE_SECONDS:
            return False
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(account.settings["public_key"], validate=True))
            signature = base64.b64decode(hook.headers.get("telnyx-signature-ed25519", ""), validate=True)
            key.verify(signature, moment.encode() + b"|" + hook.body)
        except (ValueError, InvalidSignature):
            return False
        return True

    # Orders

    async def connect(self, account: CarrierAccount, call: str, number: str, addresses: Addresses) -> Answer:
        """See `Carrier.connect`."""
        await self._command(account, call, "answer", _streaming(number, addresses))
        return Answer()

    async def turn_away(self, account: CarrierAccount, call: str, words: str | None, *, busy: bool) -> Answer:
        """See `Carrier.turn_away`."""
        if words is not None:
            await self._command(account, call, "answer", {"client_state": _state(say=words)})
        else:
            await self._command(account, call, "reject", {"cause": "USER_BUSY" if busy else "CALL_REJECTED"})
        return Answer()

    async def carry_on(self, account: CarrierAccount, due: Due) -> None:
        """See `Carrier.carry_on`."""
        if (words := due.step.get("say")) is not None:
            order = {"payload": words, **VOICE, "client_state": _state(number=due.number, said="yes")}
            await self._command(account, due.call, "speak", order)
        else:
            await self.hang_up(account, due.step.get("end", due.call))

    async def place(self, account: CarrierAccount, order: CallOrder) -> str:
        """See `Carrier.place`."""
        body = {
            "connection_id": account.settings["connection_id"],
            "to": order.destination,
            "from": order.caller_number,
            "timeout_secs": round(order.ring_seconds),
            "webhook_url": order.addresses.hook("status"),
            **_streaming(order.caller_number, order.addresses),
        }
        status, answer = await self._post(account, "", body)
        data = answer.get("data")
        call = data.get("call_control_id") if isinstance(data, dict) else None
        if status >= 300 or not isinstance(call, str) or not _ID.fullmatch(call):
            raise self._refused("the call", status, answer)
        return call

    async def hang_up(self, account: CarrierAccount, call: str) -> None:
        """See `Carrier.hang_up`."""
        status, answer = await self._post(account, f"/{quote(call, safe=':')}/actions/hangup", {})
        if status >= 300 and status != 404 and _code(answer) not in _ENDED:
            raise self._refused("to hang up", status, answer)

    async def transfer(self, account: CarrierAccount, call: str, order: TransferOrder) -> None:
        """See `Carrier.transfer`. Where nobody takes the call, Telnyx would leave the caller in silence."""
        shown = {} if order.shown is None else {"from": order.shown}
        states = {
            "client_state": _state(number=order.number),
            "target_leg_client_state": _state(number=order.number, end=call),
        }
        # The destination's leg outlives our call, so that its webhooks are not of that.
        hook = {"webhook_url": f"{order.addresses.hooks}/transfer"}
        await self._command(account, call, "transfer", {"to": order.destination, **shown, **states, **hook})

    def transfer_document(self, order: TransferOrder) -> Answer:
        """See `Carrier.transfer_document`."""
        raise BadHookError("asks for no document")

    def end_document(self) -> Answer:
        """See `Carrier.end_document`."""
        raise BadHookError("asks for no document")

    def open_stream(self) -> "TelnyxStream":
        """See `Carrier.open_stream`."""
        return TelnyxStream()

    async def _command(self, account: CarrierAccount, call: str, name: str, order: Mapping[str, Any]) -> None:
        status, answer = await self._post(account, f"/{quote(call, safe=':')}/actions/{name}", order)
        if status >= 300:
            raise self._refused(f"the command {name}", status, answer)

    async def _post(
        self, account: CarrierAccount, path: str, order: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any]]:
        return await self._api.send_json("POST", f"{account.base_url}/v2/calls{path}", order, f"Bearer {account.key}")

    def _refused(self, what: str, status: int, answer: Mapping[str, Any]) -> CarrierError:
        """The API's own words are left out: they name the destination."""
        code = _code(answer)
        number = f"HTTP {status}" if code is None else f"HTTP {status}, error {code}"
        why = ": the account's login was refused" if status == 401 else ""
        return CarrierError(f"{self.label} refused {what} ({number}){why}.")


class TelnyxStream:
    """A `Stream`: JSON, the audio in base64."""

    audio: AudioFormat = MULAW_8K
    sends_binary = False

    def read(self, message: bytes, *, binary: bool) -> StreamEvent | None:
        """See `Stream.read`."""
        try:
            document = orjson.loads(message)
            event = document["event"]
            if event == "media":
                return heard(document["media"])
            if event == "start":
                return _started(document["start"])
            if event == "dtmf":
                return pressed(document["dtmf"]["digit"])
            if event == "mark":
                return Played(str(document["mark"]["name"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise BadStreamMessageError(f"a message is not as documented ({type(problem).__name__})") from None
        return Stopped() if event == "stop" else None

    def media(self, frame: bytes) -> bytes:
        """See `Stream.media`."""
        return b'{"event":"media","media":{"payload":"' + base64.b64encode(frame) + b'"}}'

    def mark(self, name: str) -> bytes | None:
        """See `Stream.mark`."""
        return b'{"event":"mark","mark":' + orjson.dumps({"name": name}) + b"}"

    def clear(self) -> bytes | None:
        """See `Stream.clear`."""
        return b'{"event":"clear"}'


def _streaming(number: str, addresses: Addresses) -> dict[str, Any]:
    """https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming"""
    return {
        "client_state": _state(number=number, streamed="yes"),
        "stream_url": addresses.stream,
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_bidirectional_target_legs": "self",  # else whoever the leg is bridged with hears us: nobody
    }


def _started(start: Mapping[str, Any]) -> Started:
    audio = start["media_format"]
    if (audio["encoding"], audio["sample_rate"], audio.get("channels", 1)) != ("PCMU", 8000, 1):
        raise ValueError("another format")
    return Started(str(start["call_control_id"]))


def _over(call: str, number: str, payload: Mapping[str, Any]) -> Over:
    cause = payload.get("hangup_cause")
    outcome = _CAUSES.get(str(cause), ("unreachable", "The destination can't be reached"))
    if outcome is None:
        return Over(call, number, None, "The far end hung up.")
    failure, words = outcome
    return Over(call, number, failure, with_sip(words, payload.get("sip_hangup_cause")))


def _state(**what: str) -> str:
    return base64.b64encode(orjson.dumps(what)).decode()


def _state_of(client_state: object) -> Mapping[str, str]:
    """Empty for what others wrote."""
    try:
        state = orjson.loads(base64.b64decode(client_state, validate=True)) if isinstance(client_state, str) else {}
    except ValueError:
        return {}
    return {name: str(value) for name, value in state.items()} if isinstance(state, dict) else {}


def _code(answer: Mapping[str, Any]) -> str | None:
    """The number of the first error (https://developers.telnyx.com/docs/development/api-fundamentals/api-errors)."""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    code = str(first.get("code", "")) if isinstance(first, dict) else ""
    return code if re.fullmatch("[0-9]{1,8}", code) else None
