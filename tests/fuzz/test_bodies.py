"""Every operation that takes a body, given sound, bent and torn ones: it is done whole, or refused and nothing done.

New operations are found by themselves. `DIALTONE_TEST_FUZZ_EXAMPLES` has each tried with more bodies than usual.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.bodies import Bodies
from tests.fuzz.conftest import EXAMPLES, MAX_BODY_BYTES, Target
from tests.fuzz.expectations import check, check_refusal, differences
from tests.fuzz.hostile import CONTENT_TYPES, TOP_LEVELS, written
from tests.fuzz.operations import JSON, Answer, Operation, filled, with_bodies


def test_a_body_is_taken_whole_or_leaves_nothing_behind(target: Target, subtests: pytest.Subtests) -> None:
    bodies = Bodies(target.description.schemas, lambda: sorted(target.ids.values()))
    for operation, schema in with_bodies(target.description):
        with subtests.test(operation=operation.id):
            _fuzz(target, operation, st.one_of(bodies.sound(schema), bodies.bent(schema), bodies.torn(schema)))


def _fuzz(target: Target, operation: Operation, bodies: st.SearchStrategy[Any]) -> None:
    rows = target.look()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(bodies)
    def one(body: Any) -> None:
        nonlocal rows
        content = body if isinstance(body, bytes) else written(body)
        answer = target.requests.send(operation.method, target.path(operation), content)
        check(operation, answer)
        if answer.status >= 400:
            target.unchanged_since(rows)
            return
        try:
            if isinstance(body, dict):
                _check_shown(target, operation, body, answer)
        finally:
            rows = target.look()

    one()


def _check_shown(target: Target, operation: Operation, sent: dict[str, Any], answer: Answer) -> None:
    """After a success, what is read is what was answered, which is what was sent; sent back, it changes nothing."""
    shown = answer.object()
    collection = operation.collection or operation.path
    item = target.description.item_path(collection)
    if "id" not in shown or item is None:
        return
    path = filled(item, str(shown["id"]))
    ignored = answer.headers.get("x-ignored-fields", "").split(", ")
    known = {name: value for name, value in sent.items() if name not in ignored}
    assert differences(known, shown) == [], (sent, shown)
    if target.description.has("GET", item):
        assert target.requests.send("GET", path).object() == shown
    if target.description.has("PATCH", item):
        before = target.look()
        again = target.requests.send("PATCH", path, written(shown))
        assert (again.status, again.object()) == (200, shown), again
        target.unchanged_since(before)
    if operation.method == "POST" and target.description.has("DELETE", item):
        removed = target.requests.send("DELETE", path)
        assert (removed.status, removed.document) == (200, {"success": True}), removed


def test_what_is_no_json_object_is_refused(target: Target, subtests: pytest.Subtests) -> None:
    rows = target.look()
    for operation, _ in with_bodies(target.description):
        with subtests.test(operation=operation.id):
            path = target.path(operation)
            for content in TOP_LEVELS:
                answer = target.requests.send(operation.method, path, content)
                assert (answer.status, answer.document["code"]) == (400, "invalid_json"), content[:40]
                check_refusal(answer)
            for kind in CONTENT_TYPES:
                answer = target.requests.send(operation.method, path, b'{"name": "x"}', {"Content-Type": kind})
                assert (answer.status, answer.document["code"]) == (415, "unsupported_media_type"), kind
                check_refusal(answer)
            assert target.requests.send(operation.method, path, b"{}", {}).status == 415
            target.unchanged_since(rows)


def test_huge_texts_are_refused(target: Target, subtests: pytest.Subtests) -> None:
    """10 MB in each operation's fields together, as texts, and as names of fields."""
    rows = target.look()
    for operation, schema in with_bodies(target.description):
        with subtests.test(operation=operation.id):
            names = sorted(target.description.properties(schema)) or ["name"]
            text = "x" * (10_000_000 // len(names))
            for body in (dict.fromkeys(names, text), {name: [text] for name in names}, {text: text[:10]}):
                answer = target.requests.send(operation.method, target.path(operation), written(body))
                check(operation, answer)
                assert len(answer.content) < 20_000
                if answer.status >= 400:
                    target.unchanged_since(rows)
                rows = target.look()
            answer = target.requests.send(operation.method, target.path(operation), b" " * (MAX_BODY_BYTES + 1), JSON)
            assert (answer.status, answer.document["code"]) == (413, "body_too_large")
            check_refusal(answer)
