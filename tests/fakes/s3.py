"""A fake of an object store that speaks S3, over HTTP, with one bucket addressed in the path.

From the Amazon S3 API Reference: the operations' pages, "Error responses", "Multipart upload limits", and
"Authenticating Requests (AWS Signature Version 4)"; signatures are checked by botocore's implementation of it.
"""

import asyncio
import base64
import hashlib
import time
import uuid
import xml.etree.ElementTree as ElementTree
from calendar import timegm
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.server import FakeServer, drop

KEY_ID, SECRET, REGION, BUCKET = "AKIAFAKE", "s3-secret-of-the-fake", "eu-test-1", "calls"
XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
MIN_PART_BYTES = 5 * 1024 * 1024
MAX_SKEW_SECONDS = 900
_KEPT_HEADERS = ("Content-Type", "Cache-Control", "Content-Disposition")


@dataclass
class Fault:
    """What happens to the next request of an operation, e.g. `UploadPart`.

    `status` with `code`: refused without effect. `reset_after`: the connection is cut after so many bytes of the body.
    `done`: it has its effect first, then the connection is cut. `stall`: the body is not read until `release`.
    `etag`: it succeeds, and this is told instead of the right one.
    """

    operation: str
    status: int | None = None
    code: str = "InternalError"
    reset_after: int | None = None
    done: bool = False
    stall: bool = False
    etag: str | None = None
    times: int = 1


@dataclass
class Object:
    body: bytes
    etag: str
    headers: dict[str, str]


@dataclass
class Upload:
    key: str
    headers: dict[str, str]
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class FakeS3(FakeServer):
    def __init__(self, min_part_bytes: int = MIN_PART_BYTES, page: int = 1000) -> None:
        """`page`: parts in one answer of ListParts."""
        super().__init__()
        self.min_part_bytes = min_part_bytes
        self.page = page
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, Upload] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        """Operations, of parts with their number: `UploadPart 2`."""
        self.denied: set[str] = set()
        """Operations that the keys may not."""
        self.release = asyncio.Event()
        self.bodies_at_once = 0
        """Requests whose bodies are being read now."""

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of a server that keeps its recordings here."""
        return {
            "DIALTONE_RECORDING_STORE": f"s3://{BUCKET}/tests",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
        }

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._answer)]

    def restart(self) -> None:
        """Lose what was not completed."""
        self.uploads.clear()

    def count(self, operation: str) -> int:
        return sum(each.split()[0] == operation for each in self.requests)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        bucket, _, key = unquote(urlsplit(request.raw_path).path).lstrip("/").partition("/")
        operation = _operation(request, key)
        self.requests.append(f"{operation} {request.query['partNumber']}" if operation == "UploadPart" else operation)
        self.seen()
        fault = next((fault for fault in self.faults if fault.operation == operation), None)
        if fault is not None:
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
        try:
            if fault is not None and fault.status is not None:
                raise Refused(fault.status, fault.code)
            body = await self._body(request, fault)
            if body is None:
                return web.Response()
            self._check(request, bucket, operation, body)
            answer = self._serve(operation, key, request, body)
        except Refused as refused:
            text = f"<Error><Code>{refused.code}</Code><Message>No.</Message></Error>"
            return web.Response(status=refused.status, text=text, content_type="application/xml")
        if fault is not None and fault.done:
            drop(request)
        if fault is not None and fault.etag is not None:
            answer.headers["ETag"] = f'"{fault.etag}"'
        return answer

    async def _body(self, request: web.Request, fault: Fault | None) -> bytes | None:
        """None where the fault cut the connection."""
        self.bodies_at_once += 1
        try:
            if fault is not None and fault.stall:
                await self.release.wait()
            body = bytearray()
            async for chunk in request.content.iter_any():
                body += chunk
                if fault is not None and fault.reset_after is not None and len(body) >= fault.reset_after:
                    drop(request)
                    return None
            return bytes(body)
        finally:
            self.bodies_at_once -= 1

    # Who may

    def _check(self, request: web.Request, bucket: str, operation: str, body: bytes) -> None:
        if "X-Amz-Signature" in request.query:
            _check_url(request)
        else:
            _check_headers(request)
            if request.headers["X-Amz-Content-SHA256"] != hashlib.sha256(body).hexdigest():
                raise Refused(400, "XAmzContentSHA256Mismatch")
        md5 = request.headers.get("Content-MD5")
        if md5 is not None and base64.b64decode(md5) != hashlib.md5(body).digest():
            raise Refused(400, "BadDigest")
        if operation in self.denied:
            raise Refused(403, "AccessDenied")
        if bucket != BUCKET:
            raise Refused(404, "NoSuchBucket")

    # What is done

    def _serve(self, operation: str, key: str, request: web.Request, body: bytes) -> web.Response:
        if operation in ("GetObject", "HeadObject"):
            return self._get(key, request)
        if operation == "PutObject":
            self.objects[key] = Object(body, _md5(body), _kept(request))
            return web.Response(headers={"ETag": f'"{_md5(body)}"'})
        if operation == "DeleteObject":
            self.objects.pop(key, None)
            return web.Response(status=204)
        if operation == "ListMultipartUploads":
            return self._list_uploads(request)
        if operation == "CreateMultipartUpload":
            upload_id = uuid.uuid4().hex
            self.uploads[upload_id] = Upload(key, _kept(request))
            return _xml("InitiateMultipartUploadResult", Bucket=BUCKET, Key=key, UploadId=upload_id)
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or upload.key != key:
            raise Refused(404, "NoSuchUpload")
        if operation == "ListParts":
            return self._list_parts(request, upload)
        if operation == "UploadPart":
            number = int(request.query["partNumber"])
            if not 1 <= number <= 10_000:
                raise Refused(400, "InvalidArgument")
            upload.parts[number] = (body, _md5(body))
            return web.Response(headers={"ETag": f'"{_md5(body)}"'})
        if operation == "AbortMultipartUpload":
            del self.uploads[request.query["uploadId"]]
            return web.Response(status=204)
        assert operation == "CompleteMultipartUpload"
        return self._complete(request.query["uploadId"], upload, body)

    def _get(self, key: str, request: web.Request) -> web.Response:
        found = self.objects.get(key)
        if found is None:
            raise Refused(404, "NoSuchKey")
        headers = {"ETag": f'"{found.etag}"', "Accept-Ranges": "bytes", **found.headers}
        try:
            wanted = request.http_range
        except ValueError:
            raise Refused(416, "InvalidRange") from None
        if wanted.start is None and wanted.stop is None:
            return web.Response(body=found.body, headers=headers)
        first, end, _ = wanted.indices(len(found.body))
        if first >= end:
            raise Refused(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(found.body)}"
        return web.Response(status=206, body=found.body[first:end], headers=headers)

    def _list_uploads(self, request: web.Request) -> web.Response:
        prefix = request.query.get("prefix", "")
        found = [(upload.key, upload_id) for upload_id, upload in self.uploads.items() if upload.key.startswith(prefix)]
        inner = "".join(f"<Upload><Key>{key}</Key><UploadId>{each}</UploadId></Upload>" for key, each in sorted(found))
        return _xml("ListMultipartUploadsResult", inner, Bucket=BUCKET, IsTruncated="false")

    def _list_parts(self, request: web.Request, upload: Upload) -> web.Response:
        after = int(request.query.get("part-number-marker", "0"))
        numbers = sorted(number for number in upload.parts if number > after)
        shown = numbers[: self.page]
        inner = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{upload.parts[number][1]}&quot;</ETag>"
            f"<Size>{len(upload.parts[number][0])}</Size></Part>"
            for number in shown
        )
        more = "true" if len(shown) < len(numbers) else "false"
        marker = str(shown[-1]) if shown else "0"
        return _xml("ListPartsResult", inner, NextPartNumberMarker=marker, IsTruncated=more)

    def _complete(self, upload_id: str, upload: Upload, body: bytes) -> web.Response:
        parts = ElementTree.fromstring(body).findall(f"{{{XMLNS}}}Part")
        named = [
            (int(part.findtext(f"{{{XMLNS}}}PartNumber", "")), part.findtext(f"{{{XMLNS}}}ETag", "").strip('"'))
            for part in parts
        ]
        numbers = [number for number, _ in named]
        if not named or numbers != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder")
        if any(number not in upload.parts or upload.parts[number][1] != etag for number, etag in named):
            raise Refused(400, "InvalidPart")
        bodies = [upload.parts[number][0] for number in numbers]
        if any(len(part) < self.min_part_bytes for part in bodies[:-1]):
            raise Refused(400, "EntityTooSmall")
        digests = b"".join(hashlib.md5(part).digest() for part in bodies)
        etag = f"{_md5(digests)}-{len(bodies)}"
        self.objects[upload.key] = Object(b"".join(bodies), etag, upload.headers)
        del self.uploads[upload_id]
        return _xml("CompleteMultipartUploadResult", Bucket=BUCKET, Key=upload.key, ETag=f"&quot;{etag}&quot;")


def _operation(request: web.Request, key: str) -> str:
    query = request.query
    if not key:
        return "ListMultipartUploads" if "uploads" in query else "ListObjectsV2"
    part = {
        "PUT": "UploadPart",
        "GET": "ListParts",
        "POST": "CompleteMultipartUpload",
        "DELETE": "AbortMultipartUpload",
    }
    whole = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
    if "uploadId" in query:
        return part[request.method]
    return "CreateMultipartUpload" if "uploads" in query else whole[request.method]


def _check_headers(request: web.Request) -> None:
    try:
        algorithm, _, rest = request.headers["Authorization"].partition(" ")
        given = dict(pair.strip().split("=", 1) for pair in rest.split(","))
        moment, names = request.headers["X-Amz-Date"], given["SignedHeaders"].split(";")
    except (KeyError, ValueError):
        raise Refused(403, "AccessDenied") from None
    amazons = {name.lower() for name in request.headers if name.lower().startswith("x-amz-")}
    if algorithm != "AWS4-HMAC-SHA256" or not {"host", *amazons} <= set(names):
        raise Refused(403, "AccessDenied")
    if abs(time.time() - _seconds(moment)) > MAX_SKEW_SECONDS:
        raise Refused(403, "RequestTimeTooSkewed")
    url = f"{request.scheme}://{request.host}{request.raw_path}"
    headers = {name: request.headers[name] for name in names}
    auth = S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", REGION)
    _compare(auth, AWSRequest(request.method, url, headers), moment, given["Credential"], given["Signature"])


def _check_url(request: web.Request) -> None:
    path, _, query = request.raw_path.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    try:
        moment, lasts = given["X-Amz-Date"], int(given["X-Amz-Expires"])
        signature, credential = given["X-Amz-Signature"], given["X-Amz-Credential"]
    except (KeyError, ValueError):
        raise Refused(400, "AuthorizationQueryParametersError") from None
    if not 1 <= lasts <= 604_800:
        raise Refused(400, "AuthorizationQueryParametersError")
    if time.time() > _seconds(moment) + lasts:
        raise Refused(403, "AccessDenied")
    unsigned = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature="))
    url = f"{request.scheme}://{request.host}{path}?{unsigned}"
    auth = S3SigV4QueryAuth(Credentials(KEY_ID, SECRET), "s3", REGION)
    _compare(auth, AWSRequest(request.method, url, {"host": request.host}), moment, credential, signature)


def _compare(auth: SigV4Auth, request: Any, moment: str, credential: str, signature: str) -> None:
    request.context["timestamp"] = moment
    key_id, _, scope = credential.partition("/")
    if key_id != KEY_ID:
        raise Refused(403, "InvalidAccessKeyId")
    if scope != f"{moment[:8]}/{REGION}/s3/aws4_request":
        raise Refused(400, "AuthorizationHeaderMalformed")
    text = auth.string_to_sign(request, auth.canonical_request(request))
    if auth.signature(text, request) != signature:
        raise Refused(403, "SignatureDoesNotMatch")


def _seconds(moment: str) -> int:
    return timegm(time.strptime(moment, "%Y%m%dT%H%M%SZ"))


def _md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def _kept(request: web.Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}


def _xml(root: str, inner: str = "", **elements: str) -> web.Response:
    text = "".join(f"<{name}>{value}</{name}>" for name, value in elements.items())
    document = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{XMLNS}">{text}{inner}</{root}>'
    return web.Response(text=document, content_type="application/xml")
