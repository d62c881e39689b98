"""A PostgreSQL server of one's own for a test run: made in a temporary directory, gone afterwards."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 60.0
STOP_SECONDS = 20.0
ATTEMPTS = 3
USER = "dialtone"
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


class PostgresqlUnavailableError(Exception):
    """There is no PostgreSQL to test on; `str()` says why."""


def find_binaries() -> Path | None:
    """The directory that holds `initdb` and `postgres`: that of the search path, else Debian's newest."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(versions, key=lambda path: path.parent.name.zfill(4), reverse=True)
    for directory in candidates:
        if (directory / "initdb").is_file() and (directory / "postgres").is_file():
            return directory
    return None


def _install() -> None:
    """Install PostgreSQL where this is possible without asking anybody. Raises `PostgresqlUnavailableError`."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PostgresqlUnavailableError(
            "no PostgreSQL server is installed (on Debian and Ubuntu: apt-get install postgresql)"
        )
    print("Installing PostgreSQL for the tests", file=sys.stderr)
    for arguments in (["update"], ["install", "-y", "postgresql"]):
        done = subprocess.run(
            ["apt-get", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PostgresqlUnavailableError(f"'apt-get {' '.join(arguments)}' failed:\n{done.stdout.strip()}")


def _unprivileged_user() -> dict[str, Any]:
    """Arguments for `subprocess`: PostgreSQL refuses to run as root, so root lends it another user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise PostgresqlUnavailableError("PostgreSQL must not run as root, and there is no user 'postgres' or 'nobody'")


def _initialise(binaries: Path, directory: Path, password: str, identity: dict[str, Any]) -> None:
    password_file = directory / "password"
    password_file.write_text(password)
    if identity:
        for path in (directory, password_file):
            os.chown(path, identity["user"], identity["group"])
    done = subprocess.run(
        [
            *(binaries / "initdb", "--pgdata", directory / "data", "--username", USER, "--pwfile", password_file),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **identity,
    )
    if done.returncode:
        raise PostgresqlUnavailableError(f"PostgreSQL could not make its data directory:\n{done.stdout.strip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts(server: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the server answers. False if it ended instead. Raises `PostgresqlUnavailableError` after too long."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresqlUnavailableError(
                    f"PostgreSQL did not answer in {START_SECONDS:.0f} s: {error}"
                ) from error
            time.sleep(0.05)
        else:
            return True
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    # SIGQUIT is PostgreSQL's immediate shutdown; nothing of this cluster is worth saving.
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextmanager
def throwaway_postgresql() -> Iterator[str]:
    """Run a PostgreSQL server on a free port of 127.0.0.1 and yield its URL. Raises `PostgresqlUnavailableError`."""
    binaries = find_binaries()
    if binaries is None:
        _install()
        binaries = find_binaries()
        if binaries is None:
            raise PostgresqlUnavailableError("PostgreSQL was installed, but its programs were not found")
    identity = _unprivileged_user()
    password = secrets.token_hex(16)
    directory = Path(tempfile.mkdtemp(prefix="dialtone-postgresql-"))
    try:
        _initialise(binaries, directory, password, identity)
        server, url = _start(binaries, directory, password, identity)
        try:
            yield url
        finally:
            _stop(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(
    binaries: Path, directory: Path, password: str, identity: dict[str, Any]
) -> tuple[subprocess.Popen[bytes], str]:
    log_path = directory / "log"
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **FAST_AND_FORGETFUL}
    for _ in range(ATTEMPTS):
        # The port may be taken between this look and the server's start; then the next attempt picks another.
        port = _free_port()
        settings = [f"--{name}={value}" for name, value in (options | {"port": str(port)}).items()]
        with log_path.open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", directory / "data", *settings],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests; the server goes when they are done.
                start_new_session=True,
                **identity,
            )
        url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"
        try:
            if _accepts(server, url):
                return server, url
        except BaseException:
            _stop(server)
            raise
    raise PostgresqlUnavailableError(f"PostgreSQL did not start:\n{log_path.read_text(errors='replace').strip()}")
