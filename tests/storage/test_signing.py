"""Signatures against those that botocore makes, and addresses of buckets."""

from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from pydantic import ValidationError
from yarl import URL

from dialtone.settings import Settings
from dialtone.storage.location import Location
from dialtone.storage.signing import Credentials, Signer, encoded, with_query
from tests.storage.conftest import location_of

AT = datetime(2026, 11, 22, 13, 5, 9, tzinfo=UTC)
TOKENS = [None, "a/session+token=="]
URLS = [
    "https://examplebucket.s3.amazonaws.com/" + encoded("a b/ü~(1).wav", slash=True),
    "http://127.0.0.1:9000/bucket/2026/11/22/call.wav",
    "https://s3.example.com/bucket",
]
QUERIES: list[dict[str, str]] = [
    {},
    {"uploads": "", "prefix": "a b/ü&="},
    {"partNumber": "2", "uploadId": "a+b/c=="},
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("url", URLS)
def test_headers_are_signed_as_others_sign_them(url: str, query: dict[str, str], token: str | None) -> None:
    asked = with_query(URL(url, encoded=True), query)
    signed = Signer(Credentials("AKID", "secret", token), "eu-1").headers(
        "PUT", asked, {"Content-Type": "audio/wav", "Content-MD5": "abc=="}, "0" * 64, AT
    )
    authorization = signed.pop("Authorization")
    theirs = AWSRequest("PUT", str(asked), signed)
    theirs.context["timestamp"] = "20261122T130509Z"
    auth = S3SigV4Auth(BotoCredentials("AKID", "secret", token), "s3", "eu-1")
    signature = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert authorization.endswith(f"Signature={signature}")
    assert f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(theirs))}," in authorization


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("url", URLS)
def test_addresses_are_signed_as_others_sign_them(url: str, token: str | None) -> None:
    signed = Signer(Credentials("AKID", "secret", token), "eu-1").url("GET", URL(url, encoded=True), 900, AT)
    unsigned, _, signature = signed.partition("&X-Amz-Signature=")
    theirs = AWSRequest("GET", unsigned)
    theirs.context["timestamp"] = "20261122T130509Z"
    auth = S3SigV4QueryAuth(BotoCredentials("AKID", "secret", token), "s3", "eu-1", expires=900)
    assert signature == auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)


def test_an_address_works_for_a_week_at_most() -> None:
    url = Signer(Credentials("AKID", "secret"), "eu-1").url("GET", URL("https://a.example/b"), 10**9, AT)
    assert URL(url).query["X-Amz-Expires"] == "604800"


def test_where_a_bucket_is() -> None:
    amazon = location_of(None, "s3://calls")
    assert str(amazon.url("a/b.wav")) == "https://calls.s3.eu-test-1.amazonaws.com/a/b.wav"
    assert str(amazon.url()) == "https://calls.s3.eu-test-1.amazonaws.com/"
    dotted = location_of(None, "s3://calls.example.com/deep/er/")
    assert str(dotted.url("b.wav")) == "https://s3.eu-test-1.amazonaws.com/calls.example.com/b.wav"
    assert dotted.prefix == "deep/er/"
    own = location_of("https://minio.example:9000/s3/", recording_store_public_url="https://files.example")
    assert str(own.url("b c")) == "https://minio.example:9000/s3/calls/b%20c"
    assert str(own.url()) == "https://minio.example:9000/s3/calls"
    assert str(own.url("b", public=True)) == "https://files.example/calls/b"
    named = location_of("https://objects.example", recording_store_path_style=False)
    assert str(named.url("b")) == "https://calls.objects.example/b"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recording_store": "calls"}, "DIALTONE_RECORDING_STORE must be s3://BUCKET"),
        ({"recording_store": "s3://C"}, "DIALTONE_RECORDING_STORE must be s3://BUCKET"),
        ({"recording_store": "s3://calls/a//b"}, "DIALTONE_RECORDING_STORE: the prefix"),
        ({"recording_store": "s3://calls/../b"}, "DIALTONE_RECORDING_STORE: the prefix"),
        ({"aws_access_key_id": None}, "DIALTONE_RECORDING_STORE needs AWS_ACCESS_KEY_ID"),
        ({"aws_secret_access_key": None}, "DIALTONE_RECORDING_STORE needs AWS_SECRET_ACCESS_KEY"),
        ({"aws_endpoint_url": "minio:9000"}, "AWS_ENDPOINT_URL must be a URL"),
        ({"aws_endpoint_url": "https://user:pass@minio"}, "AWS_ENDPOINT_URL must be a URL"),
        ({"recording_store_public_url": "ftp://a"}, "DIALTONE_RECORDING_STORE_PUBLIC_URL must be a URL"),
    ],
)
def test_settings_that_cannot_work_are_told(given: dict[str, str | None], words: str) -> None:
    whole = {"recording_store": "s3://calls", "aws_access_key_id": "id", "aws_secret_access_key": "hidden", **given}
    with pytest.raises(ValueError, match=words) as refusal:
        Location.from_settings(Settings.model_validate(whole))
    assert "hidden" not in str(refusal.value)
    assert not isinstance(refusal.value, ValidationError)


def test_secrets_are_not_shown() -> None:
    assert "s3-secret-of-the-fake" not in repr(location_of())


def test_without_a_store_recordings_stay() -> None:
    assert Location.from_settings(Settings(recording_store=None)) is None
    assert Location.from_settings(Settings(recording_store="")) is None
