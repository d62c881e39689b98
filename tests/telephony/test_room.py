"""The telephone starts and stops with the server."""

import socket

import pytest

from dialtone.server import create_app
from dialtone.settings import Settings


async def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen = f"udp://127.0.0.1:{taken.getsockname()[1]}"
        app = create_app(settings.model_copy(update={"sip_listen": listen}))
        with pytest.raises(OSError, match=f"DIALTONE_SIP_LISTEN .{listen}.: "):
            async with app.router.lifespan_context(app):
                pass


async def test_all_transports_are_opened_and_closed(settings: Settings) -> None:
    listen = "udp://127.0.0.1:0, tcp://127.0.0.1:0"
    app = create_app(settings.model_copy(update={"sip_listen": listen}))
    async with app.router.lifespan_context(app):
        opened = app.state.parts.telephony.listening_on()
        assert [transport for transport, _ in opened] == ["udp", "tcp"]
        assert len(app.state.parts.calls.dialers) == 1
    assert app.state.parts.telephony.listening_on() == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(opened[0][1])
