"""`dialtone models pull` and `list`: fetches speech models, checks them, and puts them where `auto` finds them."""

import argparse
import hashlib
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from dialtone.providers.local.model_catalog import CATALOG, NOTICES, RELEASES_URL, CatalogModel, find_model
from dialtone.providers.local.unpacking import UnsafeArchiveError, unpack

CHECKSUM_LIST = "checksum.txt"
MAX_CHECKSUM_LIST_BYTES = 4 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 1024**3
READ_BYTES = 256 * 1024
TIMEOUT_SECONDS = 60.0
BAR_WIDTH = 30

Progress = Callable[[str, int, int | None], None]
"""Called with a model's name, bytes here, and bytes in all where the server said."""


class PullError(Exception):
    """A model could not be fetched. `str()` says why and what to do."""


def models_dir(data_dir: Path) -> Path:
    return data_dir / "models"


def is_pulled(model: CatalogModel, data_dir: Path) -> bool:
    folder = models_dir(data_dir) / model.name
    return all((folder / file).exists() for file in model.files)


def pull(names: Sequence[str], data_dir: Path, progress: Progress, base_url: str = RELEASES_URL) -> list[str]:
    """Fetch models by name (none: the recommended ones). Returns those that were not here before.

    An interrupted download goes on where it stopped. Raises `PullError`.
    """
    chosen = []
    for name in names or [model.name for model in CATALOG if model.recommended]:
        model = find_model(name)
        if model is None:
            known = ", ".join(each.name for each in CATALOG)
            raise PullError(f"there is no model {name!r}; there are {known}")
        chosen.append(model)
    fetched = []
    for model in chosen:
        if not is_pulled(model, data_dir):
            _pull_one(model, models_dir(data_dir), progress, base_url.rstrip("/"))
            fetched.append(model.name)
    return fetched


def _pull_one(model: CatalogModel, folder: Path, progress: Progress, base_url: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    release_url = f"{base_url}/{model.release}"
    expected = _expected_checksum(model, folder, release_url)
    partial = folder / f"{model.archive}.part"
    _download(f"{release_url}/{model.archive}", partial, lambda here, total: progress(model.name, here, total))
    found = _sha256(partial)
    if found != expected:
        partial.unlink()
        raise PullError(
            f"{model.archive} is not what was expected: its SHA-256 is {found}, not {expected}. "
            "It was deleted; try again, and if this repeats do not use it"
        )
    _install(model, partial, folder)
    _pin(model, folder).write_text(f"{expected}  {model.archive}\n")
    partial.unlink()


def _pin(model: CatalogModel, folder: Path) -> Path:
    """The file that remembers the checksum with which a model was first accepted."""
    return folder / f"{model.name}.sha256"


def _expected_checksum(model: CatalogModel, folder: Path, release_url: str) -> str:
    if model.sha256 is not None:
        return model.sha256
    pin = _pin(model, folder)
    if pin.exists():
        return pin.read_text().split()[0]
    with _open(f"{release_url}/{CHECKSUM_LIST}") as response:
        listing = response.read(MAX_CHECKSUM_LIST_BYTES).decode(errors="replace")
    for line in listing.splitlines():
        parts = [part.lstrip("*") for part in line.split()]
        if model.archive in parts:
            for part in parts:
                if re.fullmatch(r"[0-9a-fA-F]{64}", part):
                    return part.lower()
    raise PullError(f"{release_url}/{CHECKSUM_LIST} does not name {model.archive}, so it can't be checked")


def _open(url: str, first_byte: int = 0) -> HTTPResponse:
    """A GET of `url`, from `first_byte` on. Raises `PullError`."""
    headers = {"User-Agent": "dialtone"}
    if first_byte:
        headers["Range"] = f"bytes={first_byte}-"
    if not url.startswith(("https://", "http://")):
        raise PullError(f"the base URL must begin with https:// or http:// (got {url})")
    try:
        response: HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        raise PullError(f"{url} answered {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise PullError(f"{url} could not be reached: {error}") from error
    return response


def _download(url: str, path: Path, progress: Callable[[int, int | None], None]) -> None:
    """Fetch `url` into `path`, going on where an earlier try stopped. Raises `PullError`."""
    here = path.stat().st_size if path.exists() else 0
    try:
        response = _open(url, here)
    except PullError as error:
        cause = error.__cause__
        if isinstance(cause, urllib.error.HTTPError) and cause.code == 416 and here:
            return  # nothing is left to fetch; the checksum tells whether it is right
        raise
    with response, path.open("ab" if response.status == 206 else "wb") as file:
        here = file.tell()
        length = response.headers.get("Content-Length")
        total = here + int(length) if length else None
        if (total or 0) > MAX_DOWNLOAD_BYTES:
            raise PullError(f"{url} is larger than {MAX_DOWNLOAD_BYTES} bytes")
        try:
            while data := response.read(READ_BYTES):
                file.write(data)
                here += len(data)
                if here > MAX_DOWNLOAD_BYTES:
                    raise PullError(f"{url} is larger than {MAX_DOWNLOAD_BYTES} bytes")
                progress(here, total)
        except (OSError, HTTPException) as error:
            raise PullError(f"the download of {url} broke off ({error}); run the command again to go on") from error
        if total is not None and here < total:
            raise PullError(
                f"the download of {url} broke off at {here} of {total} bytes; run the command again to go on"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _install(model: CatalogModel, archive: Path, folder: Path) -> None:
    """Unpack beside the final place and move it there in one step. Raises `PullError`."""
    unpacked = folder / f"{model.name}.unpacking"
    target = folder / model.name
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        unpack(archive, unpacked, (*model.files, *NOTICES))
        missing = [file for file in model.files if not (unpacked / file).exists()]
        if missing:
            raise PullError(f"{model.archive} lacks {', '.join(missing)}")
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)
    except UnsafeArchiveError as error:
        raise PullError(f"{model.archive} was not accepted: {error}") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def show_progress(name: str, here: int, total: int | None) -> None:
    """A bar on standard error, drawn over itself on a terminal."""
    if not sys.stderr.isatty() and here != total:
        return
    megabytes = f"{here / 1e6:.1f} MB"
    if total:
        filled = BAR_WIDTH * here // total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        megabytes = f"[{bar}] {100 * here // total:3d} % of {total / 1e6:.1f} MB"
    sys.stderr.write(f"\r{name} {megabytes}" + ("\n" if here == total else ""))
    sys.stderr.flush()


def main_pull(args: argparse.Namespace) -> int:
    """`args`: `names`, `data_dir`, and optionally `base_url` (a mirror). Returns the exit code."""
    base_url = getattr(args, "base_url", None) or RELEASES_URL
    try:
        fetched = pull(args.names, Path(args.data_dir), show_progress, base_url)
    except (PullError, OSError) as error:
        sys.stderr.write(f"\ndialtone: {error}\n")
        return 1
    sys.stdout.write(f"Pulled {', '.join(fetched)}.\n" if fetched else "Everything is here already.\n")
    return 0


def main_list(args: argparse.Namespace) -> int:
    """`args`: `data_dir`. Returns the exit code."""
    for model in CATALOG:
        here = "here" if is_pulled(model, Path(args.data_dir)) else f"{model.megabytes} MB to fetch"
        star = "recommended, " if model.recommended else ""
        sys.stdout.write(f"{model.name:14} {model.kind}, {model.about}; {model.licence} ({star}{here})\n")
    return 0
