"""Starts of the server that fail, and what they leave behind."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dialtone.cli import main
from dialtone.serving import Server, create_app
from dialtone.settings import Settings, unknown_variables


@contextmanager
def taken_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """A port of 127.0.0.1 that another program has."""
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        yield other.getsockname()[1]


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a start which fails says."""
    assert main(["serve", *arguments]) == 1
    told = capfd.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert len(lines) == 1, told.err
    return lines[0]


async def _started(settings: Settings) -> None:
    server = Server(create_app(settings), settings)
    async with asyncio.timeout(10):
        task = asyncio.create_task(server.serve())
        await server.ready()
        server.should_exit = True
        await task


@pytest.mark.parametrize("listener", ["http", "udp", "tcp"])
def test_the_first_key_is_shown_by_the_first_start_that_succeeds(
    listener: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = socket.SOCK_DGRAM if listener == "udp" else socket.SOCK_STREAM
    with taken_port(kind) as port, monkeypatch.context() as patch:
        if listener != "http":
            patch.setenv("DIALTONE_SIP_LISTEN", f"{listener}://127.0.0.1:{port}")
        http = port if listener == "http" else 0
        assert str(port) in refused(capfd, "--data-dir", str(tmp_path), "--port", str(http))
    assert main(["keys", "--data-dir", str(tmp_path), "list"]) == 0
    assert capfd.readouterr().out == ""
    asyncio.run(_started(Settings(data_dir=tmp_path, port=0)))
    shown = capfd.readouterr().out.splitlines()[1]
    assert shown.startswith("API key (shown only now): fl_live_")
    assert main(["keys", "--data-dir", str(tmp_path), "list"]) == 0
    (kept,) = capfd.readouterr().out.splitlines()
    assert kept.split()[1].removesuffix("...") in shown
    asyncio.run(_started(Settings(data_dir=tmp_path, port=0)))
    assert "API key" not in capfd.readouterr().out


def test_an_address_that_cannot_be_had_is_told_with_its_setting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    at = ("--data-dir", str(tmp_path))
    with taken_port() as port:
        assert refused(capfd, *at, "--port", str(port)) == (
            f"dialtone: port {port} of 127.0.0.1 is in use: stop the program that has it, or choose another one with "
            "--port or DIALTONE_PORT (0 picks a free one)"
        )
    choose = "choose one with --host or DIALTONE_HOST (0.0.0.0 stands for all)"
    foreign = refused(capfd, *at, "--host", "192.0.2.1", "--port", "0")
    assert foreign == f"dialtone: 192.0.2.1 is not an address of this machine: {choose}"
    unknown = refused(capfd, *at, "--host", "no..host", "--port", "0")
    assert unknown == f"dialtone: no..host is not found: {choose}"


def test_a_data_directory_that_cannot_be_used_is_told_with_its_setting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    advice = "name one that this user may write to with --data-dir or DIALTONE_DATA_DIR"
    for given, why in (
        (file, "it is a file"),
        (file / "below", "Not a directory"),
        (Path("/proc/nope"), "No such file or directory"),
        (Path("/proc"), "No such file or directory"),  # which nobody may write to
    ):
        words = refused(capfd, "--data-dir", str(given), "--port", "0")
        assert words == f"dialtone: the data directory {given} can't be used ({why}): {advice}"


def test_a_variable_that_is_no_setting_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIALTONE_SIP_LISTN", "udp://127.0.0.1:0")
    monkeypatch.setenv("DIALTONE_OPENAI_API_KEY", "s3cret")
    monkeypatch.setenv("DIALTONE_ZZZ", "1")
    file = tmp_path / "file"
    file.touch()
    assert main(["serve", "--data-dir", str(file)]) == 1
    assert capfd.readouterr().err.splitlines()[:-1] == [
        "dialtone: warning: DIALTONE_OPENAI_API_KEY is no setting and changes nothing; did you mean OPENAI_API_KEY?",
        "dialtone: warning: DIALTONE_SIP_LISTN is no setting and changes nothing; did you mean DIALTONE_SIP_LISTEN?",
        "dialtone: warning: DIALTONE_ZZZ is no setting and changes nothing",
    ]


def test_every_documented_setting_is_known() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    names = re.findall(r"`([A-Z][A-Z_]+[A-Z])(?:`|=)", documented)
    assert len(names) > 50
    assert unknown_variables(names) == []
