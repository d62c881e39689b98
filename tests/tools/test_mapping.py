from typing import Any

import pytest

from dialtone.tools.mapping import MISSING, filled

VALUES: dict[str, Any] = {"day": "Tuesday", "party": 4, "vip": True, "tags": ["a", 1], "gone": None}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{party}}", 4),
        ("{{ vip }}", True),
        ("{{tags}}", ["a", 1]),
        ("{{gone}}", None),
        ("on {{day}} for {{party}}, {{vip}}: {{tags}}", 'on Tuesday for 4, true: ["a",1]'),
        ("plain {{", "plain {{"),
        ({"a": {"b": ["{{day}}", 5, None, False]}}, {"a": {"b": ["Tuesday", 5, None, False]}}),
        ({"a": "{{other}}", "b": "on {{other}}", "c": "is {{gone}}", "d": 1}, {"d": 1}),
        (["{{other}}", {"x": "{{other}}"}, "{{day}}"], [{}, "Tuesday"]),
        ({"{{day}}": "a key stays"}, {"{{day}}": "a key stays"}),
    ],
)
def test_placeholders_become_values(template: Any, result: Any) -> None:
    assert filled(template, VALUES) == result


def test_a_value_that_looks_like_a_placeholder_is_not_filled_again() -> None:
    assert filled("{{a}} {{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}} x"


def test_what_needs_a_value_that_is_not_there_is_missing() -> None:
    assert filled("{{other}}", VALUES) is MISSING
