"""Findings as people and as programs read them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dialtone.doctor.finding import Finding, Status

_WORST_FIRST: tuple[Status, ...] = ("failed", "warning", "ok")


def verdict(findings: Sequence[Finding]) -> Status:
    """The worst of them."""
    return next((status for status in _WORST_FIRST if any(finding.status == status for finding in findings)), "ok")


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """For `--json`."""
    return {"status": verdict(findings), "findings": [asdict(finding) for finding in findings]}


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """For a terminal. Names that customers chose can't steer it."""
    for finding in findings:
        yield _printable(f"{finding.status:<7}  {finding.what}: {finding.words}")
        if finding.fix is not None:
            yield _printable(f"         -> {finding.fix}")
    count = Counter(finding.status for finding in findings)
    yield f"{count['ok']} ok, {count['warning']} with a warning, {count['failed']} failed"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
