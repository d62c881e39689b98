"""100,000 damaged messages: whatever comes in is read, answered or refused, and nothing else happens."""

import random
from collections.abc import Callable

import pytest

from dialtone.sip.digest import parse_challenge
from dialtone.sip.errors import ParseError
from dialtone.sip.framing import StreamFramer
from dialtone.sip.headers import parse_name_addr
from dialtone.sip.message import Request, parse_datagram
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, NotAcceptableError, answer_offer, make_offer
from dialtone.sip.sdp import parse_sdp
from dialtone.sip.validation import answerable, fault_of, unsupported_extensions, usable
from tests.sip.torture import VALID
from tests.sip.torture_refused import DROPPED, REFUSED, REFUSED_LATER

SPECIAL = [b"\r\n", b"\r\n ", b"\r", b"\n", b"\x00", b'"', b"\\", b"<", b">", b";", b",", b"=", b":", b"@", b"%",
           b" ", b"[", b"]", b"\xff\xfe", b"\xed\xa0\x80", b"9" * 30, b"-1", b"a" * 2000, b"SIP/2.0",
           b"Via: ", b"\r\n\r\n"]  # fmt: skip


def mutated(data: bytes, source: random.Random) -> bytes:
    for _ in range(source.randint(1, 4)):
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.choice((0, 1, 1, 2, 8, 64)))
        kind = source.random()
        if kind < 0.5:
            data = data[:start] + source.choice(SPECIAL) + data[end:]
        elif kind < 0.7:
            data = data[:start] + source.randbytes(end - start) + data[end:]
        elif kind < 0.8:
            data = data[:start] + data[end:]
        elif kind < 0.9:
            data = data[:start] + data[start:end] * source.randint(2, 5) + data[end:]
        else:
            data = data[:start]
    return data


def read_datagram(data: bytes) -> None:
    message = parse_datagram(data)
    if not isinstance(message, Request):
        usable(message)
    elif answerable(message):
        fault = fault_of(message)
        response = message.response(*(fault or (200, None)), to_tag="mine")
        parse_datagram(response.to_bytes())
        if fault is None:
            unsupported_extensions(message)
            parse_datagram(message.to_bytes())


def read_stream(data: bytes) -> None:
    framer = StreamFramer()
    for start in range(0, len(data), 300):
        list(framer.feed(data[start : start + 300]))


def read_offer(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    answer, _ = answer_offer(text, LocalAudio("192.0.2.1", 10000), AudioOptions())
    parse_sdp(answer)


def read_headers(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for parse in (parse_challenge, parse_name_addr):
        try:
            parse(text)
        except ParseError:
            continue


MESSAGES = [*VALID.values(), *REFUSED_LATER.values(), *DROPPED.values(), *(data for data, _ in REFUSED.values())]
OFFERS = [make_offer(LocalAudio("192.0.2.1", 1000), AudioOptions(srtp=srtp)).encode() for srtp in ("off", "required")]
HEADERS = [
    b'Digest realm="a", nonce="b\\"", algorithm=MD5, qop="auth,auth-int", opaque="", stale=FALSE',
    b'"Bell, \\"A\\"" <sip:bell:pw@[2001:db8::1]:5060;lr;x=y?Replaces=a%40b%3Bto-tag%3D1>;tag=1;q="a;b"',
]


@pytest.mark.parametrize(
    ("read", "seeds", "count"),
    [
        (read_datagram, MESSAGES, 50_000),
        (read_stream, MESSAGES, 20_000),
        (read_offer, OFFERS, 20_000),
        (read_headers, HEADERS, 10_000),
    ],
)
def test_damage_is_only_ever_refused(read: Callable[[bytes], None], seeds: list[bytes], count: int) -> None:
    source = random.Random(4475)
    for number in range(count):
        data = mutated(seeds[number % len(seeds)], source)
        try:
            read(data)
        except (ParseError, NotAcceptableError):
            continue
        except Exception as error:
            raise AssertionError(f"{read.__name__} of {data!r}") from error
