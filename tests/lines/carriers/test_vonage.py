"""Vonage's webhooks, tokens and WebSocket messages, as its documentation shows them."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dialtone.lines.carriers.base import (
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
)
from dialtone.lines.carriers.vonage import Vonage
from dialtone.lines.carriers.vonage_tokens import SPARE_SECONDS, TOKEN_SECONDS, Tokens, token_of, verified
from dialtone.platform.guarded_http import GuardedHttp
from tests.conversation.virtual_time import run
from tests.fakes.vonage import FakeVonage
from tests.lines.carriers.hooks import CALLER, OURS, account, json_hook

CALL = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
INBOUND = {"uuid": CALL, "from": CALLER[1:], "to": OURS[1:], "direction": "inbound"}
OUTBOUND = {"uuid": CALL, "from": OURS[1:], "to": CALLER[1:], "direction": "outbound"}

# The test vector of Vonage's own library (vonage-python-sdk, test_verify_jwt.py).
TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2OTc2MzQ2ODAsImV4cCI6MzMyNTQ1"
    "NDA4MjgsImF1ZCI6IiIsInN1YiI6IiJ9.88vJc3I2HhuqEDixHXVhc9R30tA6U_HQHZTC29y6CGM"
)
SECRET = "qwertyuiopasdfghjklzxcvbnm123456"


@pytest.fixture
def vonage() -> Vonage:
    return Vonage(GuardedHttp(allow_private_addresses=False))


def test_tokens_are_verified_as_in_the_librarys_vector() -> None:
    claims = verified(TOKEN, SECRET)
    assert claims is not None
    assert claims["iss"] == "Online JWT Builder"
    assert verified(TOKEN, "asdf") is None
    for broken in ("", "asdf", "a.b.c", TOKEN[:-2], TOKEN[1:], f"é.{TOKEN}"):
        assert verified(broken, SECRET) is None


def test_a_token_without_a_signature_is_worth_nothing() -> None:
    assert verified("eyJhbGciOiJub25lIn0.e30.", SECRET) is None


def test_signatures_are_of_the_application_the_body_and_the_moment(vonage: Vonage) -> None:
    fake, body = FakeVonage(SECRET), b'{"status":"ringing"}'
    ours = account("vonage", "", signature_secret=SECRET, application_id=fake.application_id)

    def is_genuine(token: str, kind: str = "Bearer", sent: bytes = body) -> bool:
        return vonage.is_genuine(ours, json_hook("vonage", "status", sent, {"authorization": f"{kind} {token}"}))

    assert is_genuine(fake.token(body))
    assert is_genuine(fake.token(body), "bearer")
    assert not is_genuine(fake.token(body), "Basic")
    assert not is_genuine(fake.token(body), sent=b"{}")
    assert not is_genuine(fake.token(body, payload_hash=None))
    assert not is_genuine(fake.token(body, application_id="another"))
    assert not is_genuine(fake.token(body, iat=time.time() - 310))
    assert not is_genuine(fake.token(body, iat=time.time() + 310))
    assert not is_genuine(fake.token(body, iat="now"))
    assert not is_genuine(FakeVonage("another").token(body, application_id=fake.application_id))
    assert not vonage.is_genuine(ours, json_hook("vonage", "status", body))


def test_a_query_is_signed_as_the_object_that_it_is(vonage: Vonage) -> None:
    fake, query = FakeVonage(SECRET), {"to": OURS[1:], "from": CALLER[1:], "uuid": CALL}
    headers = {"authorization": f"Bearer {fake.token(json.dumps(query, separators=(',', ':')).encode())}"}
    ours = account("vonage", "", signature_secret=SECRET, application_id=fake.application_id)
    hook = Hook("voice", "GET", "https://voice.example.com/carriers/vonage/voice?...", query, headers, b"")
    assert vonage.read(hook) == Incoming(CALL, OURS, CALLER)
    assert vonage.is_genuine(ours, hook)
    assert not vonage.is_genuine(ours, replace(hook, query={**query, "from": "1"}))


def test_tokens_for_the_api_are_those_that_it_knows() -> None:
    fake = FakeVonage(SECRET)
    assert fake._knows(token_of(fake.application_id, fake.private_key))
    assert not fake._knows(token_of("another", fake.private_key))


def test_a_token_is_signed_once_and_used_until_shortly_before_its_end() -> None:
    async def scenario() -> None:
        fake, tokens = FakeVonage(SECRET), Tokens()
        [token] = set(await asyncio.gather(*(tokens.of(fake.application_id, fake.private_key) for _ in range(5))))
        assert fake._knows(token)
        assert await tokens.of("another", fake.private_key) != token
        await asyncio.sleep(TOKEN_SECONDS - SPARE_SECONDS - 1)
        assert await tokens.of(fake.application_id, fake.private_key) == token
        await asyncio.sleep(1)
        assert await tokens.of(fake.application_id, fake.private_key) != token
        for _ in range(2):
            with pytest.raises(ValueError, match="private key"):
                await tokens.of(fake.application_id, "no key")

    run(scenario())


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    hidden = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, hidden).decode()


def test_keys_that_cannot_sign_are_refused() -> None:
    small, curve = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())
    for key in ("no key", _pem(small), _pem(curve), _pem(small, b"password")):
        with pytest.raises(ValueError, match="private key"):
            token_of("application", key)


@pytest.mark.parametrize(
    ("hook", "fields", "told"),
    [
        ("voice", INBOUND, Incoming(CALL, OURS, CALLER)),
        ("voice", {**INBOUND, "from": "Unknown"}, Incoming(CALL, OURS, None)),
        ("voice", {"uuid": CALL, "to": OURS.removeprefix("+"), "from_user": "JaneDoe"}, Incoming(CALL, OURS, None)),
        (
            "status",
            {"uuid": CALL, "to": OURS.removeprefix("+"), "direction": "inbound", "status": "completed"},
            Over(CALL, OURS, None, "The far end hung up."),
        ),
        ("answer", {name: OUTBOUND[name] for name in ("uuid", "from", "to")}, DocumentWanted(CALL, OURS)),
        ("status", {**OUTBOUND, "status": "ringing"}, Ringing(CALL, OURS)),
        ("status", {**OUTBOUND, "status": "busy"}, Over(CALL, OURS, "busy", "The line is busy.")),
        ("status", {**OUTBOUND, "status": "rejected"}, Over(CALL, OURS, "declined", "The call was declined.")),
        ("status", {**INBOUND, "status": "completed"}, Over(CALL, OURS, None, "The far end hung up.")),
        ("status", {**INBOUND, "status": "answered"}, Noted(CALL, OURS)),
    ],
)
def test_what_webhooks_tell(vonage: Vonage, hook: str, fields: dict[str, str], told: object) -> None:
    assert vonage.read(json_hook("vonage", hook, fields)) == told


@pytest.mark.parametrize(
    ("hook", "document"),
    [
        ("voice", b""),
        ("voice", []),
        ("voice", {**INBOUND, "uuid": "../x"}),
        ("voice", {**INBOUND, "to": "wss://voice.example.com"}),
        ("other", INBOUND),
    ],
)
def test_what_is_no_webhook_is_refused(vonage: Vonage, hook: str, document: Any) -> None:
    with pytest.raises(BadHookError):
        vonage.read(json_hook("vonage", hook, document))


def test_a_call_that_nobody_waits_for_ends(vonage: Vonage) -> None:
    """After the last action of an NCCO the call ends."""
    assert (vonage.end_document().body, vonage.end_document().content_type) == (b"[]", "application/json")


def test_messages_of_a_stream(vonage: Vonage) -> None:
    stream = vonage.open_stream()

    def read(**message: Any) -> object:
        return stream.read(json.dumps(message).encode(), binary=False)

    first = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "call": CALL}
    assert read(**first) == Started(CALL)
    assert stream.read(b"\x01\x02" * 320, binary=True) == Heard(b"\x01\x02" * 320)
    assert read(event="websocket:dtmf", digit="5", duration=260) == Pressed("5")
    assert read(event="websocket:notify", payload={"name": "one"}) == Played("one")
    assert read(event="websocket:cleared") is None
    assert (stream.sends_binary, stream.media(b"\x01\x02")) == (True, b"\x01\x02")
    assert json.loads(stream.mark("one") or b"") == {"action": "notify", "payload": {"name": "one"}}
    assert json.loads(stream.clear() or b"") == {"action": "clear"}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b'{"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}',
        b'{"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "call": "1"}',
        b'{"event": "websocket:notify"}',
    ],
)
def test_bad_messages_of_a_stream(vonage: Vonage, message: bytes) -> None:
    with pytest.raises(BadStreamMessageError):
        vonage.open_stream().read(message, binary=False)
