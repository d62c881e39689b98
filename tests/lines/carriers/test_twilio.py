"""Twilio's and SignalWire's webhooks, documents and stream messages, as their documentation shows them."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from dialtone.lines.carriers.base import (
    Addresses,
    BadHookError,
    BadStreamMessageError,
    DocumentWanted,
    Heard,
    Hook,
    Incoming,
    Noted,
    Over,
    Played,
    Pressed,
    Ringing,
    Started,
    Stopped,
    TransferOrder,
)
from dialtone.lines.carriers.signalwire import SignalWire
from dialtone.lines.carriers.twilio import Twilio, signature
from dialtone.platform.guarded_http import GuardedHttp
from tests.lines.carriers.hooks import CALLER, OURS, account

# The test vector of Twilio's documentation and libraries (twilio-python, tests/unit/test_request_validator.py).
TOKEN, URL = "12345", "https://mycompany.com/myapp.php?foo=1&bar=2"
FIELDS = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
ACCOUNT, CALL, STREAM = "AC" + "0" * 32, "CA" + "1" * 32, "MZ" + "2" * 32
PLACED = {"Direction": "outbound-api", "From": OURS, "To": CALLER}
ADDRESSES = Addresses("https://voice.example.com/carriers/twilio", "token")


@pytest.fixture
def twilio() -> Twilio:
    return Twilio(GuardedHttp(allow_private_addresses=False))


@pytest.fixture
def signalwire() -> SignalWire:
    return SignalWire(GuardedHttp(allow_private_addresses=False))


def form(name: str, signed: str = "", header: str = "x-twilio-signature", url: str = URL, **fields: str) -> Hook:
    return Hook(name, "POST", url, {}, {header: signed}, urlencode(fields).encode())


def test_the_documented_request_is_genuine() -> None:
    signed = URL + "".join(name + FIELDS[name] for name in sorted(FIELDS))
    assert signature(TOKEN, signed).decode() == SIGNATURE


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
def test_a_signature_counts_with_and_without_the_port(twilio: Twilio, port: str) -> None:
    fields = {**FIELDS, "AccountSid": ACCOUNT}
    ours = account("twilio", TOKEN, account_sid=ACCOUNT)
    told = URL.replace(".com", f".com{port}")
    plain = signature(TOKEN, URL + "".join(name + fields[name] for name in sorted(fields))).decode()
    assert twilio.is_genuine(ours, form("voice", plain, url=told, **fields))
    with_port = signature(TOKEN, told + "".join(name + fields[name] for name in sorted(fields))).decode()
    assert twilio.is_genuine(ours, form("voice", with_port, url=told, **fields))
    assert not twilio.is_genuine(ours, form("voice", plain, url=told.replace("foo=1", "foo=2"), **fields))
    assert not twilio.is_genuine(ours, form("voice", plain, url=told, **{**fields, "Digits": "1235"}))
    assert not twilio.is_genuine(account("twilio", "54321", account_sid=ACCOUNT), form("voice", plain, **fields))
    assert not twilio.is_genuine(
        account("twilio", TOKEN, account_sid="AC" + "9" * 32), form("voice", plain, url=told, **fields)
    )


def test_a_get_is_signed_by_its_address(twilio: Twilio) -> None:
    url = f"https://voice.example.com/carriers/twilio/voice?{urlencode({**FIELDS, 'AccountSid': ACCOUNT})}"
    ours = account("twilio", TOKEN, account_sid=ACCOUNT)
    signed = {"x-twilio-signature": signature(TOKEN, url).decode()}
    assert twilio.is_genuine(ours, Hook("voice", "GET", url, {}, signed, b""))
    assert not twilio.is_genuine(ours, Hook("voice", "GET", url + "&x=1", {}, signed, b""))


def test_signalwire_signs_with_its_own_key_and_header(signalwire: SignalWire) -> None:
    fields = {**FIELDS, "AccountSid": ACCOUNT}
    ours = account("signalwire", "PT-token", project_id=ACCOUNT, space="example", signing_key=TOKEN)
    signed = signature(TOKEN, URL + "".join(name + fields[name] for name in sorted(fields))).decode()
    for header in ("x-signalwire-signature", "x-twilio-signature"):
        assert signalwire.is_genuine(ours, form("voice", signed, header, **fields))
    assert not signalwire.is_genuine(ours, form("voice", signed, "x-other-signature", **fields))


@pytest.mark.parametrize(
    ("name", "fields", "event"),
    [
        ("voice", {"Direction": "inbound", "From": CALLER, "To": OURS}, Incoming(CALL, OURS, CALLER)),
        ("voice", {"Direction": "inbound", "From": "+266696687", "To": OURS}, Incoming(CALL, OURS, None)),
        ("voice", {"Direction": "inbound", "From": "client:ada", "To": OURS}, Incoming(CALL, OURS, None)),
        ("answer", PLACED, DocumentWanted(CALL, OURS)),
        ("status", {**PLACED, "CallStatus": "ringing"}, Ringing(CALL, OURS)),
        ("status", {**PLACED, "CallStatus": "in-progress"}, Noted(CALL, OURS)),
        (
            "status",
            {**PLACED, "CallStatus": "canceled"},
            Over(CALL, OURS, "no_answer", "The call was given up."),
        ),
        (
            "status",
            {"Direction": "inbound", "From": CALLER, "To": OURS, "CallStatus": "completed"},
            Over(CALL, OURS, None, "The far end hung up."),
        ),
    ],
)
def test_what_webhooks_tell(twilio: Twilio, name: str, fields: dict[str, str], event: object) -> None:
    assert twilio.read(form(name, CallSid=CALL, **fields)) == event


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"To": OURS, "Direction": "inbound"},
        {"CallSid": "CA/../1", "To": OURS, "Direction": "inbound"},
        {"CallSid": CALL, "To": "sip:ada@example.com", "Direction": "inbound"},
        {"CallSid": CALL, "To": OURS, "Direction": "inbound", **{f"x{number}": "" for number in range(200)}},
    ],
)
def test_what_is_no_webhook(twilio: Twilio, fields: dict[str, str]) -> None:
    with pytest.raises(BadHookError):
        twilio.read(form("voice", **fields))


async def test_documents(twilio: Twilio) -> None:
    ours = account("twilio", TOKEN, account_sid=ACCOUNT)
    connect = await twilio.connect(ours, CALL, OURS, ADDRESSES)
    assert b'<Connect><Stream url="wss://voice.example.com/carriers/twilio/stream/token"/></Connect>' in connect.body
    assert (
        b"<Say>A &lt; B &amp; C </Say><Hangup/>" in (await twilio.turn_away(ours, CALL, "A < B & C\n", busy=False)).body
    )
    for destination, shown, verb in (
        (CALLER, None, f"<Dial><Number>{CALLER}</Number></Dial>"),
        (CALLER, OURS, f'<Dial callerId="{OURS}"><Number>{CALLER}</Number></Dial>'),
        ("sip:a&b@example.com", None, "<Dial><Sip>sip:a&amp;b@example.com</Sip></Dial>"),
    ):
        assert verb.encode() in twilio.transfer_document(TransferOrder(destination, shown, OURS, ADDRESSES)).body


START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": ACCOUNT,
        "streamSid": STREAM,
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
    "streamSid": STREAM,
}
FRAME = bytes(range(160))


def media(track: str) -> dict[str, Any]:
    payload = base64.b64encode(FRAME).decode()
    return {"event": "media", "media": {"track": track, "chunk": "2", "payload": payload}, "streamSid": STREAM}


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, None),
        (START, Started(CALL)),
        (media("inbound"), Heard(FRAME)),
        (media("outbound"), None),
        ({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "#"}}, Pressed("#")),
        ({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "12"}}, None),
        ({"event": "mark", "mark": {"name": "my label"}}, Played("my label")),
        ({"event": "stop", "stop": {"accountSid": ACCOUNT, "callSid": CALL}}, Stopped()),
        ({"event": "something new"}, None),
    ],
)
def test_what_a_stream_tells(twilio: Twilio, message: dict[str, Any], event: object) -> None:
    assert twilio.open_stream().read(json.dumps(message).encode(), binary=False) == event


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"event":"media"}',
        b'{"event":"media","media":{"payload":"?"}}',
        b'{"event":"media","media":{"payload":7}}',
        b'{"event":"media","media":7}',
        json.dumps({**START, "start": {**START["start"], "streamSid": 'x"y'}}).encode(),
        json.dumps(
            {**START, "start": {**START["start"], "mediaFormat": {"encoding": "l16", "sampleRate": 1}}}
        ).encode(),
    ],
)
def test_what_is_no_message_of_a_stream(twilio: Twilio, message: bytes) -> None:
    with pytest.raises(BadStreamMessageError):
        twilio.open_stream().read(message, binary=False)


def test_what_a_stream_is_told(twilio: Twilio) -> None:
    stream = twilio.open_stream()
    stream.read(json.dumps(START).encode(), binary=False)
    told = [stream.media(FRAME), stream.mark('my "label"'), stream.clear()]
    assert [json.loads(message or b"") for message in told] == [
        {"event": "media", "streamSid": STREAM, "media": {"payload": base64.b64encode(FRAME).decode()}},
        {"event": "mark", "streamSid": STREAM, "mark": {"name": 'my "label"'}},
        {"event": "clear", "streamSid": STREAM},
    ]


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        # The callback of a number that is called: "Incoming call status callback" names no direction.
        ({"From": CALLER, "To": OURS, "CallStatus": "completed"}, Over(CALL, OURS, None, "The far end hung up.")),
        (
            {**PLACED, "CallStatus": "busy", "SipResultCode": "603"},
            Over(CALL, OURS, "declined", "The call was declined (SIP 603)."),
        ),
        (
            {**PLACED, "CallStatus": "busy", "SipResultCode": "486"},
            Over(CALL, OURS, "busy", "The line is busy (SIP 486)."),
        ),
    ],
)
def test_what_signalwires_callbacks_tell(signalwire: SignalWire, fields: dict[str, str], event: object) -> None:
    assert signalwire.read(form("status", CallSid=CALL, **fields)) == event


def raw(event: str, **fields: Any) -> dict[str, Any]:
    """What is in a message of SignalWire's stream. Only the start says, within itself, which stream it is of."""
    return {"event": event, "sequenceNumber": "1", **fields}


@pytest.mark.parametrize("wrapped", [True, False])
def test_messages_of_signalwires_streams_are_read_with_and_without_what_is_around_them(
    signalwire: SignalWire, wrapped: bool
) -> None:
    stream = signalwire.open_stream()

    def read(event: str, **fields: Any) -> object:
        bare = raw(event, **fields)
        around = {"timestamp": "2025-09-26T16:25:04.792Z", "direction": "inbound", "eventType": event, "rawEvent": bare}
        return stream.read(json.dumps(around if wrapped else bare).encode(), binary=False)

    assert read("connected", protocol="Call", version="0.2.0") is None
    assert read("start", start=START["start"]) == Started(CALL)
    assert read("media", media=media("inbound")["media"]) == Heard(FRAME)
    assert read("dtmf", streamSid=STREAM, dtmf={"duration": 2700, "digit": "8"}) == Pressed("8")
    assert read("mark", streamSid=STREAM, mark={"name": "one"}) == Played("one")
    assert read("clear", streamSid=STREAM) is None
    assert read("stop") == Stopped()
    assert json.loads(stream.clear() or b"") == {"event": "clear", "streamSid": STREAM}
    for bad in (b"[]", b'{"rawEvent": 7}', b"{}"):
        with pytest.raises(BadStreamMessageError):
            stream.read(bad, binary=False)
