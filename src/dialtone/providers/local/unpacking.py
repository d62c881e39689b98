"""Unpacking a downloaded model archive without trusting it."""

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

MAX_UNPACKED_BYTES = 2 * 1024**3
MAX_MEMBERS = 10_000
COPY_BYTES = 1024 * 1024


class UnsafeArchiveError(Exception):
    """The archive is damaged, or holds what a model archive must not. `str()` says what."""


def unpack(archive: Path, target: Path, wanted: Sequence[str]) -> None:
    """Unpack what of `archive` is `wanted` (paths below its top folder; `folder/` means all of it) into `target`.

    Only plain files are written. A path that leaves the archive, or too much data, raises `UnsafeArchiveError`.
    """
    unpacked_bytes = 0
    try:
        with tarfile.open(archive, "r|*") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBERS:
                    raise UnsafeArchiveError(f"it has more than {MAX_MEMBERS} members")
                inner = _inner_path(member.name)
                if inner is None or not _is_wanted(inner, wanted) or member.isdir():
                    continue
                if not member.isfile():
                    raise UnsafeArchiveError(f"{member.name} is not a plain file")
                unpacked_bytes += member.size
                if unpacked_bytes > MAX_UNPACKED_BYTES:
                    raise UnsafeArchiveError(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
                _write(tar, member, target / inner)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnsafeArchiveError(f"it can't be unpacked: {error}") from error


def _inner_path(name: str) -> str | None:
    """The path below the archive's top folder; None for that folder itself."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise UnsafeArchiveError(f"the path {name!r} leads out of it")
    return "/".join(path.parts[1:]) or None


def _is_wanted(inner: str, wanted: Sequence[str]) -> bool:
    return any(inner == path or (path.endswith("/") and inner.startswith(path)) for path in wanted)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while data := content.read(COPY_BYTES):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
