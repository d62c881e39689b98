"""Methods that an address does not take are refused, and the refusal names those that it takes."""

import httpx
import pytest


@pytest.fixture
def database_url() -> None:
    """Methods do not depend on the database."""


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("PUT", "/assistants", "GET, HEAD, POST"),
        ("OPTIONS", "/assistants/3f8d2a34-6c1b-4a57-9d0e-5b1f4c7a9e21", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/calls/some-call/recording", "GET, HEAD"),
        # Paths that a path with a parameter fits too.
        ("GET", "/calls/outbound", "POST"),
        ("DELETE", "/chats/context", "GET, HEAD"),
        ("POST", "/calls/outbound/recording", "GET, HEAD"),  # a call may have the name of a fixed path
    ],
)
async def test_a_refusal_names_all_methods_of_an_address(
    client: httpx.AsyncClient, method: str, address: str, allowed: str
) -> None:
    answer = await client.request(method, f"/api/v1{address}")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


async def test_other_addresses_are_unknown(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/api/v1/no-such-thing")
    assert (answer.status_code, answer.json()["code"], "Allow" in answer.headers) == (404, "not_found", False)
    assert (await client.get("/api/v1/calls/no-such-call")).status_code == 404
