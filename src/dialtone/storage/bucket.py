"""A bucket of any store that speaks S3: the few requests that recordings need.

From the operations' pages of the Amazon S3 API Reference (PutObject, HeadObject, GetObject, DeleteObject,
CreateMultipartUpload, UploadPart, ListParts, ListMultipartUploads, CompleteMultipartUpload, AbortMultipartUpload).
Every method raises `StorageError`.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import aiohttp

from dialtone.storage.answers import StorageError, error_of, find_all, find_text, parse, required_text
from dialtone.storage.location import Location
from dialtone.storage.signing import Signer, with_query

MAX_ANSWER_BYTES = 2 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
"""What goes to the socket at once, so that live calls never wait for a large body."""
_EMPTY_SHA256 = hashlib.sha256().hexdigest()
_TIMEOUT = aiohttp.ClientTimeout(total=300, connect=10, sock_read=60)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to be sent, with their hashes: the store refuses what came to it changed."""

    data: bytes
    sha256: str
    md5: str
    """In base64."""

    @classmethod
    def of(cls, data: bytes) -> "Piece":
        """Takes milliseconds where there are megabytes, so it belongs into a thread."""
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        return cls(data, hashlib.sha256(data).hexdigest(), base64.b64encode(md5).decode())


@dataclass(frozen=True, slots=True)
class StoredObject:
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class StoredPart:
    size: int
    etag: str


class Bucket:
    """Keys are given without the location's prefix. One per process; `close` it at the end."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._signer = Signer(location.credentials, location.region)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def check(self) -> None:
        """Do once all that recordings need, and leave nothing."""
        key = f"check-{secrets.token_hex(8)}"
        await self.put(key, Piece.of(b"dialtone"), {})
        found = await self.head(key)
        await self.abort(key, await self.create_upload(key, {}))
        await self.uploads(key)
        await self.delete(key)
        await self.head(key)  # without the right to list, Amazon calls forbidden what is not there
        if found is None:
            raise StorageError("the store of recordings does not keep what it was given", passing=False)

    async def put(self, key: str, piece: Piece, headers: Mapping[str, str]) -> str:
        """Store an object, and give its ETag."""
        async with self._request("PUT", key, piece=piece, headers=headers) as response:
            return _etag(response)

    async def head(self, key: str) -> StoredObject | None:
        """None where there is no such object."""
        async with self._request("HEAD", key, fine=(404,)) as response:
            if response.status == 404:
                return None
            return StoredObject(int(response.headers.get("Content-Length", "-1")), _etag(response))

    @asynccontextmanager
    async def get(self, key: str) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """An object's bytes as they come; None where there is no such object."""
        async with self._request("GET", key, fine=(404,)) as response:
            yield None if response.status == 404 else _chunks(response)

    async def delete(self, key: str) -> None:
        """Also where there is none."""
        async with self._request("DELETE", key, fine=(404,)):
            pass

    def presigned_url(self, method: str, key: str, seconds: int) -> str:
        """An address that opens the object for so long, to whoever holds it."""
        url = self._location.url(self._location.prefix + key, public=True)
        return self._signer.url(method, url, seconds, datetime.now(UTC))

    # Multipart uploads

    async def create_upload(self, key: str, headers: Mapping[str, str]) -> str:
        """Begin an upload, and give its id."""
        async with self._request("POST", key, {"uploads": ""}, headers=headers) as response:
            return required_text(parse(await _body(response)), "UploadId")

    async def uploads(self, key: str) -> list[str]:
        """The ids of uploads of this very key that were begun and neither completed nor aborted."""
        full = self._location.prefix + key
        query = {"uploads": "", "prefix": full}
        async with self._request("GET", None, query) as response:
            found = find_all(parse(await _body(response)), "Upload")
        return [required_text(each, "UploadId") for each in found if find_text(each, "Key") == full]

    async def parts(self, key: str, upload_id: str) -> dict[int, StoredPart]:
        """What an upload has, by part number."""
        parts: dict[int, StoredPart] = {}
        marker = ""
        while True:
            query = {"uploadId": upload_id} | ({"part-number-marker": marker} if marker else {})
            async with self._request("GET", key, query) as response:
                page = parse(await _body(response))
            for each in find_all(page, "Part"):
                number = int(required_text(each, "PartNumber"))
                parts[number] = StoredPart(int(required_text(each, "Size")), _bare(required_text(each, "ETag")))
            following = find_text(page, "NextPartNumberMarker") or ""
            if find_text(page, "IsTruncated") != "true" or following in ("", marker):
                return parts
            marker = following

    async def upload_part(self, key: str, upload_id: str, number: int, piece: Piece) -> str:
        """Store or replace a part, and give its ETag."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        async with self._request("PUT", key, query, piece=piece) as response:
            return _etag(response)

    async def complete(self, key: str, upload_id: str, etags: Mapping[int, str]) -> str:
        """Make the object of these parts, by their numbers, and give its ETag."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etags[number])}</ETag></Part>"
            for number in sorted(etags)
        )
        text = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}'
        piece = Piece.of(f"{text}</CompleteMultipartUpload>".encode())
        async with self._request("POST", key, {"uploadId": upload_id}, piece=piece) as response:
            body = await _body(response)
        answer = parse(body)
        if find_text(answer, "Code") is not None:  # a failure may follow the status of success
            raise error_of(500, body)
        return _bare(required_text(answer, "ETag"))

    async def abort(self, key: str, upload_id: str) -> None:
        """Let the store forget the upload's parts. Also where there is no such upload."""
        async with self._request("DELETE", key, {"uploadId": upload_id}, fine=(404,)):
            pass

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str] | None = None,
        *,
        piece: Piece | None = None,
        headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; `key` None asks the bucket. An answer that is neither success nor `fine` is raised."""
        url = with_query(self._location.url("" if key is None else self._location.prefix + key), query or {})
        sent = dict(headers or {})
        if piece is not None:
            sent["Content-MD5"] = piece.md5
        sha256 = _EMPTY_SHA256 if piece is None else piece.sha256
        signed = self._signer.headers(method, url, sent, sha256, datetime.now(UTC))
        signed["Accept-Encoding"] = "identity"
        data = None
        if method in ("PUT", "POST"):
            body = b"" if piece is None else piece.data
            signed["Content-Length"] = str(len(body))
            data = _in_chunks(body)
        try:
            async with self._open_session().request(
                method, url, headers=signed, data=data, allow_redirects=False
            ) as response:
                if response.status // 100 != 2 and response.status not in fine:
                    raise error_of(response.status, await _body(response))
                yield response
        except TimeoutError:
            raise StorageError("the store of recordings gave no answer in time") from None
        except (aiohttp.ClientError, ConnectionError) as problem:
            raise StorageError(f"no connection to the store of recordings ({type(problem).__name__})") from None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Content-Type", "User-Agent"),
            )
        return self._session


async def _in_chunks(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(view), CHUNK_BYTES):
        yield view[start : start + CHUNK_BYTES]
        await asyncio.sleep(0)  # a fast socket would take everything in one turn of the loop


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        yield chunk


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise StorageError("the store of recordings answered more than S3 does")
    return bytes(body)


def _etag(response: aiohttp.ClientResponse) -> str:
    return _bare(response.headers.get("ETag", ""))


def _bare(etag: str) -> str:
    """ETags come with quotes or without."""
    return etag.strip().strip('"')
