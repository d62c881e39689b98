"""Operations of the contract that are not built yet answer like any address that is none."""

import pytest

from tests.contract.vendor_client import VendorClient, VendorError

ID = "0c5ac9a2-5b0b-4f0e-9d3c-3b6c0f6f0d11"
CRUD = [("GET", ""), ("POST", ""), ("GET", f"/{ID}"), ("PATCH", f"/{ID}"), ("DELETE", f"/{ID}")]
NOT_YET = [
    *((method, f"/campaigns{rest}") for method, rest in CRUD),
    ("GET", f"/campaigns/{ID}/leads"),
    ("POST", f"/campaigns/{ID}/leads"),
    ("DELETE", f"/campaigns/{ID}/leads/{ID}"),
    *((method, f"/workflows{rest}") for method, rest in CRUD),
    *((method, f"/mcp-servers{rest}") for method, rest in CRUD),
    ("POST", f"/mcp-servers/{ID}/test"),
]


@pytest.mark.parametrize(("method", "path"), NOT_YET)
async def test_what_is_not_there_yet_says_so_in_the_usual_shape(vendor: VendorClient, method: str, path: str) -> None:
    with pytest.raises(VendorError) as refused:
        await vendor.request(method, path, {"name": "x"} if method in ("POST", "PATCH") else None)
    assert refused.value.status == 404
    assert refused.value.body == {
        "error": "Not found",
        "code": "not_found",
        "message": "There is nothing at this address; see /openapi.json.",
    }
