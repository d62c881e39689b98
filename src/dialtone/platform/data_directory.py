"""Who uses a data directory."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_sole_use(data_dir: Path) -> Iterator[None]:
    """Hold the data directory: two servers on one would take each other's live calls for left-overs.

    The system lets go of it with the process, however that ends. Raises `OSError` where another process holds it, or
    where it can't be used.
    """
    make(data_dir)
    try:
        lock = os.open(data_dir / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise OSError(_unusable(data_dir, problem)) from None
    try:
        if sys.platform != "win32" and not _locked(lock):
            raise OSError(
                f"another server uses the data directory {data_dir}; stop it, or give this one --data-dir of its own"
            )
        yield
    finally:
        os.close(lock)


def make(data_dir: Path) -> None:
    """Make the directory where it is not there. Raises `OSError` in words that say what to do."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise OSError(_unusable(data_dir, problem)) from None


def _unusable(data_dir: Path, problem: OSError) -> str:
    why = "it is a file" if data_dir.is_file() else problem.strerror
    return (
        f"the data directory {data_dir} can't be used ({why}): name one that this user may write to with --data-dir or "
        "DIALTONE_DATA_DIR"
    )


def _locked(lock: int) -> bool:
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
