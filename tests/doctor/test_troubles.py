"""What the doctor says of trunks that can't be reached, of addresses, and of what is stored."""

import socket
import ssl
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from dialtone.doctor import audio
from dialtone.platform.db import Database
from dialtone.settings import Settings
from dialtone.sip.endpoint import Options
from dialtone.sip.transports import Listener, TransportOptions
from dialtone.sip.user_agent import UserAgent
from tests.doctor.findings import LOGIN, about, findings_of, fixes, free_port, make_trunk
from tests.fakes.stun import fake_stun
from tests.sip.certificates import make_certificate
from tests.sip.stage import accept_all, phone


@pytest.fixture
def database_url() -> None:
    """What is stored is read on both databases beside a running server."""


async def test_ways_that_lead_to_no_trunk(settings: Settings, client: httpx.AsyncClient, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificate(tmp_path))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with phone(transports=("tls",), certificate=context) as far:
            await make_trunk(client, "no-such-host.invalid:5060", name="name")
            closed = free_port()
            await make_trunk(client, f"127.0.0.1:{closed}", name="refused", transport="tcp", **LOGIN)
            await make_trunk(client, "[::1]:5060", name="family")
            await make_trunk(client, f"127.0.0.1:{silent.getsockname()[1]}", name="silent", **LOGIN)
            await make_trunk(client, far.uri(transport="tls")[8:].split(";")[0], name="strange", transport="tls")
            found = await findings_of(settings)
    assert about(found, "trunk name") == [("failed", "The address of no-such-host.invalid is not found.")]
    refused = f"127.0.0.1 (tcp 127.0.0.1 port {closed}) refused the connection."
    assert about(found, "trunk refused") == [("failed", refused)]
    [(status, words)] = about(found, "trunk family")
    assert (status, words[:39]) == ("failed", "Calls to it need UDP over IPv6, and DIA")
    [(status, words)] = about(found, "trunk silent")
    assert (status, words[-24:]) == ("failed", "does not answer OPTIONS.")
    [(status, words)] = about(found, "trunk strange")
    assert (status, words[:33]) == ("failed", "The certificate of 127.0.0.1 (tls")
    assert "is not of an authority that this server trusts" in words
    assert "SSL_CERT_FILE" in fixes(found, "trunk strange")


async def test_audio_that_nobody_outside_can_send(settings: Settings) -> None:
    agents = [_agent(address) for address in (None, "203.0.113.5", "8.8.4.4")]
    seen = [audio.address_for(agent, "trunk", "8.8.8.8") for agent in agents]  # nothing is sent there
    assert [each and (each.address, each.warning is None) for each in seen] == [
        ("127.0.0.1", False),
        ("203.0.113.5", False),  # an address for examples
        ("8.8.4.4", True),
    ]
    assert seen[0] is not None
    assert seen[0].warning is not None
    assert "Set DIALTONE_SIP_PUBLIC_ADDRESS" in (seen[0].warning.fix or "")
    inside = audio.address_for(agents[0], "trunk", "127.0.0.1")
    assert inside is not None
    assert inside.warning is None


def _agent(public: str | None) -> UserAgent:
    listening = TransportOptions((Listener("udp", "127.0.0.1", 0),), public_address=public)
    return UserAgent(Options(listening), lambda event: None, accept_all)


async def test_what_others_see_is_compared(settings: Settings) -> None:
    said = []
    for address, offset in ((None, 0), ("203.0.113.9", 0), (None, 2)):
        async with fake_stun(address, offset) as server:
            found = await findings_of(settings, sip_stun=server.address)
        said += about(found, "public address")
        hint = fixes(found, "public address")
        assert ("DIALTONE_SIP_PUBLIC_ADDRESS=203.0.113.9" in hint) == (address is not None)
    assert [status for status, _ in said] == ["ok", "failed", "warning"]
    assert said[1][1] == "127.0.0.1 is named to others, who see 203.0.113.9."
    nobody = await findings_of(settings, sip_stun=f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    assert about(nobody, "public address")[0][0] == "warning"
    wrong = await findings_of(settings, sip_stun="no-such-host.invalid")
    assert about(wrong, "public address")[0][0] == "failed"


async def test_addresses_to_listen_on(settings: Settings) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port, free = taken.getsockname()[1], free_port()
        listen = f"udp://127.0.0.1:{port},tcp://192.0.2.1:5060,tcp://0.0.0.0:{free}"
        found = await findings_of(settings, sip_listen=listen)
    assert about(found, "listener") == [
        ("failed", "Another program listens here."),
        ("failed", "This machine does not have the address."),
        ("ok", "The address is free for the server."),
    ]
    assert about(found, "public address")[0][0] == "ok"
    assert about(found, "trunks") == [("warning", "There is no active one: nobody can call.")]
    found = await findings_of(settings, sip_listen="udp://192.0.2.1:5060")
    nobody = "No address of DIALTONE_SIP_LISTEN is this machine's, so nobody was asked."
    assert about(found, "trunks")[1] == ("failed", nobody)
    assert about(found, "audio ports")[0][0] == "failed"


async def test_settings_that_leave_no_telephone(settings: Settings) -> None:
    [(status, words)] = about(await findings_of(settings, sip_listen=""), "settings")
    assert (status, words) == ("failed", "There is no telephone: DIALTONE_SIP_LISTEN is not set.")
    [(status, words)] = about(await findings_of(settings, sip_listen="5060"), "settings")
    assert (status, words[:39]) == ("failed", "DIALTONE_SIP_LISTEN must be addresses l")


async def test_ports_for_audio(settings: Settings) -> None:
    few = await findings_of(settings, rtp_ports="35100-35119", max_calls=11)
    assert about(few, "audio ports") == [("warning", "35100-35119 has room for 10 calls, and the server takes 11.")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 35103))
        one_less = await findings_of(settings, rtp_ports="35100-35119", max_calls=10)
        none = await findings_of(settings, rtp_ports="35102-35103")
    assert about(one_less, "audio ports")[0][1].startswith("35100-35119 has room for 9 calls")
    assert about(none, "audio ports") == [("failed", "All of 35102-35103 are taken.")]


@pytest.mark.parametrize(
    ("days", "status", "words"),
    [(0, "failed", "It expired on "), (5, "warning", "It expires on "), (90, "warning", "It is for 127.0.0.1, ::1, ")],
)
async def test_certificates(settings: Settings, tmp_path: Path, days: int, status: str, words: str) -> None:
    file = make_certificate(tmp_path, days)
    listen = {"sip_listen": "tls://127.0.0.1:0", "sip_tls_certificate": file, "sip_tls_key": file}
    [(found, said)] = about(await findings_of(settings, **listen), "certificate")
    assert (found, said[: len(words)]) == (status, words)


async def test_what_is_stored_stays_as_it_is(settings: Settings, tmp_path: Path) -> None:
    empty = settings.model_copy(update={"data_dir": tmp_path / "nothing"})
    assert about(await findings_of(empty), "database")[0][0] == "warning"
    assert not (tmp_path / "nothing").exists()
    await _execute(settings, "UPDATE alembic_version SET version_num = '0009'")
    [(status, words)] = about(await findings_of(settings), "database")
    assert (status, words[:35]) == ("failed", "It has schema 0009, and this version needs "[:35])
    await _execute(settings, "UPDATE alembic_version SET version_num = '9001'")
    [(status, words)] = about(await findings_of(settings), "database")
    assert (status, words[:41]) == ("failed", "the database has schema 9001, made by a n")
    assert not (settings.data_dir / "secret.key").exists()


async def test_another_secret_key(settings: Settings, client: httpx.AsyncClient) -> None:
    await make_trunk(client, "127.0.0.1", **LOGIN)
    found = await findings_of(settings.model_copy(update={"data_dir": settings.data_dir / "elsewhere"}))
    assert about(found, "database")[0][0] == "warning"  # no database there either
    (settings.data_dir / "secret.key").unlink()
    [(status, words)] = about(await findings_of(settings), "database")
    assert (status, words[:29]) == ("failed", "Stored secrets can't be read:")
    assert not (settings.data_dir / "secret.key").exists()


async def _execute(settings: Settings, statement: str) -> None:
    database = Database(settings)
    async with database.write() as session:
        await session.execute(text(statement))
    await database.close()
