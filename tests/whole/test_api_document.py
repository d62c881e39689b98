"""The document of the API is the truth: schemathesis asks a real server whatever the document allows, and much that it
does not, and holds every answer against it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes.resend import FakeResend
from tests.whole.processes import KEY, beside, served

ROOT = Path(__file__).parents[2]
SEED = 20260131
SECONDS = 30
"""Shared by the phases: examples, coverage, fuzzing, chains of requests."""
CASES_EACH = 2
"""Of every operation at least, also on a machine that does other work; a free core asks a few thousand in all."""
RESEND_KEY = "re_of_the_deployment"


def ask_everything(url: str, directory: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run schemathesis with all its checks; what it said, and its report."""
    report = directory / "report.json"
    options = [
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml")), "--no-color"),
        *("run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {KEY}"),
        *("--checks", "all", "--continue-on-failure", "--max-time", str(SECONDS), "--seed", str(SEED)),
        *("--report", "json", "--report-json-path", str(report), "--generation-database", "none"),
    ]
    said = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *options],
        cwd=directory,  # where it leaves what it wants to remember
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert report.exists(), said.stdout
    return said, json.loads(report.read_text())


def test_the_document_is_the_truth(tmp_path: Path, database_url: str | None) -> None:
    resend = FakeResend(RESEND_KEY)
    with beside(resend):
        settings = {"control_rate_limit": "off", "byok_to_base_urls": "true", "RESEND_API_KEY": RESEND_KEY}
        with served(tmp_path / "data", database_url, RESEND_BASE_URL=resend.url, **settings) as server:
            said, report = ask_everything(server.url, tmp_path)
            complaints = server.complaints()
    assert said.returncode == 0, said.stdout
    assert complaints == []
    assert report["operations"]["errored"] == 0
    assert report["operations"]["tested"] == report["operations"]["total"] > 60
    assert report["test_cases"]["generated"] >= CASES_EACH * report["operations"]["total"], report["test_cases"]
