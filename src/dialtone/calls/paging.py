"""Pages of a list, the newest first: by offset, as the contract has it, or by cursor."""

import base64
import hashlib
import hmac
import json
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dialtone.platform.crypto import Secrets
from dialtone.platform.errors import ApiError, invalid
from dialtone.platform.problems import problem

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**31

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = struct.Struct(">q16s")
"""Microseconds since the epoch, and the bytes of a UUID."""
_SIGNATURE_BYTES = 18
"""With the position 42, which base64 writes without padding."""
CURSOR_PATTERN = "([A-Za-z0-9_-]{56})?"
NOT_A_CURSOR = "must be empty, or the next_cursor of this list with the same filters"


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is asked for."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: str | None = None
    """Given, the list is paged by cursor; the empty one is its beginning."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: right behind this row, whatever has been added in front since."""

    created_at: datetime
    id: str


class Cursors:
    """Writes positions as opaque texts, and reads them back. A cursor holds for one list of one organization with one
    choice of filters; the signature makes sure of it.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def write(self, position: Position, *list_and_filters: Any) -> str:
        micros = (position.created_at - _EPOCH) // timedelta(microseconds=1)
        packed = _POSITION.pack(micros, uuid.UUID(position.id).bytes)
        signature = _signature(self._secrets.derive("list cursors"), packed, list_and_filters)
        return base64.urlsafe_b64encode(packed + signature).decode()

    def read(self, cursor: str, *list_and_filters: Any) -> Position:
        """Raises `ApiError` (400) for anything that `write` did not make for this list and these filters."""
        try:
            raw = base64.b64decode(cursor, b"-_", validate=True)
        except ValueError:
            raise _bad_cursor() from None
        packed, signature = raw[: _POSITION.size], raw[_POSITION.size :]
        keys = self._secrets.derive_all("list cursors")
        expected = [_signature(key, packed, list_and_filters) for key in keys]
        if not any(hmac.compare_digest(signature, one) for one in expected):
            raise _bad_cursor()
        micros, id_bytes = _POSITION.unpack(packed)
        return Position(_EPOCH + timedelta(microseconds=micros), str(uuid.UUID(bytes=id_bytes)))


def _signature(key: bytes, packed: bytes, list_and_filters: Sequence[Any]) -> bytes:
    signed = packed + json.dumps(list_and_filters, default=str).encode()
    return hmac.new(key, signed, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _bad_cursor() -> ApiError:
    return invalid([problem("cursor", NOT_A_CURSOR)])
