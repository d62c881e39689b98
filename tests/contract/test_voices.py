"""`voices.list` of the vendor's library (spec section 6.12)."""

from tests.contract.vendor_client import VendorClient


async def test_voices_are_listed(vendor: VendorClient) -> None:
    voices = (await vendor.get("/voices"))["voices"]
    assert voices
    for voice in voices:
        assert voice.keys() >= {"id", "name", "language", "description"}
        assert voice["description"].keys() >= {"en", "nl"}
