"""What the doctor says of trunks that answer."""

import socket

import httpx
import pytest

from dialtone.settings import Settings
from dialtone.sip.dns import SystemResolver
from tests.doctor.findings import LOGIN, about, findings_of, fixes, make_trunk
from tests.sip.stage import phone
from tests.whole.test_sip_trunks import provider


@pytest.fixture
def database_url() -> None:
    """What is stored is read on both databases beside a running server."""


async def test_a_trunk_that_works(settings: Settings, client: httpx.AsyncClient) -> None:
    async with phone() as far:
        port = far.agent.listening_on()[0][1][1]
        trunk_id = await make_trunk(client, f"127.0.0.1:{port}")
        await make_trunk(client, "192.0.2.1", is_active=False)
        found = await findings_of(settings)
        unknown = await findings_of(settings, "nothing")
    assert about(unknown, "trunk") == [("failed", "No active trunk has this id.")]
    [(status, words)] = about(found, f"trunk Main line ({trunk_id})")
    assert status == "ok"
    assert words.startswith(f"127.0.0.1 (udp 127.0.0.1 port {port}) answers OPTIONS in ")
    assert words.endswith(" ms (200 OK).")
    [(status, words)] = about(found, "audio at 127.0.0.1")
    assert (status, words[:10]) == ("ok", "It arrives")
    assert [finding.what for finding in found if finding.status == "failed"] == []


async def test_logins_are_tried_without_a_call(settings: Settings, client: httpx.AsyncClient) -> None:
    async with provider() as far:
        trunk_id = await make_trunk(client, far.address, **LOGIN)
        said = []
        for far.status in (200, 403, 405):
            [_, login] = about(await findings_of(settings), "trunk")
            said.append(login)
        await client.patch(f"/api/v1/sip-trunks/{trunk_id}", json={"auth_username": "nobody"})
        wrong = await findings_of(settings, trunk_id)
        await client.patch(f"/api/v1/sip-trunks/{trunk_id}", json={"auth_username": "user123", "register": True})
        far.status = 403
        [_, refused] = about(await findings_of(settings), "trunk")
    doubt = "Whether the login is right shows only in a call: REGISTER gets"
    assert said == [
        ("ok", "The login is taken."),
        ("warning", f"{doubt} 403 Forbidden."),
        ("warning", f"{doubt} 405 Method Not Allowed."),
    ]
    assert about(wrong, "trunk")[1] == ("failed", "The login is refused (401 Unauthorized).")
    assert "auth_password" in fixes(wrong, "trunk")
    assert refused == ("failed", "The login is refused (403 Forbidden).")
    assert set(far.contacts) == {""}  # nothing was registered


async def test_a_trunk_that_need_not_answer_is_no_failure(settings: Settings, client: httpx.AsyncClient) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        trunk_id = await make_trunk(client, f"127.0.0.1:{silent.getsockname()[1]}")
        [(before, _)] = about(found := await findings_of(settings), "trunk")
        assert "set the trunk's keep_alive to false" in fixes(found, "trunk")
        await client.patch(f"/api/v1/sip-trunks/{trunk_id}", json={"keep_alive": False})
        found = await findings_of(settings)
    [(status, words)] = about(found, "trunk")
    assert (before, status) == ("failed", "warning")
    assert words.endswith("does not answer OPTIONS. Its keep_alive is off, so that nobody expects it to.")
    assert fixes(found, "trunk").startswith("Nothing, if calls work.")


async def test_a_name_with_addresses_of_both_families_is_asked_at_the_one_that_calls_go_to(
    settings: Settings, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both(_resolver: SystemResolver, _name: str) -> list[str]:
        return ["2001:db8::1", "127.0.0.1"]

    monkeypatch.setattr(SystemResolver, "addresses", both)
    async with phone() as far:
        port = far.agent.listening_on()[0][1][1]
        await make_trunk(client, f"both.example.com:{port}")
        found = await findings_of(settings)
    [(status, words)] = about(found, "trunk Main line")
    assert (status, words.partition(" answers ")[0]) == ("ok", f"both.example.com (udp 127.0.0.1 port {port})")
