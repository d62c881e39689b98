"""Where the store of recordings is, as the settings say it."""

import re
from dataclasses import dataclass

from yarl import URL

from dialtone.settings import Settings
from dialtone.storage.signing import Credentials, encoded

DEFAULT_REGION = "us-east-1"
MAX_PREFIX = 512
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a bucket."""

    bucket: str
    prefix: str
    """Of every key; empty, or ends with a slash."""
    endpoint: URL
    """How this server reaches the store."""
    public_endpoint: URL
    """How those who are given a signed URL reach it."""
    region: str
    path_style: bool
    """The bucket is in the path, not in the host's name."""
    credentials: Credentials

    @classmethod
    def from_settings(cls, settings: Settings) -> "Location | None":
        """None where recordings stay on local disk. Raises `ValueError`, naming the variable, for what can't work."""
        if not settings.recording_store:
            return None
        bucket, prefix = _bucket_and_prefix(settings.recording_store)
        region = settings.aws_region or DEFAULT_REGION
        given = settings.aws_endpoint_url
        endpoint = _endpoint("AWS_ENDPOINT_URL", given or f"https://s3.{region}.amazonaws.com")
        public = settings.recording_store_public_url or str(endpoint)
        path_style = settings.recording_store_path_style
        return cls(
            bucket,
            prefix,
            endpoint,
            _endpoint("DIALTONE_RECORDING_STORE_PUBLIC_URL", public),
            region,
            # Stores of one's own seldom have a name for each bucket, and no certificate fits a name with more dots.
            (bool(given) or "." in bucket) if path_style is None else path_style,
            _credentials(settings),
        )

    def url(self, key: str = "", *, public: bool = False) -> URL:
        """Of an object, or of the bucket."""
        base = self.public_endpoint if public else self.endpoint
        path = base.raw_path.rstrip("/") + "/"
        authority = base.raw_authority
        if self.path_style:
            path += f"{self.bucket}/" if key else self.bucket
        else:
            authority = f"{self.bucket}.{authority}"
        return URL(f"{base.scheme}://{authority}{path}{encoded(key, slash=True)}", encoded=True)


def _bucket_and_prefix(store: str) -> tuple[str, str]:
    scheme, _, rest = store.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise ValueError("DIALTONE_RECORDING_STORE must be s3://BUCKET or s3://BUCKET/PREFIX")
    prefix = prefix.strip("/")
    if len(prefix) > MAX_PREFIX or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise ValueError(
            f"DIALTONE_RECORDING_STORE: the prefix may have {MAX_PREFIX} characters and no empty part, '.' or '..'"
        )
    return bucket, f"{prefix}/" if prefix else ""


def _endpoint(variable: str, text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.query_string or url.fragment or url.user:
        raise ValueError(f"{variable} must be a URL such as https://storage.example.com:9000")
    return url


def _credentials(settings: Settings) -> Credentials:
    key_id, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if key_id is None or secret is None:
        missing = "AWS_ACCESS_KEY_ID" if key_id is None else "AWS_SECRET_ACCESS_KEY"
        raise ValueError(f"DIALTONE_RECORDING_STORE needs {missing}")
    token = settings.aws_session_token
    return Credentials(
        key_id.get_secret_value(), secret.get_secret_value(), None if token is None else token.get_secret_value()
    )
