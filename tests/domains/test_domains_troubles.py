"""E-mail domains while Resend fails: told in words, nothing half-written, nobody else's domain touched."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import bindparam, text

from dialtone.domains import resend as client_module
from dialtone.domains.claims import CLAIM_SECONDS
from dialtone.platform.db import UtcDateTime
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import API_KEY, client_of
from tests.domains.conftest import DEPLOYMENT, DOMAINS, OWN, add, store_own_key
from tests.fakes.resend import FakeResend, Fault

BODY = {"domain_name": "mail.example.com"}


def told(answer: httpx.Response, status: int, code: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["error"]
    assert body["message"].endswith((".", "!"))
    assert DEPLOYMENT not in answer.text
    assert OWN not in answer.text


def test_a_claim_outlasts_whoever_holds_it() -> None:
    assert CLAIM_SECONDS > client_module.OPERATION_SECONDS + client_module.REQUEST_SECONDS


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("POST", 500), 502, "resend_unavailable"),
        (Fault("POST", 502, text="<html>Bad gateway</html>"), 502, "resend_unavailable"),
        (Fault("POST", 503, "service_unavailable", "API is temporarily unavailable"), 503, "resend_unavailable"),
        (Fault("POST"), 502, "resend_unavailable"),
        (Fault("POST", 200, text="[]"), 502, "resend_unavailable"),
        (Fault("POST", 200, text='{"id": "x"}'), 502, "resend_unavailable"),
        (Fault("POST", 200, text='{"id": NaN}'), 502, "resend_unavailable"),
        (Fault("POST", 403, "invalid_api_key", "API key is invalid."), 502, "resend_key_refused"),
        (Fault("POST", 409, "resource_locked", "Another request is updating this resource."), 503, "resend_busy"),
        (Fault("POST", 403, "validation_error", "You have reached your plan's limit."), 400, "resend_refused"),
        (Fault("POST", 403, "validation_error", "The x domain has been registered already."), 409, "domain_taken"),
        (Fault("POST", 302, headers={"Location": "http://127.0.0.1/"}), 400, "resend_refused"),
    ],
)
async def test_a_failure_is_told_and_leaves_nothing(
    client: httpx.AsyncClient, resend: FakeResend, fault: Fault, status: int, code: str
) -> None:
    resend.faults.append(fault)
    told(await client.post(DOMAINS, json=BODY), status, code)
    assert (await client.get(DOMAINS)).json() == {"domain": None}
    await add(client)
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]


async def test_a_stalled_resend_is_given_up(
    client: httpx.AsyncClient, resend: FakeResend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.1)
    resend.faults.append(Fault("POST", stall=True))
    told(await client.post(DOMAINS, json=BODY), 504, "resend_unavailable")


async def test_a_rate_limit_is_waited_out_or_passed_on(client: httpx.AsyncClient, resend: FakeResend) -> None:
    limited = Fault("POST", 429, "rate_limit_exceeded", "Too many requests.", {"retry-after": "0"})
    resend.faults += [limited, limited]
    await add(client)
    assert len(resend.requests) == 3
    resend.faults += [Fault("GET", 429, "rate_limit_exceeded", "Too many requests.", {"retry-after": "0"})] * 2
    resend.faults += [Fault("GET", 429, "rate_limit_exceeded", "Too many requests.", {"retry-after": "7"})]
    answer = await client.post(f"{DOMAINS}/refresh")
    told(answer, 503, "resend_busy")
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("next_name", ["mail.example.com", "another.example.com"])
async def test_a_domain_whose_making_was_never_confirmed_is_removed_by_the_next_try(
    client: httpx.AsyncClient, resend: FakeResend, next_name: str
) -> None:
    resend.faults.append(Fault("POST", done=True))
    told(await client.post(DOMAINS, json=BODY), 502, "resend_unavailable")
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]
    assert (await client.get(DOMAINS)).json() == {"domain": None}
    assert (await client.post(f"{DOMAINS}/refresh")).status_code == 404
    domain = await add(client, next_name)
    assert resend.names(DEPLOYMENT) == [next_name]
    assert list(resend.accounts[DEPLOYMENT]) == [domain["resend_domain_id"]]


async def test_a_domain_whose_making_was_never_confirmed_can_be_deleted(
    client: httpx.AsyncClient, resend: FakeResend
) -> None:
    resend.faults.append(Fault("POST", 500, done=True))
    await client.post(DOMAINS, json=BODY)
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]
    assert (await client.delete(DOMAINS)).json() == {"success": True}
    assert resend.names(DEPLOYMENT) == []


async def test_an_older_domain_of_the_same_name_is_never_removed(client: httpx.AsyncClient, resend: FakeResend) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    resend.put(DEPLOYMENT, "mail.example.com", created_at=yesterday)
    resend.faults.append(Fault("POST"))  # the answer would have been: registered already
    told(await client.post(DOMAINS, json=BODY), 502, "resend_unavailable")
    told(await client.post(DOMAINS, json=BODY), 409, "domain_taken")
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]
    assert (await client.delete(DOMAINS)).status_code == 404
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]


async def test_what_could_not_be_removed_is_removed_later(client: httpx.AsyncClient, resend: FakeResend) -> None:
    resend.faults += [Fault("POST", done=True), Fault("GET", 500)]
    told(await client.post(DOMAINS, json=BODY), 502, "resend_unavailable")
    told(await client.post(DOMAINS, json={"domain_name": "new.example.com"}), 502, "resend_unavailable")
    assert resend.names(DEPLOYMENT) == ["mail.example.com"]
    await add(client, "new.example.com")
    assert resend.names(DEPLOYMENT) == ["new.example.com"]


async def test_a_server_killed_while_it_added_a_domain(
    app: FastAPI, client: httpx.AsyncClient, resend: FakeResend
) -> None:
    """What such a server leaves behind: its claim, and perhaps the domain at Resend."""
    resend.faults.append(Fault("POST", done=True))
    await client.post(DOMAINS, json=BODY)
    await claim_until(app, datetime.now(UTC) + timedelta(seconds=CLAIM_SECONDS))
    told(await client.post(DOMAINS, json=BODY), 409, "domain_being_added")
    told(await client.delete(DOMAINS), 409, "domain_being_added")
    await claim_until(app, datetime.now(UTC) - timedelta(seconds=1))
    domain = await add(client)
    assert list(resend.accounts[DEPLOYMENT]) == [domain["resend_domain_id"]]


async def claim_until(app: FastAPI, moment: datetime) -> None:
    """Have the unfinished domain claimed until then."""
    change = text("UPDATE email_domains SET claimed_until = :until WHERE resend_domain_id IS NULL")
    async with app.state.parts.database.write() as session:
        await session.execute(change.bindparams(bindparam("until", moment, UtcDateTime)))


async def test_a_failed_deletion_changes_nothing(client: httpx.AsyncClient, resend: FakeResend) -> None:
    domain = await add(client)
    resend.faults.append(Fault("DELETE", 500))
    told(await client.delete(DOMAINS), 502, "resend_unavailable")
    assert (await client.get(DOMAINS)).json()["domain"] == domain
    resend.faults.append(Fault("DELETE", 500, done=True))
    told(await client.delete(DOMAINS), 502, "resend_unavailable")
    assert (await client.delete(DOMAINS)).json() == {"success": True}


async def test_a_failed_refresh_changes_nothing(client: httpx.AsyncClient, resend: FakeResend) -> None:
    domain = await add(client)
    for path, method in (("refresh", "GET"), ("verify", "POST"), ("verify", "GET")):
        resend.faults.append(Fault(method, 500))
        told(await client.post(f"{DOMAINS}/{path}"), 502, "resend_unavailable")
    assert (await client.get(DOMAINS)).json()["domain"] == domain


async def test_a_key_of_the_organization_that_resend_refuses(client: httpx.AsyncClient, resend: FakeResend) -> None:
    await store_own_key(client, "re_wrong")
    answer = await client.post(DOMAINS, json=BODY)
    told(answer, 409, "resend_key_refused")
    assert "re_wrong" not in answer.text
    await store_own_key(client)
    resend.send_only_keys.add(OWN)
    told(await client.get(f"{DOMAINS}/sync"), 409, "resend_key_refused")


async def test_without_any_key_the_answer_says_what_to_configure(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, api_key=API_KEY))
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        assert (await client.get(DOMAINS)).json() == {"domain": None}
        answer = await client.post(DOMAINS, json=BODY)
        told(answer, 409, "resend_not_configured")
        assert "RESEND_API_KEY" in answer.json()["message"]
        assert "POST /byok" in answer.json()["message"]
        assert (await client.get(DOMAINS)).json() == {"domain": None}


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9", "http://no-such-name.invalid"])
async def test_an_unreachable_resend_is_told(tmp_path: Path, base_url: str) -> None:
    key = SecretStr(DEPLOYMENT)
    settings = Settings(data_dir=tmp_path, api_key=API_KEY, resend_api_key=key, resend_base_url=base_url)
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        told(await client.post(DOMAINS, json=BODY), 502, "resend_unavailable")
