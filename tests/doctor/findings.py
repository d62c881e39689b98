"""What the tests of the doctor need."""

import socket
from collections.abc import Sequence
from typing import Any

import httpx

from dialtone.doctor.finding import Finding
from dialtone.doctor.telephone import examine
from dialtone.settings import Settings

PATIENCE = 0.4
"""Seconds; on this machine answers take milliseconds."""
PASSWORD = "s3cret of the trunk"
LOGIN = {"auth_username": "user123", "auth_password": PASSWORD}


async def findings_of(settings: Settings, trunk_id: str | None = None, **changes: Any) -> list[Finding]:
    """What the doctor says, with a telephone at a free port unless `changes` has another."""
    defaults = {"sip_listen": "udp://127.0.0.1:0", "rtp_ports": "35000-35099", "max_calls": 10, "port": free_port()}
    found = await examine(settings.model_copy(update={**defaults, **changes}), trunk_id, PATIENCE)
    assert PASSWORD not in str(found)
    for finding in found:
        assert (finding.fix is None) == (finding.status == "ok")
    return found


async def make_trunk(client: httpx.AsyncClient, address: str, **fields: Any) -> str:
    body = {"name": "Main line", "provider": "other", "address": address, **fields}
    answered = await client.post("/api/v1/sip-trunks", json=body)
    assert answered.status_code == 201, answered.text
    trunk_id: str = answered.json()["trunk"]["id"]
    return trunk_id


def about(findings: Sequence[Finding], what: str) -> list[tuple[str, str]]:
    """Status and words of what begins with `what`."""
    return [(finding.status, finding.words) for finding in findings if finding.what.startswith(what)]


def fixes(findings: Sequence[Finding], what: str) -> str:
    return " ".join(finding.fix or "" for finding in findings if finding.what.startswith(what))


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
