"""Run the tests on SQLite and PostgreSQL, and say at the end what did not run and why.

With `DIALTONE_TEST_REQUIRE_ALL=1` or `CI=true` whatever was skipped fails the run: a test that never runs
where it counts protects nothing.
"""

import os
import signal
import sys
from collections import Counter

import pytest
from postgresql import PostgresqlUnavailableError, throwaway_postgresql
from sip_programs import install_missing

URL_VARIABLE = "DIALTONE_TEST_POSTGRESQL_URL"


class SkippedTests:
    """A pytest plugin that counts skipped tests (and whole modules) by reason. Expected failures are not skips."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._count(report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._count(report.longrepr)

    def _count(self, longrepr: object) -> None:
        reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        self.reasons[reason.removeprefix("Skipped: ")] += 1


MOST_WORKERS = 4


def _shared_out(arguments: list[str]) -> list[str]:
    """With the tests shared out over the cores, file by file in the order that tests/conftest.py gives, unless a
    person looks for something. One worker more than there are cores, since the slow tests mostly wait.
    """
    if any(argument in ("-x", "-s", "--pdb", "--lf") or argument.startswith("-n") for argument in arguments):
        return arguments
    workers = min((os.cpu_count() or 1) + 1, MOST_WORKERS)
    return [f"--numprocesses={workers}", "--dist=loadfile", "--no-loadscope-reorder", *arguments]


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")


def _run(arguments: list[str], skipped: SkippedTests) -> tuple[int, str | None]:
    """Run pytest beside a PostgreSQL. Returns pytest's exit code, and why there was no PostgreSQL, if so."""
    if os.environ.get(URL_VARIABLE):
        return int(pytest.main(arguments, plugins=[skipped])), None
    try:
        with throwaway_postgresql() as url:
            os.environ[URL_VARIABLE] = url
            return int(pytest.main(arguments, plugins=[skipped])), None
    except PostgresqlUnavailableError as error:
        os.environ.pop(URL_VARIABLE, None)
        return int(pytest.main(arguments, plugins=[skipped])), str(error)


def main(arguments: list[str]) -> int:
    # Being told to stop must end the tests as Ctrl-C does, so that PostgreSQL is stopped too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    install_missing()
    skipped = SkippedTests()
    code, no_postgresql = _run(_shared_out(arguments), skipped)
    missing = [f"{count} skipped: {reason}" for reason, count in skipped.reasons.most_common()]
    if no_postgresql is not None:
        missing.insert(0, f"everything on PostgreSQL: {no_postgresql}")
    if missing:
        print("\nNot tested:", *(f"  - {line}" for line in missing), sep="\n")
    if missing and (_is_set("CI") or _is_set("DIALTONE_TEST_REQUIRE_ALL")):
        print("Failed: every test had to run.")
        return code or 1
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
