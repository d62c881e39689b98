"""E-mail domains: added, verified, refreshed, chosen and deleted, each organization only its own."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.domains.conftest import DEPLOYMENT, DOMAINS, OWN, add, store_own_key
from tests.fakes.resend import FakeResend


async def current(client: httpx.AsyncClient) -> Any:
    answer = await client.get(DOMAINS)
    assert answer.status_code == 200
    assert answer.json().keys() == {"domain"}
    return answer.json()["domain"]


async def test_a_domain_is_added_and_read(client: httpx.AsyncClient, resend: FakeResend) -> None:
    assert await current(client) is None
    answer = await client.post(DOMAINS, json={"domain_name": "Mail.Example.com.", "colour": "red"})
    assert answer.status_code == 201
    assert answer.headers["X-Ignored-Fields"] == "colour"
    domain = answer.json()["domain"]
    assert resend.bodies == [{"name": "mail.example.com", "region": "eu-west-1"}]
    remote = next(iter(resend.accounts[DEPLOYMENT].values()))
    assert domain.keys() == {
        *("id", "org_id", "domain_name", "resend_domain_id", "status", "region", "records"),
        *("created_at", "updated_at", "verified_at"),
    }
    assert domain["domain_name"] == "mail.example.com"
    assert domain["resend_domain_id"] == remote["id"]
    assert (domain["status"], domain["region"], domain["verified_at"]) == ("not_started", "eu-west-1", None)
    assert domain["records"][0] == {
        **{"record": "SPF", "name": "send", "type": "MX", "ttl": "Auto", "status": "not_started"},
        **{"value": "feedback-smtp.eu-west-1.amazonses.com", "priority": 10},
    }
    assert "priority" not in domain["records"][1]
    assert await current(client) == domain


@pytest.mark.parametrize(
    ("given", "stored"), [("münchen.example", "xn--mnchen-3ya.example"), ("a.xn--mnchen-3ya.de", "a.xn--mnchen-3ya.de")]
)
async def test_letters_beyond_ascii_become_idna(client: httpx.AsyncClient, given: str, stored: str) -> None:
    assert (await add(client, given))["domain_name"] == stored


@pytest.mark.parametrize(
    "name",
    [
        *("", "example", "a_b.example.com", "-a.example.com", "a..example.com", "192.0.2.1", "me@example.com"),
        *("a b.com", "https://example.com", "*.example.com", f"{'x' * 64}.com", f"{'abcdefghi.' * 26}com", None, 7),
    ],
)
async def test_what_is_no_domain_is_refused(client: httpx.AsyncClient, resend: FakeResend, name: Any) -> None:
    answer = await client.post(DOMAINS, json={"domain_name": name})
    assert answer.status_code == 400
    assert answer.json()["details"][0].startswith("domain_name: must ")
    assert resend.requests == []
    assert await current(client) is None


async def test_an_organization_has_one_domain_and_another_its_own(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, resend: FakeResend
) -> None:
    await add(client)
    again = await client.post(DOMAINS, json={"domain_name": "other.example.com"})
    assert (again.status_code, again.json()["code"]) == (409, "domain_exists")
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]
    assert await current(other_client) is None
    assert (await other_client.delete(DOMAINS)).status_code == 404
    taken = await other_client.post(DOMAINS, json={"domain_name": "mail.example.com"})
    assert (taken.status_code, taken.json()["code"]) == (409, "domain_taken")
    assert await current(other_client) is None
    await add(other_client, "other.example.com")
    assert (await client.delete(DOMAINS)).json() == {"success": True}
    assert resend.names(DEPLOYMENT) == ["other.example.com"]


async def test_of_requests_at_the_same_time_one_adds_the_domain(client: httpx.AsyncClient, resend: FakeResend) -> None:
    names = [f"mail{number}.example.com" for number in range(5)] * 2
    answers = await asyncio.gather(*(client.post(DOMAINS, json={"domain_name": name}) for name in names))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert resend.names(DEPLOYMENT) == [(await current(client))["domain_name"]]


async def test_verification_is_resends_and_told_by_record(client: httpx.AsyncClient, resend: FakeResend) -> None:
    assert (await client.post(f"{DOMAINS}/verify")).status_code == 404
    assert (await client.post(f"{DOMAINS}/refresh")).status_code == 404
    added = await add(client)
    verifying = (await client.post(f"{DOMAINS}/verify")).json()["domain"]
    assert verifying["status"] == "pending"
    assert {record["status"] for record in verifying["records"]} == {"pending"}
    assert f"POST /domains/{added['resend_domain_id']}/verify" in resend.requests
    resend.verified(str(added["resend_domain_id"]))
    refreshed = (await client.post(f"{DOMAINS}/refresh")).json()["domain"]
    assert refreshed["status"] == "verified"
    assert {record["status"] for record in refreshed["records"]} == {"verified"}
    assert refreshed["verified_at"] is not None
    assert refreshed["created_at"] == added["created_at"]
    assert await current(client) == refreshed
    assert (await client.post(f"{DOMAINS}/refresh")).json()["domain"] == refreshed


async def test_deleting_succeeds_where_resend_lost_the_domain(client: httpx.AsyncClient, resend: FakeResend) -> None:
    await add(client)
    resend.accounts[DEPLOYMENT].clear()
    refreshed = await client.post(f"{DOMAINS}/refresh")
    assert (refreshed.status_code, refreshed.json()["code"]) == (409, "domain_gone")
    assert (await client.delete(DOMAINS)).json() == {"success": True}
    assert await current(client) is None
    assert (await client.delete(DOMAINS)).status_code == 404


async def test_the_deployments_account_cannot_be_looked_into(client: httpx.AsyncClient, resend: FakeResend) -> None:
    theirs = resend.put(DEPLOYMENT, "operator.example.com")
    for answer in (
        await client.get(f"{DOMAINS}/sync"),
        await client.post(f"{DOMAINS}/sync", json={"resendDomainId": theirs["id"]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "resend_not_configured")
        assert "POST /byok" in answer.json()["message"]
    assert resend.requests == []


async def test_a_domain_of_the_own_account_is_chosen(client: httpx.AsyncClient, resend: FakeResend) -> None:
    await store_own_key(client)
    one = resend.put(OWN, "one.example.com", status="verified")
    two = resend.put(OWN, "two.example.com")
    listed = (await client.get(f"{DOMAINS}/sync")).json()
    assert listed["domains"] == [
        {"id": one["id"], "name": "one.example.com", "status": "verified", "region": "us-east-1"},
        {"id": two["id"], "name": "two.example.com", "status": "not_started", "region": "us-east-1"},
    ]
    assert listed["selected_domain_id"] is None
    chosen = await client.post(f"{DOMAINS}/sync", json={"resendDomainId": one["id"]})
    assert chosen.status_code == 200
    assert chosen.json()["message"] == "Domain synced successfully from Resend"
    domain = chosen.json()["domain"]
    assert (domain["domain_name"], domain["status"]) == ("one.example.com", "verified")
    assert domain["verified_at"] is not None
    again = (await client.post(f"{DOMAINS}/sync", json={"resendDomainId": one["id"]})).json()["domain"]
    assert again == domain
    assert (await client.get(f"{DOMAINS}/sync")).json()["selected_domain_id"] == one["id"]
    other = (await client.post(f"{DOMAINS}/sync", json={"resendDomainId": two["id"]})).json()["domain"]
    assert (other["domain_name"], other["verified_at"]) == ("two.example.com", None)
    assert other["id"] != domain["id"]
    assert (await client.delete(DOMAINS)).json() == {"success": True}
    assert resend.names(OWN) == ["one.example.com", "two.example.com"]


@pytest.mark.parametrize("unknown", ["5a9e1d1c-1f0a-4b5e-9a53-0c7d7f3f0b11", "..", "not-an-id"])
async def test_an_unknown_domain_cannot_be_chosen(client: httpx.AsyncClient, unknown: str) -> None:
    await store_own_key(client)
    answer = await client.post(f"{DOMAINS}/sync", json={"resendDomainId": unknown})
    assert answer.status_code == 404
    assert await current(client) is None


async def test_another_organizations_account_is_out_of_reach(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, resend: FakeResend
) -> None:
    await store_own_key(client)
    theirs = resend.put(DEPLOYMENT, "theirs.example.com")
    answer = await client.post(f"{DOMAINS}/sync", json={"resendDomainId": theirs["id"]})
    assert answer.status_code == 404
    resend.accounts["re_other"] = {}
    await store_own_key(other_client, "re_other")
    await add(client)
    assert (await other_client.get(f"{DOMAINS}/sync")).json() == {"domains": [], "selected_domain_id": None}


async def test_choosing_takes_the_domain_from_the_deployments_account(
    client: httpx.AsyncClient, resend: FakeResend
) -> None:
    await add(client)
    await store_own_key(client)
    refreshed = await client.post(f"{DOMAINS}/refresh")
    assert refreshed.status_code == 200  # still in the account where it was made
    mine = resend.put(OWN, "mine.example.com")
    chosen = await client.post(f"{DOMAINS}/sync", json={"resendDomainId": mine["id"]})
    assert chosen.json()["domain"]["domain_name"] == "mine.example.com"
    assert resend.names(DEPLOYMENT) == []


async def test_many_domains_are_listed_page_by_page(client: httpx.AsyncClient, resend: FakeResend) -> None:
    await store_own_key(client)
    for number in range(250):
        resend.put(OWN, f"mail{number}.example.com")
    listed = (await client.get(f"{DOMAINS}/sync")).json()["domains"]
    assert [domain["name"] for domain in listed] == [f"mail{number}.example.com" for number in range(250)]
    assert len(resend.requests) == 3


async def test_a_domain_outlives_its_accounts_key_and_can_be_forgotten(
    client: httpx.AsyncClient, resend: FakeResend
) -> None:
    await store_own_key(client)
    await add(client)
    assert resend.names(OWN) == ["mail.example.com"]
    removed = await client.request("DELETE", "/api/v1/byok", json={"provider": "resend"})
    assert removed.status_code == 200
    assert (await current(client))["domain_name"] == "mail.example.com"
    refreshed = await client.post(f"{DOMAINS}/refresh")
    assert (refreshed.status_code, refreshed.json()["code"]) == (409, "resend_not_configured")
    assert (await client.delete(DOMAINS)).json() == {"success": True}
    assert await current(client) is None
