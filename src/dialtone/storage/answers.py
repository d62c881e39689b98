"""What S3 answers: errors in words, and the few things that are read from its XML.

From "Error responses" and the operations' pages of the Amazon S3 API Reference.
"""

import contextlib
import xml.etree.ElementTree as ElementTree

_WORDS = {
    "AccessDenied": "access is denied; the keys need leave to read, write, list and delete objects and uploads",
    "InvalidAccessKeyId": "the access key is unknown there",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region, or at another endpoint",
    "AuthorizationHeaderMalformed": "the region does not fit; set AWS_REGION to the bucket's",
    "RequestTimeTooSkewed": "the clocks of this server and the store differ too much",
    "SignatureDoesNotMatch": "the secret access key does not fit the access key",
    "SlowDown": "the store asks for fewer requests",
}
_PASSING = {"RequestTimeout", "OperationAborted", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}
"""Codes of answers with status 4xx to what may well succeed the next time."""


class StorageError(Exception):
    """A request to the store failed. `str()` is a sentence without a secret."""

    def __init__(self, message: str, *, code: str = "", passing: bool = True) -> None:
        """`passing`: the same request may succeed later. `code` is the store's."""
        super().__init__(message)
        self.code = code
        self.passing = passing


def error_of(status: int, body: bytes) -> StorageError:
    """What an answer other than success means."""
    code = ""
    with contextlib.suppress(StorageError):  # HEAD has no body, and proxies speak HTML
        code = find_text(parse(body), "Code") or ""
    if not code and status == 403:
        code = "AccessDenied"
    said = _WORDS.get(code, code[:80] if code.isalnum() else "")
    words = f"the store of recordings answered HTTP {status}" + (f": {said}" if said else "")
    return StorageError(words, code=code, passing=status >= 500 or status in (408, 409, 429) or code in _PASSING)


def parse(body: bytes) -> ElementTree.Element:
    """Raises `StorageError` for what is no XML, or one with a document type, which S3 never sends."""
    if b"<!DOCTYPE" in body:
        raise StorageError("the answer of the store of recordings is not S3's")
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise StorageError("the answer of the store of recordings is not S3's") from None


def find_text(element: ElementTree.Element, name: str) -> str | None:
    """The text of the first descendant of this name, or of the element itself, in whatever namespace."""
    for each in element.iter():
        if _local(each) == name:
            return each.text
    return None


def find_all(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in element.iter() if _local(each) == name]


def required_text(element: ElementTree.Element, name: str) -> str:
    """Raises `StorageError` where there is none."""
    text = find_text(element, name)
    if not text:
        raise StorageError(f"the answer of the store of recordings lacks {name}")
    return text


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
