"""Bytes that no HTTP client would send, over a socket: each is refused in the API's own shape, or cut off."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fuzz.conftest import MAX_BODY_BYTES, Target
from tests.fuzz.expectations import check_refusal
from tests.fuzz.operations import Answer
from tests.whole.processes import KEY

SECONDS = 20
KEYED = f"Authorization: Bearer {KEY}\r\n".encode()
TO = b"POST /api/v1/assistants HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + KEYED
LIST = b"GET /api/v1/assistants HTTP/1.1\r\nHost: x\r\n" + KEYED
BODY = b'{"name": "smuggled"}'
SIZED = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@contextmanager
def connected(target: Target) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", target.server.port), timeout=SECONDS) as connection:
        yield connection


def answers(connection: socket.socket) -> list[Answer]:
    """All answers until the server closes. Its refusals come whole, whatever it has not read."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers["content-length"])
        found.append(Answer(int(status.split()[1]), headers, rest[:length]))
        received = rest[length:]
    return found


def sent(target: Target, content: bytes) -> list[Answer]:
    with connected(target) as connection:
        connection.sendall(content)
        return answers(connection)


NOT_HTTP = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 3": b"GET / HTTP/3.0\r\n\r\n",
    "unknown method": b"FETCH /api/v1/assistants HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": TO + SIZED + b"Content-Length: 4\r\n\r\n" + BODY,
    "two equal lengths": TO + SIZED + SIZED + b"\r\n" + BODY,
    "length and chunks": TO + SIZED + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "negative length": TO + b"Content-Length: -1\r\n\r\n" + BODY,
    "length with a sign": TO + b"Content-Length: +20\r\n\r\n" + BODY,
    "length as a list": TO + b"Content-Length: 20, 20\r\n\r\n" + BODY,
    "length beyond 64 bits": TO + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "chunks that are none": TO + CHUNKED + b"\r\nxyz\r\n" + BODY,
    "chunk size beyond 64 bits": TO + CHUNKED + b"\r\n" + b"f" * 20 + b"\r\n" + BODY,
    "chunks twice over": TO + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a header without a colon": LIST + b"no colon here\r\n\r\n",
    "a space before the colon": LIST + b"Content-Length : 5\r\n\r\nhello",
    "a folded header": LIST + b"X-Folded: a\r\n b\r\n\r\n",
    "a zero in a header": LIST + b"X-Zero: a\x00b\r\n\r\n",
    "a zero in the address": b"GET /api/v1/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the address": b"GET /api/v1/assistants /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the address": b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
}


def test_what_is_no_request_is_refused(target: Target, subtests: pytest.Subtests) -> None:
    rows = target.look()
    for name, content in NOT_HTTP.items():
        with subtests.test(case=name):
            found = sent(target, content)
            assert [one.status for one in found] == [400], found
            check_refusal(found[0])
    target.unchanged_since(rows)


TOO_LARGE = {
    "one header": LIST + b"X-Large: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "a header without an end": LIST + b"X-Large: " + b"x" * 3_000_000,
    "many headers": LIST + b"X-Small: 1\r\n" * 20_000 + b"\r\n",
    "the name of a header": LIST + b"x" * 200_000 + b": 1\r\n\r\n",
    "the address": b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "the key": b"GET /api/v1/assistants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer fl_"
    + b"x" * 100_000
    + b"\r\n\r\n",
    "trailers": TO + CHUNKED + b"\r\n0\r\nX-Trailer: " + b"x" * 3_000_000,
    "the extension of a chunk": TO + CHUNKED + b"\r\n1;" + b"x" * 3_000_000,
}


def test_heads_and_framing_are_bounded(target: Target, subtests: pytest.Subtests) -> None:
    rows = target.look()
    for name, content in TOO_LARGE.items():
        with subtests.test(case=name):
            found = sent(target, content)
            assert [(one.status, one.document["code"]) for one in found] == [(431, "headers_too_large")], found
            check_refusal(found[0])
    target.unchanged_since(rows)


def test_large_heads_within_the_bounds_are_served(target: Target) -> None:
    for filler in (b"X-Large: " + b"x" * 60_000 + b"\r\n", b"X-Small: 1\r\n" * 3_000):
        found = sent(target, LIST + filler + b"Connection: close\r\n\r\n")
        assert [one.status for one in found] == [200]


def test_a_request_that_ends_too_early_leaves_nothing_behind(target: Target, subtests: pytest.Subtests) -> None:
    rows = target.look()
    for name, content in {
        "in its first line": b"POST /api/v1/assi",
        "in a header": TO + b"Content-Le",
        "before the body": TO + SIZED + b"\r\n",
        "in the body": TO + SIZED + b"\r\n" + BODY[:-1],
        "in a chunk": TO + CHUNKED + b"\r\n14\r\n" + BODY[:-1],
        "before the last chunk": TO + CHUNKED + b"\r\n14\r\n" + BODY + b"\r\n",
    }.items():
        with subtests.test(case=name), connected(target) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            assert answers(connection) == []
    target.unchanged_since(rows)


def test_a_body_that_is_too_large_is_refused_to_clients_that_send_it_all(target: Target) -> None:
    """Most clients read no answer before they have sent their body: it must not be lost with the connection."""
    whole = MAX_BODY_BYTES * 2
    announced = TO + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % whole
    chunked = TO + CHUNKED + b"Connection: close\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (1_000_000, b" " * 1_000_000)
    for content in (announced + b" " * whole, chunked + chunk * (whole // 1_000_000) + b"0\r\n\r\n"):
        found = sent(target, content)
        assert [(one.status, one.document["code"]) for one in found] == [(413, "body_too_large")]
        check_refusal(found[0])


def test_a_connection_goes_on_after_a_body_that_was_not_wanted(target: Target) -> None:
    keyless = TO.replace(KEYED, b"") + b"Content-Length: 300000\r\n\r\n" + b" " * 300_000
    found = sent(target, keyless + LIST + b"Connection: close\r\n\r\n")
    assert [one.status for one in found] == [401, 200]


def test_a_smuggled_request_is_none(target: Target) -> None:
    """What is in a body stays in it, whatever it looks like."""
    inner = TO + SIZED + b"\r\n" + BODY
    rows = target.look()
    found = sent(target, TO + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(inner) + inner)
    assert [(one.status, one.document["code"]) for one in found] == [(400, "invalid_json")]
    target.unchanged_since(rows)


def test_requests_in_one_go_are_answered_in_their_order(target: Target) -> None:
    health = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"
    found = sent(target, (LIST + b"\r\n" + health + b"\r\n") * 20 + health + b"Connection: close\r\n\r\n")
    assert ["assistants" in one.document for one in found] == [True, False] * 20 + [False]


def test_what_the_framework_answers_itself_is_in_the_same_shape(target: Target, subtests: pytest.Subtests) -> None:
    cases = {
        b"PUT /api/v1/assistants": 405,
        b"TRACE /api/v1/assistants": 405,
        b"OPTIONS /api/v1/assistants": 405,
        b"GET /api/v1/assistants/": 404,
        b"GET /api/v1//assistants": 404,
        b"GET //api/v1/assistants": 404,
        b"GET /api/v1/../v1/assistants": 404,
        b"GET /docs": 404,
        b"GET /?": 404,
    }
    for request, status in cases.items():
        with subtests.test(request=request):
            (found,) = sent(target, request + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + KEYED + b"\r\n")
            assert found.status == status
            check_refusal(found)


def test_json_is_refused_with_its_place(target: Target) -> None:
    (found,) = sent(target, TO + b"Content-Length: 1\r\nConnection: close\r\n\r\n{")
    assert json.loads(found.content)["message"] == (
        "The body is not JSON: Expecting property name enclosed in double quotes at line 1, column 2."
    )


def test_clients_that_leave_before_their_answers_are_no_error(target: Target) -> None:
    for _ in range(10):
        with connected(target) as connection:
            connection.sendall((LIST + b"\r\n") * 30)
            connection.shutdown(socket.SHUT_WR)
            answers(connection)
    assert target.server.complaints() == []
