"""`dialtone doctor sip` beside a running server."""

import asyncio
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dialtone.cli import main
from dialtone.doctor.finding import Finding, failed, ok
from dialtone.doctor.report import document, lines
from tests.doctor.findings import LOGIN, PASSWORD, free_port
from tests.sip.certificates import make_certificate
from tests.whole.carriers import make_account, make_number
from tests.whole.house import whole_house
from tests.whole.test_sip_calls import make_trunk
from tests.whole.test_sip_trunks import change, provider, until_state

TOKEN = "tw-secret-of-the-account"


def _environment(patch: pytest.MonkeyPatch, settings: Mapping[str, object]) -> None:
    for name, value in settings.items():
        if value is not None:
            patch.setenv(f"DIALTONE_{name.upper()}", str(value))


async def _doctor(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit code, and status and words of each thing that was examined."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["doctor", "sip", "--json", "--timeout", "1", *more])
    told = capsys.readouterr().out
    assert PASSWORD not in told
    assert TOKEN not in told
    found: dict[str, list[tuple[str, str]]] = {}
    for each in json.loads(told)["findings"]:
        found.setdefault(each["what"].split(" (")[0], []).append((each["status"], each["words"]))
    assert (json.loads(told)["status"] == "failed") == (code == 1)
    return code, found


async def test_a_server_that_works(
    tmp_path: Path,
    database_url: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    udp, tls = free_port(socket.SOCK_DGRAM), free_port()
    certificate = make_certificate(tmp_path)
    settings: dict[str, Any] = {
        "port": free_port(),
        "sip_listen": f"udp://127.0.0.1:{udp},tls://127.0.0.1:{tls}",
        "sip_tls_certificate": certificate,
        "sip_tls_key": certificate,
        "rtp_ports": "35200-35299",
        "max_calls": 20,
    }
    _environment(monkeypatch, {**settings, "data_dir": tmp_path, "database_url": database_url})
    async with provider() as far, whole_house(tmp_path, database_url=database_url, **settings) as house:
        await make_trunk(house, far.address, **LOGIN, register=True)
        await until_state(house, "registered")
        code, found = await _doctor(capsys)
        assert code == 0
        assert found["server"][0][0] == "ok"
        udp_listener, tls_listener = f"listener udp://127.0.0.1:{udp}", f"listener tls://127.0.0.1:{tls}"
        for listener in (udp_listener, tls_listener):
            assert found[listener] == [("warning", "The server listens here. Only this machine can reach it.")]
        assert found["certificate"][0][1].startswith("It expires on ")
        assert found["trunk Carrier"][0][1].endswith("(401 Unauthorized).")
        assert found["trunk Carrier"][1][1].startswith("Registered since ")
        assert found["audio ports"] == [("ok", "35200-35299 has room for 50 calls; the server takes 20.")]
        assert "carriers" not in found

        make_certificate(tmp_path)
        monkeypatch.setenv("DIALTONE_SIP_LISTEN", f"{settings['sip_listen']},udp://127.0.0.1:{free_port()}")
        await make_number(house, "twilio")
        code, found = await _doctor(capsys)
        assert code == 1
        assert found["certificate"] == [("warning", "The server still shows another certificate than the file's.")]
        assert ("failed", "The server runs, but does not listen here.") in [each for [each, *_] in found.values()]
        assert found["carriers"][0][0] == "failed"
        assert found["carrier twilio"] == [("failed", "The key or a setting is missing for 1 number.")]

        await make_account(house, "twilio", TOKEN, account_sid="AC" + 32 * "0")
        monkeypatch.setenv("DIALTONE_PUBLIC_URL", "https://voice.example.com")
        _, found = await _doctor(capsys)
        assert found["carriers"] == [("ok", "They are told to reach https://voice.example.com.")]
        assert found["carrier twilio"] == [("ok", "Key and settings are there for 1 number.")]

        far.status = 403
        await change(house, register_expires=300)
        await until_state(house, "failing")
        _, found = await _doctor(capsys)
        words = "The provider refused the registration (403 Forbidden)."
        assert found["trunk Carrier"][1] == ("failed", words)


def test_without_a_server_the_rest_is_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"data_dir": tmp_path, "sip_listen": f"udp://0.0.0.0:{free_port(socket.SOCK_DGRAM)}"}
    _environment(monkeypatch, settings)
    assert main(["doctor", "sip", "--port", str(free_port())]) == 0
    told = capsys.readouterr().out
    assert "No server answers at http://127.0.0.1:" in told
    assert "         -> Start it (`dialtone serve`)" in told
    assert told.splitlines()[-1] == "3 ok, 2 with a warning, 0 failed"
    assert list(tmp_path.iterdir()) == []


def test_names_can_not_steer_the_terminal() -> None:
    findings: list[Finding] = [failed("trunk \x1b[2J\u202e", "No.", "Rename it."), ok("server", "Yes.")]
    assert all(line.isprintable() for line in lines(findings))
    assert document(findings)["status"] == "failed"
