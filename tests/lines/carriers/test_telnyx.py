"""Telnyx's webhooks and stream messages, as its documentation shows them."""

import base64
import json
from typing import Any

import pytest

from dialtone.lines.carriers.base import (
    BadHookError,
    BadStreamMessageError,
    Due,
    Heard,
    Incoming,
    Noted,
    Over,
    Played,
    Pressed,
    Started,
    Stopped,
)
from dialtone.lines.carriers.telnyx import Telnyx
from dialtone.platform.guarded_http import GuardedHttp
from tests.fakes.telnyx import FakeTelnyx
from tests.lines.carriers.hooks import CALLER, OURS, account, json_hook

CALL = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"


@pytest.fixture
def telnyx() -> Telnyx:
    return Telnyx(GuardedHttp(allow_private_addresses=False))


def event(name: str, **payload: Any) -> dict[str, Any]:
    about = {"call_control_id": CALL, "from": CALLER, "to": OURS, "client_state": None, **payload}
    return {"data": {"event_type": name, "id": "1", "payload": about, "record_type": "event"}, "meta": {"attempt": 1}}


def bare(name: str, **client_state: str) -> dict[str, Any]:
    """An event that names no number but in what we wrote."""
    payload = {"call_control_id": CALL, "client_state": state(**client_state), "connection_id": "7267"}
    return {"data": {"event_type": name, "id": "1", "payload": payload, "record_type": "event"}}


def state(**what: str) -> str:
    return base64.b64encode(json.dumps(what).encode()).decode()


@pytest.mark.parametrize(
    ("hook", "document", "told"),
    [
        ("voice", event("call.initiated", direction="incoming"), Incoming(CALL, OURS, CALLER)),
        (
            "voice",
            event("call.initiated", **{"direction": "incoming", "from": "anonymous"}),
            Incoming(CALL, OURS, None),
        ),
        ("voice", event("call.answered"), Noted(CALL, OURS)),
        ("voice", event("call.initiated", direction="outgoing"), Noted(CALL, CALLER)),
        ("status", event("call.initiated", direction="outgoing"), Noted(CALL, CALLER)),
        ("voice", event("call.hangup", hangup_cause="normal_clearing"), Over(CALL, OURS, None, "The far end hung up.")),
        (
            "status",
            event("call.hangup", hangup_cause="user_busy", sip_hangup_cause="486"),
            Over(CALL, CALLER, "busy", "The line is busy (SIP 486)."),
        ),
        (
            "status",
            event("call.hangup", hangup_cause="something new", sip_hangup_cause="unspecified"),
            Over(CALL, CALLER, "unreachable", "The destination can't be reached."),
        ),
        ("voice", event("call.answered", client_state=state(say="No.")), Due(CALL, OURS, {"say": "No."})),
        ("voice", bare("call.speak.ended", number=OURS, said="yes"), Due(CALL, OURS, {"said": "yes"})),
        ("voice", bare("streaming.stopped", number=OURS, streamed="yes"), Due(CALL, OURS, {"streamed": "yes"})),
        ("voice", bare("streaming.stopped", number=OURS), Noted(CALL, OURS)),
        ("voice", bare("streaming.started", number=OURS, streamed="yes"), Noted(CALL, OURS)),
        ("transfer", event("call.hangup", client_state=state(end="v3:first")), Due(CALL, CALLER, {"end": "v3:first"})),
        ("voice", event("call.answered", client_state="aGF2ZSBhIG5pY2UgZGF5ID1d"), Noted(CALL, OURS)),
    ],
)
def test_what_webhooks_tell(telnyx: Telnyx, hook: str, document: dict[str, Any], told: object) -> None:
    assert telnyx.read(json_hook("telnyx", hook, document)) == told


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"data": {}}', b'{"data": {"event_type": "call.initiated", "payload": "none"}}', b"\xff"],
)
def test_what_is_no_webhook_is_refused(telnyx: Telnyx, body: bytes) -> None:
    with pytest.raises(BadHookError):
        telnyx.read(json_hook("telnyx", "voice", body))


@pytest.mark.parametrize("called", ["5551234", "sip:x@example.com", ""])
def test_calls_of_no_number_are_refused(telnyx: Telnyx, called: str) -> None:
    with pytest.raises(BadHookError):
        telnyx.read(json_hook("telnyx", "voice", event("call.initiated", direction="incoming", to=called)))


def test_signatures_are_of_the_account_the_body_and_the_moment(telnyx: Telnyx) -> None:
    fake, body = FakeTelnyx("key"), b'{"data": {}}'
    ours = account("telnyx", "key", public_key=fake.public_key)

    def is_genuine(headers: dict[str, str], sent: bytes = body) -> bool:
        return telnyx.is_genuine(ours, json_hook("telnyx", "voice", sent, headers))

    assert is_genuine(fake.signature(body))
    assert is_genuine(fake.signature(body, age_seconds=290))
    assert not is_genuine(fake.signature(body, age_seconds=310))
    assert not is_genuine(fake.signature(body, age_seconds=-310))
    assert not is_genuine(fake.signature(body), b'{"data": 1}')
    assert not is_genuine(FakeTelnyx("key").signature(body))
    assert not is_genuine({})
    assert not is_genuine({**fake.signature(body), "telnyx-timestamp": "yesterday"})
    assert not is_genuine({**fake.signature(body), "telnyx-signature-ed25519": "no base64"})


def test_messages_of_a_stream(telnyx: Telnyx) -> None:
    stream = telnyx.open_stream()

    def read(**message: Any) -> object:
        return stream.read(json.dumps(message).encode(), binary=False)

    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    assert read(event="connected", version="1.0.0") is None
    assert read(event="start", start={"call_control_id": CALL, "media_format": media_format}) == Started(CALL)
    audio = {"chunk": "2", "timestamp": "5", "payload": base64.b64encode(b"\x01\x02").decode()}
    assert read(event="media", media={"track": "inbound", **audio}) == Heard(b"\x01\x02")
    assert read(event="media", media={"track": "outbound", **audio}) is None
    assert read(event="dtmf", dtmf={"digit": "#"}) == Pressed("#")
    assert read(event="mark", mark={"name": "one"}) == Played("one")
    assert read(event="error", payload={"code": 100003, "title": "malformed_frame"}) is None
    assert read(event="stop", stop={"call_control_id": CALL}) == Stopped()
    assert json.loads(stream.media(b"\x01\x02")) == {"event": "media", "media": {"payload": "AQI="}}
    assert json.loads(stream.mark('a "b"') or b"") == {"event": "mark", "mark": {"name": 'a "b"'}}
    assert json.loads(stream.clear() or b"") == {"event": "clear"}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        b'{"event": "media", "media": "loud"}',
        b'{"event": "media", "media": {"payload": "*"}}',
        b'{"event": "dtmf"}',
        b'{"event": "start", "start": {"call_control_id": "v3:1", "media_format": {"encoding": "OPUS"}}}',
    ],
)
def test_bad_messages_of_a_stream(telnyx: Telnyx, message: bytes) -> None:
    with pytest.raises(BadStreamMessageError):
        telnyx.open_stream().read(message, binary=False)
