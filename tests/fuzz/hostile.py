"""Values that no client should send, and how they are written: JSON text, where need be JSON that is none."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """A piece of a body that is written as it is."""

    text: bytes

    def __repr__(self) -> str:
        return f"Raw({self.text[:40]!r}, {len(self.text)} bytes)"


def written(value: Any) -> bytes:
    """`value` as a body."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return b"{%b}" % b", ".join(written(name) + b": " + written(item) for name, item in value.items())
    if isinstance(value, list):
        return b"[%b]" % b", ".join(map(written, value))
    return json.dumps(value, ensure_ascii=False).encode()


def _nested(opening: bytes, closing: bytes, levels: int) -> Raw:
    return Raw(opening * levels + b"1" + closing * levels)


NUMBERS: list[Any] = [
    *(0, -1, 1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**300, 0.1, -0.0, 1e308, 5e-324),
    Raw(b"-0"),
    Raw(b"1e400"),
    Raw(b"-1e400"),
    Raw(b"1E2"),
    Raw(b"NaN"),
    Raw(b"Infinity"),
    Raw(b"-Infinity"),
    Raw(b"01"),
    Raw(b"0x10"),
    Raw(b"1" * 5000),
]
TEXTS: list[Any] = [
    *("", " ", "1", "true", "null", "********", "\x7f", "\u202e", "\u2028", "\ufeff", "\ufffe", "é" * 300, "😀" * 200),
    *("../../etc/passwd", "%00", "{{name}}", "{{", "' OR 1=1 --", "<script>", "$ref", "=1+1", "a\r\nX-Injected: 1"),
    *("00000000-0000-0000-0000-000000000000", "{00000000000000000000000000000000}", "urn:uuid:0"),
    *("9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30", "2026-01-01T00:00:00"),
    *(
        "http://[",
        "http://a:99999999",
        "https://user:pw@x",
        "http://x\\y",
        "https://\u2100.example",
        "sip:",
        "+",
        "+31",
    ),
    *("a@b.c", "xn--", "é.example", "1.2.3.4/33", "::ffff:1.2.3.4", "fe80::1%eth0", "[::1]:5060", "\u0661\u0662"),
    "x" * 100_000,
    Raw(b'"\\ud800"'),
    Raw(b'"\\udc00\\ud800"'),
    Raw(b'"\\u0000"'),
    Raw(b'"\x00"'),
    Raw(b'"\n"'),
    Raw(b'"\xff\xfe"'),
    Raw(b'"\xed\xa0\x80"'),
    Raw(b'"\\x"'),
    Raw(b"'x'"),
]
STRUCTURES: list[Any] = [
    *(None, True, False, [], {}, [[]], [None], [1] * 5000, {str(index): index for index in range(5000)}),
    *({"": 1}, {"\u0001": 1}, {"x" * 5000: 1}, {"__proto__": {"x": 1}}, {"type": "object", "$ref": "#"}),
    *({"$ref": "http://127.0.0.1:1/x"}, {"type": ["object", "x"]}, {"pattern": "(a+)+$"}, {"pattern": "("}),
    _nested(b"[", b"]", 40),
    _nested(b'{"a":', b"}", 40),
    _nested(b"[", b"]", 10_000),
    _nested(b'{"a":', b"}", 10_000),
    Raw(b"[" * 10_000),
    Raw(b'{"a": 1, "a": 2}'),
    Raw(b'{"a\\u0000": 1}'),
    Raw(b'{"\\ud800": 1}'),
    Raw(b"[1,]"),
    Raw(b"{a: 1}"),
    Raw(b"undefined"),
    Raw(b"1 /* one */"),
]
VALUES = [*NUMBERS, *TEXTS, *STRUCTURES]

TOP_LEVELS: list[bytes] = [
    *(
        b"",
        b" ",
        b"\n\n",
        b"null",
        b"true",
        b"1",
        b'"x"',
        b"[]",
        b"[{}]",
        b"{",
        b"}",
        b"{}{}",
        b"{} x",
        b"\x00",
        b"\xff",
    ),
    b"\xef\xbb\xbf{}",
    '{"name": "x"}'.encode("utf-16"),
    '{"name": "x"}'.encode("utf-32"),
    b'{"name": "x", "name": "y"}',
    b"[" * 1_000_000,
    b'{"a":' * 200_000,
    b"\x1f\x8b\x08\x00" + b"\x00" * 20,
    b"name=x&provider=y",
    b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--b--",
]
"""Whole bodies, none of which is a JSON object."""

CONTENT_TYPES = [
    *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/xml"),
    *("application/jsonp", "json", ";", "application/", "\xff", "a" * 5000),
]
"""None of which is JSON's."""

ADDRESS_PARTS = [
    *("%00", "%2F", "%2F..%2F..%2Fetc%2Fpasswd", "..", "%2e%2e", "%2B", "+", "%20", "%0d%0aX-Injected:1", "%ff", "%zz"),
    *("%ed%a0%80", "%F0%9F%98%80", "%7B00000000-0000-0000-0000-000000000000%7D", "urn:uuid:0", "0", "-1", "null"),
    *("00000000000000000000000000000000", "00000000-0000-0000-0000-000000000000", "1e400", "NaN", "9" * 400, "%"),
    *("%27%20OR%201=1", "*", ";", "a" * 10_000, "%41" * 5_000, "[]", "2026-02-30", "9999-12-31T23:59:59-23:59"),
    *("0001-01-01T00:00:00%2B23:59", "true", "2147483648", "9223372036854775808", "-0", "1.5", "%D9%A1"),
]
"""Parts of paths and values of queries, percent-encoded or wrongly so."""
