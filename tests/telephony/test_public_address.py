"""Behind NAT, a STUN server tells how others see the telephone."""

import asyncio
import socket

import pytest

from dialtone.settings import Settings
from dialtone.telephony.options import telephone_options
from dialtone.telephony.public_address import ASK_EVERY_SECONDS, PublicAddress
from tests.fakes.stun import fake_stun
from tests.sip.stage import phone, run
from tests.sip.test_network import Names

OUTSIDE, INSIDE = "8.8.8.8", "127.0.0.1"
NAME = "stun.example.com"


def names() -> Names:
    known = Names()
    known.hosts[NAME] = ["127.0.0.1"]
    return known


def test_others_outside_are_told_what_the_server_sees_also_when_it_changes() -> None:
    async def main() -> None:
        async with fake_stun("203.0.113.9") as server, phone(resolver=names()) as alice:
            address = PublicAddress(alice.agent, server.address.replace("127.0.0.1", NAME))
            await address.start()
            assert alice.agent.address_for(OUTSIDE) == "203.0.113.9"
            assert alice.agent.address_for(INSIDE) == "127.0.0.1"
            server.seen_as = "203.0.113.10"
            await asyncio.sleep(ASK_EVERY_SECONDS + 1)
            assert alice.agent.address_for(OUTSIDE) == "203.0.113.10"
            await address.stop()

    run(main())


@pytest.mark.parametrize("where", [NAME, "no-such-host.invalid"])
def test_a_server_that_is_away_keeps_nobody_from_starting(where: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            async with phone(resolver=names()) as alice:
                address = PublicAddress(alice.agent, f"{where}:{silent.getsockname()[1]}")
                await address.start()
                await asyncio.sleep(10 * ASK_EVERY_SECONDS)
                await address.stop()

    run(main())
    assert caplog.text.count("does not answer") == 1  # not with every try


@pytest.mark.parametrize(
    ("listen", "server", "words"),
    [
        ("udp://127.0.0.1:0", ":3478", "needs a host"),
        ("tcp://127.0.0.1:0", "stun.example.com", "needs a udp:// address"),
    ],
)
def test_settings_that_cannot_work_are_refused(listen: str, server: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"DIALTONE_SIP_STUN {words}"):
        telephone_options(Settings(sip_listen=listen, sip_stun=server))
