"""The connection under the clients: its address, its certificate check, and attempts that are given up."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dialtone.providers import websocket
from dialtone.providers.base import ProviderError
from tests.fakes.server import FakeServer, drop
from tests.providers.contracts import no_task_is_left

__all__ = ["no_task_is_left"]


class EchoServer(FakeServer):
    """Sends every text back, in two fragments."""

    def __init__(self, hold: bool = False, drops: bool = False) -> None:
        super().__init__()
        self.hold = hold
        self.drops = drops
        self.release = asyncio.Event()
        self.requests = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.handle)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.seen()
        if self.drops:
            drop(request)
        if self.hold:
            await self.release.wait()
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open_connections += 1
        self.seen()
        try:
            async for message in socket:
                text = message.data.encode()
                assert request.transport is not None
                request.transport.write(bytes([0x01, 2]) + text[:2] + bytes([0x80, len(text) - 2]) + text[2:])
        finally:
            self.open_connections -= 1
            self.seen()
        return socket


class Received:
    def __init__(self) -> None:
        self.texts: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Queue[int] = asyncio.Queue()

    def on_closed(self, code: int, reason: str) -> None:
        self.closed.put_nowait(code)


async def connect(url: str, within: float = 5.0) -> tuple[websocket.WebSocket, Received]:
    received = Received()
    socket = await websocket.connect("vendor", url, {}, received.texts.put_nowait, received.on_closed, within=within)
    return socket, received


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.example.com/", "wss://api.example.com"),
        ("http://localhost:80/x", "ws://localhost:80/x"),
        ("wss://a.b", "wss://a.b"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert websocket.websocket_url(base) == url


async def test_fragments_are_put_together_and_closing_is_silent() -> None:
    async with EchoServer() as server:
        socket, received = await connect(websocket.websocket_url(server.url))
        socket.send_text("hello")
        assert await received.texts.get() == b"hello"
        await socket.close()
        await socket.close()
        socket.send_text("into the void")
        await server.wait_until(lambda: server.open_connections == 0)
        assert received.closed.empty()


@pytest.mark.parametrize("end", ["cancel", "timeout"])
async def test_an_attempt_given_up_leaves_no_connection(end: str) -> None:
    async with EchoServer(hold=True) as server:
        attempt = asyncio.ensure_future(connect(websocket.websocket_url(server.url), 5.0 if end == "cancel" else 0.2))
        await server.wait_until(lambda: server.requests == 1)
        if end == "cancel":
            attempt.cancel()
        with pytest.raises((asyncio.CancelledError, ProviderError)):
            await attempt
        server.release.set()
        if end == "cancel":
            await server.wait_until(lambda: server.open_connections == 1)
        await server.wait_until(lambda: server.open_connections == 0)


async def test_dropped_while_it_is_opened() -> None:
    async with EchoServer(drops=True) as server:
        with pytest.raises(ProviderError, match="vendor: the connection was dropped while it was opened"):
            await connect(websocket.websocket_url(server.url))


async def test_a_peer_that_speaks_no_http() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError, match="vendor: "):
            await connect(f"ws://127.0.0.1:{port}")


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate of its own making for 127.0.0.1, written to `folder / cert.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake vendor")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(5):
        tls_server = EchoServer()
        app = web.Application()
        app.add_routes(tls_server.routes())
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate(tmp_path)).start()
        url = f"wss://127.0.0.1:{runner.addresses[0][1]}/"
        with pytest.raises(ProviderError, match="SSLCertVerificationError"):
            await connect(url)
        trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        monkeypatch.setattr(websocket, "tls_context", lambda: trusting)
        socket, received = await connect(url)
        socket.send_text("secret")
        assert await received.texts.get() == b"secret"
        await socket.close()
        await runner.cleanup()
