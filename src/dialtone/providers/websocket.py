"""The WebSocket connection under the vendors' clients: callbacks on the event loop, no task per message."""

import asyncio
import functools
import logging
import ssl
from collections.abc import Callable, Mapping

from picows import WSCloseCode, WSError, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from dialtone.providers.base import ProviderError
from dialtone.providers.refusal import refusal

logger = logging.getLogger(__name__)

_picows_logger = logging.getLogger(f"{__name__}.picows")
_picows_logger.setLevel(logging.WARNING)  # below that it tells of every connection, and far below of request headers

_MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_CLOSE_SECONDS = 1.0
"""How long `close` waits for what is still to be sent."""

_SCHEMES = {"http": "ws", "https": "wss"}

ABNORMAL_CLOSURE = 1006
"""Close code of a connection that ended without a close frame (RFC 6455 section 7.4.1)."""


def websocket_url(base_url: str) -> str:
    """`http(s)://` made `ws(s)://`, without a trailing slash."""
    scheme, _, rest = base_url.rstrip("/").partition("://")
    return f"{_SCHEMES.get(scheme, scheme)}://{rest}"


@functools.cache
def tls_context() -> ssl.SSLContext:
    """One TLS context for all connections: reading the certificates takes tens of milliseconds."""
    return ssl.create_default_context()


class WebSocket(WSListener):
    """One open client connection. After `close` no callback comes any more."""

    def __init__(self, on_text: Callable[[bytes], None], on_closed: Callable[[int, str], None]) -> None:
        super().__init__()
        self._on_text = on_text
        self._on_closed = on_closed
        self._transport: WSTransport | None = None
        self._silent = False
        self.was_open = False
        self._fragments: bytearray | None = None
        self.writable = True
        """False while more than the transport's high-water mark waits to be sent."""
        self.on_writable: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send_text(self, text: str) -> None:
        """Queue a text message; swallowed once the connection is gone."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, text.encode())

    def send_binary(self, data: bytes | bytearray) -> None:
        """Queue a binary message; swallowed once the connection is gone."""
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY, data)

    async def close(self) -> None:
        """Send what is queued and a close frame, then disconnect. Idempotent, never raises."""
        self._silent = True
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.send_close(WSCloseCode.OK)
        transport.disconnect()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await transport.wait_disconnected()
        except (TimeoutError, OSError, WSError):
            transport.disconnect(graceful=False)

    def abort(self) -> None:
        """Disconnect at once, dropping what is queued."""
        self._silent = True
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.was_open = True
        if self._silent:
            transport.disconnect(graceful=False)
        else:
            self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind == WSMsgType.TEXT or (kind == WSMsgType.CONTINUATION and self._fragments is not None):
            if frame.fin and self._fragments is None:
                self._deliver(frame.get_payload_as_bytes())
            else:
                self._collect(transport, frame)

    def _collect(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += frame.get_payload_as_bytes()
        if len(self._fragments) > _MAX_MESSAGE_BYTES:
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif frame.fin:
            message, self._fragments = bytes(self._fragments), None
            self._deliver(message)

    def _deliver(self, message: bytes) -> None:
        if self._silent:
            return
        try:
            self._on_text(message)
        except Exception:
            logger.exception("a vendor's message could not be handled")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        if self._silent:
            return
        self._silent = True
        handshake = transport.close_handshake
        received = handshake.recv if handshake is not None else None
        if received is None:
            self._on_closed(ABNORMAL_CLOSURE, "")
        else:
            code = received.code
            self._on_closed(int(code.value if isinstance(code, WSCloseCode) else code), received.reason or "")

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self.on_writable is not None:
            self.on_writable()


async def connect(
    provider: str,
    url: str,
    headers: Mapping[str, str],
    on_text: Callable[[bytes], None],
    on_closed: Callable[[int, str], None],
    *,
    secret: str = "",
    within: float = 5.0,
) -> WebSocket:
    """Open a connection within `within` seconds. `on_text` may be called before this returns.

    A peer that answers no ping for 20 seconds counts as gone. Raises `ProviderError` in the name of `provider`.
    """
    socket = WebSocket(on_text, on_closed)
    try:
        async with asyncio.timeout(within):
            await ws_connect(
                lambda: socket,
                url,
                ssl_context=tls_context() if url.startswith("wss:") else None,
                websocket_handshake_timeout=within,
                logger_name=_picows_logger,
                extra_headers=headers,
                max_frame_size=_MAX_MESSAGE_BYTES,
                max_redirects=0,
                enable_auto_ping=True,
                auto_ping_idle_timeout=10,
                auto_ping_reply_timeout=10,
            )
    except BaseException as error:
        socket.abort()  # an attempt given up may still succeed within picows: nobody would own that connection
        if not isinstance(error, Exception):
            raise
        raise _failure(provider, error, within, secret) from error
    if not socket.was_open:
        raise ProviderError(provider, "the connection was dropped while it was opened")
    return socket


def _failure(provider: str, error: Exception, within: float, secret: str) -> ProviderError:
    if isinstance(error, TimeoutError):
        return ProviderError(provider, f"no connection within {within:g} seconds")
    if isinstance(error, WSHandshakeError):
        if error.response is None:
            return ProviderError(provider, "the connection was dropped while it was opened")
        return refusal(provider, int(error.response.status), error.raw_body or b"", secret)
    return ProviderError(provider, f"no connection ({type(error).__name__})")
