import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError
from dialtone.webhooks.room import AT_ONCE_TO_UNPROVEN
from tests.platform_http.servers import http_server, raw_server


@pytest.fixture
async def http() -> AsyncIterator[GuardedHttp]:
    async with GuardedHttp(allow_private_addresses=True) as client:
        yield client


@pytest.fixture
async def public_only() -> AsyncIterator[GuardedHttp]:
    async with GuardedHttp(allow_private_addresses=False) as client:
        yield client


def answering(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to `answers`, one after the other; returns the names asked for so far."""
    asked: list[str] = []
    queue = list(answers)

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
        asked.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port),
            )
            for address in queue.pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_returns_status_headers_and_body(http: GuardedHttp) -> None:
    async def handler(request: web.Request) -> web.Response:
        text = f"{request.method} {request.path_qs} {request.headers['X-Mine']} {await request.text()}"
        return web.Response(status=418, text=text, headers={"X-Theirs": "2"})

    async with http_server(handler) as host:
        response = await http.request(
            "POST", f"http://{host}/a%2Fb?c=d", headers={"X-Mine": "1"}, body=b"hello", total_seconds=5
        )
    assert (response.status, response.headers["x-theirs"]) == (418, "2")
    assert response.body == b"POST /a%2Fb?c=d 1 hello"


async def test_private_literal_is_refused_without_a_connection(public_only: GuardedHttp) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise AssertionError("the request must not arrive")

    async with http_server(handler) as host:
        with pytest.raises(GuardedRequestError, match=r"non-public address 127\.0\.0\.1") as refusal:
            await public_only.request("GET", f"http://{host}/", total_seconds=5)
    assert not refusal.value.retryable


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1%lo"])
async def test_name_that_leads_inside_is_refused(
    public_only: GuardedHttp, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    answering(monkeypatch, [address])
    with pytest.raises(GuardedRequestError, match=r"inside\.example leads to a non-public address") as refusal:
        await public_only.request("GET", "http://inside.example/", total_seconds=5)
    assert not refusal.value.retryable


async def test_the_checked_answer_is_the_one_connected_to(http: GuardedHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.host)

    async with http_server(handler) as host:
        port = host.partition(":")[2]
        # The metadata address is dropped; a second answer, as a rebinding name server would give it, is never asked.
        asked = answering(monkeypatch, ["169.254.169.254", "127.0.0.1"], ["169.254.169.254"])
        response = await http.request("GET", f"http://hook.example:{port}/", total_seconds=5)
    assert response.body.decode() == f"hook.example:{port}"
    assert asked == ["hook.example"]


async def test_unresolvable_name(http: GuardedHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*arguments: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(GuardedRequestError, match=r"the name nowhere\.example could not be resolved") as failure:
        await http.request("GET", "http://nowhere.example/", total_seconds=5)
    assert failure.value.retryable


async def test_name_servers_that_never_answer_hold_up_nobody_else(
    http: GuardedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there may be webhooks under way to receivers that have not proven themselves."""
    release = threading.Event()

    def getaddrinfo(host: str, port: int, *rest: Any) -> list[Any]:
        if host.startswith("slow"):
            release.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="quick")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with http_server(handler) as host, asyncio.TaskGroup() as tasks:
        port = host.partition(":")[2]
        urls = [f"http://slow{number}.example:{port}/" for number in range(AT_ONCE_TO_UNPROVEN)]
        slow = [tasks.create_task(http.request("GET", url, total_seconds=30, connect_seconds=30)) for url in urls]
        await asyncio.sleep(0)
        try:
            quick = await http.request("GET", f"http://quick.example:{port}/", total_seconds=10)
            assert quick.body == b"quick"
            assert not any(task.done() for task in slow)
        finally:
            release.set()


async def test_redirects_are_not_followed(http: GuardedHttp) -> None:
    paths = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with http_server(handler) as host:
        response = await http.request("GET", f"http://{host}/here", total_seconds=5)
    assert response.status == 302
    assert paths == ["/here"]


async def test_cookies_are_not_kept(http: GuardedHttp) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Cookie", "none"), headers={"Set-Cookie": "a=b"})

    async with http_server(handler) as host:
        await http.request("GET", f"http://{host}/", total_seconds=5)
        assert (await http.request("GET", f"http://{host}/", total_seconds=5)).body == b"none"


async def test_silent_server_costs_the_total_time_only(http: GuardedHttp) -> None:
    async with raw_server(None) as host:
        with pytest.raises(GuardedRequestError, match=r"no complete answer within 0\.2 s"):
            await http.request("GET", f"http://{host}/", total_seconds=0.2)


async def test_dripping_server_costs_the_total_time_only(http: GuardedHttp) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.02)

    async with http_server(handler) as host:
        with pytest.raises(GuardedRequestError, match="no complete answer"):
            await http.request("GET", f"http://{host}/", total_seconds=0.2)


async def test_reading_stops_at_the_limit(http: GuardedHttp) -> None:
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        finally:
            gone.set()

    async with http_server(handler) as host:
        with pytest.raises(GuardedRequestError, match="more than 1048576 bytes"):
            await http.request("GET", f"http://{host}/", total_seconds=10)
        await asyncio.wait_for(gone.wait(), 5)


async def test_answer_as_large_as_the_limit_is_taken(http: GuardedHttp) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1000)

    async with http_server(handler) as host:
        response = await http.request("GET", f"http://{host}/", total_seconds=5, max_response_bytes=1000)
        assert len(response.body) == 1000
        with pytest.raises(GuardedRequestError, match="more than 999 bytes"):
            await http.request("GET", f"http://{host}/", total_seconds=5, max_response_bytes=999)


async def test_compressed_answer_is_refused(http: GuardedHttp) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})

    async with http_server(handler) as host:
        with pytest.raises(GuardedRequestError, match="compression that was not asked for"):
            await http.request("GET", f"http://{host}/", total_seconds=5)


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]
)
async def test_server_that_breaks_off_or_speaks_no_http(http: GuardedHttp, answer: bytes) -> None:
    async with raw_server(answer) as host:
        with pytest.raises(GuardedRequestError, match=r"127\.0\.0\.1 broke off or did not speak HTTP"):
            await http.request("GET", f"http://{host}/", total_seconds=5)


async def test_refused_connection(http: GuardedHttp) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(GuardedRequestError, match=r"no connection to 127\.0\.0\.1") as failure:
            await http.request("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/", total_seconds=5)
    assert failure.value.retryable


async def test_header_injection_is_refused(http: GuardedHttp) -> None:
    async with raw_server(b"") as host:
        with pytest.raises(GuardedRequestError, match="not valid") as refusal:
            await http.request("GET", f"http://{host}/", headers={"X": "a\r\nY: b"}, total_seconds=5)
    assert not refusal.value.retryable


async def test_errors_name_no_path_or_query(http: GuardedHttp) -> None:
    async with raw_server(b"") as host:
        with pytest.raises(GuardedRequestError) as failure:
            await http.request("GET", f"http://{host}/hidden?token=hidden", total_seconds=5)
    assert "hidden" not in str(failure.value)


async def test_untrusted_certificate_is_refused(http: GuardedHttp, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise AssertionError("the request must not arrive")

    async with http_server(handler, _self_signed(tmp_path)) as host:
        with pytest.raises(GuardedRequestError, match=r"no secure connection to 127\.0\.0\.1: .*self.signed"):
            await http.request("GET", f"https://{host}/", total_seconds=5)


def _self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_close_is_idempotent_and_leaves_no_thread() -> None:
    client = GuardedHttp(allow_private_addresses=True)
    await client.close()
    async with raw_server(b"HTTP/1.1 204 No Content\r\n\r\n") as host:
        assert (await client.request("GET", f"http://{host}/", total_seconds=5)).status == 204
    await client.close()
    await client.close()
