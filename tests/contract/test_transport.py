"""What holds for every operation of the contract (spec sections 1 and 2): keys, content types, paths, errors."""

import uuid

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.calls.conftest import House, open_house
from tests.contract.vendor_client import API, VendorClient, VendorError, one


async def test_a_request_without_a_body_may_say_that_it_is_json(house: House, vendor: VendorClient) -> None:
    asked = 0
    for context in iter_route_contexts(house.app.routes):
        start, brace, rest = (context.path or "").partition("{")
        if not start.startswith(API):
            continue
        path = start.removeprefix(API) + (str(uuid.uuid4()) + rest.partition("}")[2] if brace else "")
        for method in {"GET", "DELETE"} & set(context.methods or ()):
            if (method, path) != ("DELETE", "/byok"):  # has a body
                query = {"contact_id": "x"} if path.startswith("/chats") else None
                assert await vendor.try_it(method, path, query) in (200, 403, 404, 405, 409), (method, path)
                asked += 1
    assert asked > 30


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", "Unauthorized"),
        ("none", "Invalid API key"),
        ("fl_live_unknown", "Invalid API key"),
        ("sk-of-another-vendor", "Invalid API key"),
    ],
)
async def test_a_key_that_is_none_answers_401(http: httpx.AsyncClient, house: House, key: str, error: str) -> None:
    with pytest.raises(VendorError) as refused:
        await VendorClient(http, key).get("/assistants")
    assert refused.value.status == 401
    assert refused.value.body["error"] == error


async def test_only_the_health_check_needs_no_key(http: httpx.AsyncClient, house: House) -> None:
    answer = await http.get(f"{API}/health")
    assert answer.status_code == 200
    document = answer.json()
    assert document["status"] == "ok"
    assert {"timestamp", "version", "checks"} <= document.keys()
    assert document["checks"]["database"]["status"] == "ok"
    assert document["checks"]["database"]["latency_ms"] >= 0


async def test_ids_arrive_percent_encoded(vendor: VendorClient) -> None:
    for strange in ("call-_+31623731537_XqaQxRRgAzYc", "call-outbound-abc123", "a/b", "ä?#", "%2B"):
        for path in ("/calls", "/assistants", "/numbers", "/sip-trunks"):
            with pytest.raises(VendorError) as refused:
                await vendor.get(one(path, strange))
            assert (refused.value.status, refused.value.body["code"]) == (404, "not_found"), (path, strange)


async def test_an_encoded_id_is_the_id(vendor: VendorClient) -> None:
    made = (await vendor.create("/assistants", {"name": "Ada"}))["assistant"]
    encoded = "".join(f"%{byte:02X}" for byte in made["id"].encode())
    assert (await vendor.get(f"/assistants/{encoded}"))["assistant"] == made


async def test_errors_are_flat(vendor: VendorClient) -> None:
    with pytest.raises(VendorError) as refused:
        await vendor.create("/assistants", {"name": 7, "silence_timeout_seconds": 1000})
    body = refused.value.body
    assert refused.value.status == 400
    assert body.keys() == {"error", "code", "message", "details"}
    assert sorted(body["details"]) == [
        "name: must be a string (got 7)",
        "silence_timeout_seconds: must be between 1 and 120 (got 1000)",
    ]
    assert refused.value.words == "Invalid request: Correct the fields named in details."


async def test_too_many_requests_say_when_to_come_again(tmp_path_factory: pytest.TempPathFactory, house: House) -> None:
    limited = house.settings.model_copy(
        update={"data_dir": tmp_path_factory.mktemp("limited"), "rate_limit": 3, "database_url": None}
    )
    async with open_house(limited) as small:
        transport = httpx.ASGITransport(small.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://dialtone.test") as http:
            vendor = VendorClient(http, small.key)
            for _ in range(3):
                await vendor.get("/assistants")
            with pytest.raises(VendorError) as refused:
                await vendor.create("/assistants", {"name": "Ada"})
    assert refused.value.status == 429
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 60
    assert refused.value.body["retry_after"] == refused.value.retry_after
    assert refused.value.body["code"] == "rate_limit_exceeded"
