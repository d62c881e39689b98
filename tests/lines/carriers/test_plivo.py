"""Plivo's callbacks and stream messages, as its documentation shows them."""

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
    TransferOrder,
)
from dialtone.lines.carriers.plivo import Plivo, signature
from dialtone.platform.guarded_http import GuardedHttp
from tests.lines.carriers.hooks import CALLER, OURS, account, form_hook

CALL, STREAM = "12345678-1234-1234-1234-123456789abc", "87654321-4321-4321-4321-cba987654321"
INBOUND = {"CallUUID": CALL, "Direction": "inbound", "From": CALLER[1:], "To": OURS[1:]}
OUTBOUND = {"CallUUID": CALL, "Direction": "outbound", "From": OURS[1:], "To": CALLER[1:]}

# The test vectors of Plivo's own library (plivo-go, utils_test.go).
TOKEN, NONCE = "Y2Q2ZDgxZmY5YWRiOTI5YmQ1Njg0MTAxZWIyOTc4", "31627761595286130198"
PAGE = "https://plivobin.non-prod.plivops.com/api/v1/validate_signature03.xml"
FIELDS = {
    "Direction": "outbound",
    "From": "19792014278",
    "ALegUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "CallStatus": "in-progress",
    "BillRate": "0.002",
    "ParentAuthID": "MANWVLYTK4ZWU1YTY4QA",
    "To": "sip:PlivoSignature382029104058171078704104@phone-qa.voice.plivodev.com",
    "ALegRequestUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "CallUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "RequestUUID": "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36",
    "SIP-H-To": "<sip:PlivoSignature382029104058171078704104@52.9.11.55;transport=udp>;tag=1",
    "SessionStart": "2020-04-08 11:34:33.238707",
    "Event": "StartApp",
}


@pytest.fixture
def plivo() -> Plivo:
    return Plivo(GuardedHttp(allow_private_addresses=False))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{PAGE}/?a=b&c=d", b"k7Pusd4OxCIjR5IfA9iedDNu/h/gbdYqdzG/MiYtd1c="),
        (PAGE, b"iAjE5QqI37mbkYe4w3jTMudqEzbDufdqi7sYwTu64e0="),
    ],
)
def test_signatures_of_the_libraries_vectors(plivo: Plivo, url: str, expected: bytes) -> None:
    assert signature(TOKEN, url, FIELDS.items(), NONCE) == expected
    headers = {"x-plivo-signature-v3": f"of-another-token,{expected.decode()}", "x-plivo-signature-v3-nonce": NONCE}
    hook = form_hook("voice", FIELDS, headers, url)
    assert plivo.is_genuine(account("plivo", TOKEN), hook)
    assert not plivo.is_genuine(account("plivo", "another"), hook)
    assert not plivo.is_genuine(account("plivo", TOKEN), form_hook("voice", {**FIELDS, "From": "1"}, headers, url))
    assert not plivo.is_genuine(account("plivo", TOKEN), form_hook("voice", FIELDS, headers, f"{url}/more"))
    for missing in headers:
        rest = {name: value for name, value in headers.items() if name != missing}
        assert not plivo.is_genuine(account("plivo", TOKEN), form_hook("voice", FIELDS, rest, url))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a=b&c=d&", b"UBq8jAtd32wR8EK9VgxbBn4n5rpI/l1H9iN4WfSEHFQ="),
        ("", b"i/MQsaQSAd6fiKhOh2qeeeLHZ9faldADSb3/7+Akfbc="),
    ],
)
def test_a_query_is_signed_as_the_libraries_vectors(plivo: Plivo, query: str, expected: bytes) -> None:
    url = f"{PAGE}{'/' if query else ''}?{query}{urlencode(FIELDS)}"
    headers = {"x-plivo-signature-v3": expected.decode(), "x-plivo-signature-v3-nonce": NONCE}
    assert plivo.is_genuine(account("plivo", TOKEN), Hook("voice", "GET", url, {}, headers, b""))


@pytest.mark.parametrize(
    ("hook", "fields", "told"),
    [
        ("voice", {**INBOUND, "CallStatus": "ringing"}, Incoming(CALL, OURS, CALLER)),
        ("voice", {**INBOUND, "From": "anonymous"}, Incoming(CALL, OURS, None)),
        ("answer", {**OUTBOUND, "CallStatus": "in-progress"}, DocumentWanted(CALL, OURS)),
        ("transfer", {**INBOUND, "Event": "Redirect"}, DocumentWanted(CALL, OURS)),
        ("status", {**OUTBOUND, "Event": "Ring"}, Ringing(CALL, OURS)),
        ("status", {**OUTBOUND, "CallStatus": "busy"}, Over(CALL, OURS, "busy", "The line is busy.")),
        ("status", {**OUTBOUND, "CallStatus": "no-answer"}, Over(CALL, OURS, "no_answer", "Nobody answered.")),
        ("status", {**INBOUND, "CallStatus": "completed"}, Over(CALL, OURS, None, "The far end hung up.")),
        ("status", {**OUTBOUND, "CallStatus": "in-progress"}, Noted(CALL, OURS)),
    ],
)
def test_what_callbacks_tell(plivo: Plivo, hook: str, fields: dict[str, str], told: object) -> None:
    assert plivo.read(form_hook(hook, fields)) == told


@pytest.mark.parametrize(
    ("hook", "fields"),
    [
        ("voice", {}),
        ("voice", {**INBOUND, "CallUUID": "../../"}),
        ("voice", {**INBOUND, "To": "sip:somebody@example.com"}),
        ("other", INBOUND),
    ],
)
def test_what_is_no_callback_is_refused(plivo: Plivo, hook: str, fields: dict[str, str]) -> None:
    with pytest.raises(BadHookError):
        plivo.read(form_hook(hook, fields))


async def test_documents_quote_what_others_wrote(plivo: Plivo) -> None:
    addresses = Addresses("https://voice.example.com/carriers/plivo", "token")
    said = await plivo.turn_away(account("plivo", TOKEN), CALL, "We're closed <today> & \x00tomorrow", busy=False)
    assert b"<Speak>We're closed &lt;today&gt; &amp;  tomorrow</Speak><Hangup" in said.body
    silent = await plivo.turn_away(account("plivo", TOKEN), CALL, None, busy=True)
    assert b'<Response><Hangup reason="busy"/></Response>' in silent.body
    moved = plivo.transfer_document(TransferOrder("sip:desk@example.com?a&b", OURS, OURS, addresses))
    assert b'<Dial callerId="31201234567"><User>sip:desk@example.com?a&amp;b</User></Dial>' in moved.body


def test_a_call_that_nobody_waits_for_ends(plivo: Plivo) -> None:
    assert plivo.end_document().body.endswith(b"<Response><Hangup/></Response>")


def test_messages_of_a_stream(plivo: Plivo) -> None:
    stream = plivo.open_stream()

    def read(**message: Any) -> object:
        return stream.read(json.dumps(message).encode(), binary=False)

    about = {"callId": CALL, "streamId": STREAM, "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}
    assert read(event="start", sequenceNumber=1, start=about, extra_headers="") == Started(CALL)
    audio = {"track": "inbound", "chunk": 41, "payload": base64.b64encode(b"\x01\x02").decode()}
    assert read(event="media", sequenceNumber=42, streamId=STREAM, media=audio) == Heard(b"\x01\x02")
    assert read(event="dtmf", streamId=STREAM, dtmf={"track": "inbound", "digit": "5"}) == Pressed("5")
    assert read(event="playedStream", streamId=STREAM, name="one") == Played("one")
    assert read(event="clearedAudio", streamId=STREAM) is None
    played = json.loads(stream.media(b"\x01\x02"))
    assert played == {
        "event": "playAudio",
        "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "AQI="},
    }
    assert json.loads(stream.mark("one") or b"") == {"event": "checkpoint", "streamId": STREAM, "name": "one"}
    assert json.loads(stream.clear() or b"") == {"event": "clearAudio", "streamId": STREAM}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b'"media"',
        b'{"event": "media", "media": []}',
        b'{"event": "start", "start": {"callId": "1", "streamId": "1", "mediaFormat": {"encoding": "audio/x-l16"}}}',
    ],
)
def test_bad_messages_of_a_stream(plivo: Plivo, message: bytes) -> None:
    with pytest.raises(BadStreamMessageError):
        plivo.open_stream().read(message, binary=False)
