"""Every operation at addresses that no client should ask for: parts of paths, values of queries, and their names."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.conftest import EXAMPLES, Target
from tests.fuzz.expectations import REFUSED_ANYWHERE, check, check_refusal
from tests.fuzz.hostile import ADDRESS_PARTS
from tests.fuzz.operations import Operation, filled

NOT_KEYS = ["", "Bearer", "Bearer ", "Bearer fl_", "Bearer fl_\xff", f"Bearer fl_{'x' * 9000}", "Basic eDp4"]


def _content(operation: Operation) -> bytes | None:
    return None if operation.schema is None else b"{}"


def test_ids_that_are_none(target: Target, subtests: pytest.Subtests) -> None:
    rows = target.look()
    for operation in target.description.operations:
        if operation.collection is None:
            continue
        with subtests.test(operation=operation.id):
            for part in ADDRESS_PARTS:
                answer = target.requests.send(operation.method, filled(operation.path, part), _content(operation))
                assert 400 <= answer.status < 500, (part, answer)
                assert answer.status in REFUSED_ANYWHERE or str(answer.status) in operation.description["responses"]
                check_refusal(answer)
            target.unchanged_since(rows)


def test_values_of_queries(target: Target, subtests: pytest.Subtests) -> None:
    rows = target.look()
    for operation in target.description.operations:
        if operation.method != "GET":
            continue
        path = target.path(operation)
        with subtests.test(operation=operation.id):
            names = operation.parameters("query")
            queries = [f"{name}={part}" for name in names for part in ADDRESS_PARTS]
            queries += [f"{name}={part}&{name}=1" for name in names for part in ("", "1", "%00")]
            queries += ["=", "%00=%00", "%ff", "a&" * 5_000, "limit=1;offset=1"]
            for query in queries:
                check(operation, target.requests.send("GET", f"{path}?{query}"))
    target.unchanged_since(rows)


def test_queries_of_many_values(target: Target, subtests: pytest.Subtests) -> None:
    """Values that are sound alone may not be together."""
    rows = target.look()
    values = ["", "0", "1", "1000", "1001", "-1", "c", "web", "ended", "inbound", *ADDRESS_PARTS]
    values += ["2026-01-01", "2026-01-01T00:00:00Z", "2027-12-31T23:59:59.999999%2B14:00", *sorted(target.ids.values())]
    for operation in target.description.operations:
        names = operation.parameters("query")
        if operation.method != "GET" or not names:
            continue
        with subtests.test(operation=operation.id):
            queries = st.dictionaries(st.sampled_from(names), st.sampled_from(values), max_size=len(names))
            _ask(target, operation, queries)
    target.unchanged_since(rows)


def _ask(target: Target, operation: Operation, queries: st.SearchStrategy[dict[str, str]]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(queries)
    def one(query: dict[str, str]) -> None:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        check(operation, target.requests.send("GET", f"{target.path(operation)}?{asked}"))

    one()


def test_no_address_is_served_without_a_key(target: Target, subtests: pytest.Subtests) -> None:
    """Whatever else is wrong with a request, the key is looked at first."""
    for operation in target.description.operations:
        if "security" not in operation.description:
            continue
        with subtests.test(operation=operation.id):
            for key in (
                "",
                "Bearer",
                "Bearer ",
                "Bearer fl_",
                "Bearer fl_\xff",
                f"Bearer fl_{'x' * 9000}",
                "Basic eDp4",
            ):
                headers = {"Authorization": key, "Content-Type": "text/plain"}
                answer = target.requests.send(operation.method, target.path(operation), b"{", headers)
                assert answer.status == 401, answer
                check_refusal(answer)
