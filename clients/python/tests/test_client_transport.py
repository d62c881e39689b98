"""What is sent, what is sent again, and what an error says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from dialtone_client.errors import ApiError
from dialtone_client.transport import AsyncTransport, Transport

Answer = httpx.Response | httpx.TransportError


class Server:
    """Answers one after another, and keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []
        self._answers = list(answers)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def transport(self) -> Transport:
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        return Transport("http://server/api/v1/", "fl_key", http=http, sleep=self.slept.append)

    def async_transport(self) -> AsyncTransport:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return AsyncTransport("http://server/api/v1/", "fl_key", http=http, sleep=self._sleep)


def ok(body: object = None) -> httpx.Response:
    return httpx.Response(200, json={"ok": True} if body is None else body)


def busy(retry_after: str) -> httpx.Response:
    return httpx.Response(429, json={"error": "Rate limit exceeded"}, headers={"Retry-After": retry_after})


async def ask(server: Server, is_async: bool, method: str) -> object:
    if is_async:
        return await server.async_transport().request(method, "/things", query={"a": "1", "b": None}, body={"c": None})
    return server.transport().request(method, "/things", query={"a": "1", "b": None}, body={"c": None})


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both
async def test_a_request_carries_key_query_and_body(is_async: bool) -> None:
    server = Server(ok())
    assert await ask(server, is_async, "POST") == {"ok": True}
    request = server.asked[0]
    assert str(request.url) == "http://server/api/v1/things?a=1"
    assert request.headers["authorization"] == "Bearer fl_key"
    assert request.content == b'{"c":null}'


@both
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_refusal_for_the_rate_is_sent_again_as_the_server_asks(is_async: bool, method: str) -> None:
    server = Server(busy("7"), busy("999"), ok())
    assert await ask(server, is_async, method) == {"ok": True}
    assert server.slept == [7.0, 30.0]


@both
async def test_the_third_refusal_is_final(is_async: bool) -> None:
    server = Server(busy("1"), busy("1"), busy("1"))
    with pytest.raises(ApiError) as caught:
        await ask(server, is_async, "GET")
    assert caught.value.status == 429
    assert len(server.asked) == 3


def test_the_time_to_wait_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server = Server(busy(later), ok())
    server.transport().request("GET", "/things")
    assert 15 < server.slept[0] <= 20


@both
@pytest.mark.parametrize("broken", [lambda: httpx.Response(502), lambda: httpx.ReadTimeout("slow")])
async def test_what_can_not_act_twice_is_sent_again_after_a_failure(
    is_async: bool, broken: Callable[[], Answer]
) -> None:
    server = Server(broken(), broken(), ok())
    assert await ask(server, is_async, "GET") == {"ok": True}
    assert server.slept == [1.0, 2.0]


@both
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_might_act_twice_is_not(is_async: bool, method: str) -> None:
    server = Server(httpx.Response(500, json={"error": "Internal server error"}))
    with pytest.raises(ApiError, match="Internal server error"):
        await ask(server, is_async, method)
    lost = Server(httpx.ReadTimeout("slow"))
    with pytest.raises(httpx.ReadTimeout):
        await ask(lost, is_async, method)
    assert len(server.asked) == len(lost.asked) == 1


def test_an_error_says_what_the_server_said() -> None:
    body = {
        "error": "Invalid request",
        "code": "invalid_request",
        "message": "Correct the fields named in details.",
        "details": ["name: is required"],
    }
    with pytest.raises(ApiError) as caught:
        Server(httpx.Response(400, json=body)).transport().request("POST", "/things")
    error = caught.value
    assert (error.status, error.code, error.details) == (400, "invalid_request", ["name: is required"])
    assert str(error) == "Invalid request: Correct the fields named in details.; name: is required"


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"error": {"code": "old"}}'])
def test_an_answer_in_another_shape_is_an_error_all_the_same(content: bytes) -> None:
    with pytest.raises(ApiError, match="HTTP 404"):
        Server(httpx.Response(404, content=content)).transport().request("GET", "/things")
